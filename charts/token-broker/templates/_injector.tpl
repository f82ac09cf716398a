{{/*
The injector: its names, its config, and in it the container and the volumes that the other templates give to app charts.
*/}}

{{/* As JSON, what its values have instead of the chart's: all of its objects are named by the same templates as the gateway's. */}}
{{- define "token-broker.injectorNames" -}}
{{- $name := printf "%s-injector" (include "token-broker.name" . | trunc 54 | trimSuffix "-") -}}
{{- $full := printf "%s-injector" (include "token-broker.fullname" . | trunc 54 | trimSuffix "-") -}}
{{- dict "nameOverride" $name "fullnameOverride" $full | toJson -}}
{{- end -}}

{{/*
As JSON, the values that an app chart would have for a sidecar. Arguments: "values", those of this chart; "name" and "sidecar", one of
injector.sidecars.
*/}}
{{- define "token-broker.injectedValues" -}}
{{- $values := dict "image" .values.image "nameOverride" .values.nameOverride "resources" .values.resources -}}
{{- $_ := set $values "fullnameOverride" (printf "token-broker-%s" .name) -}}
{{- $_ := set $values "gateway" (dict "enabled" false) -}}
{{- $_ := set $values "config" (dict "probes" (dict "address" "0.0.0.0:9100")) -}}
{{- $_ := set $values "secrets" (dict "files" dict "env" dict) -}}
{{- $_ := set $values "extraVolumes" list -}}
{{- $_ := set $values "extraVolumeMounts" list -}}
{{- merge (deepCopy .sidecar) $values | toJson -}}
{{- end -}}

{{/* Where the Secret with its certificate is. */}}
{{- define "token-broker.injectorSecret" -}}
{{- .values.injector.certificate.secretName | default (printf "%s-tls" (include "token-broker.fullname" .)) -}}
{{- end -}}

{{/* What the injector gets. */}}
{{- define "token-broker.injectorConfig" -}}
{{- $folder := "/run/secrets/token-broker/tls" -}}
{{- $tls := dict "cert" (dict "fromFile" (printf "%s/tls.crt" $folder)) "key" (dict "fromFile" (printf "%s/tls.key" $folder)) -}}
{{- $sidecars := dict -}}
{{- range $name, $sidecar := .values.injector.sidecars -}}
{{- $values := include "token-broker.injectedValues" (dict "values" $.values "name" $name "sidecar" $sidecar) | fromJson -}}
{{- $broker := dict "root" $.root "values" $values -}}
{{- /* How long the pods have nobody knows before they are there. */ -}}
{{- $_ := set $broker "podSeconds" (include "token-broker.terminationGracePeriodSeconds" $broker) -}}
{{- $entry := dict "namespaces" ($sidecar.namespaces | default list) "env" ($sidecar.env | default dict) -}}
{{- $_ := set $entry "container" (include "token-broker.sidecar" $broker | fromYamlArray | first) -}}
{{- $_ := set $entry "volumes" (include "token-broker.volumes" $broker | fromYamlArray) -}}
{{- $_ := set $entry "imagePullSecrets" $.values.imagePullSecrets -}}
{{- $_ := set $sidecars $name $entry -}}
{{- end -}}
{{- $webhook := dict "address" "0.0.0.0:8443" "tls" $tls -}}
{{- dict "webhook" $webhook "probes" (dict "address" "0.0.0.0:9100") "sidecars" $sidecars "shutdown" (dict "delay" "5s") | toPrettyJson -}}
{{- end -}}
