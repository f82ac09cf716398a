{{/*
The broker's configuration and what follows from it: ports, the time to stop. Same arguments as in _names.tpl.
*/}}

{{/*
What the broker gets. A gateway without listeners of its own gets one with TLS and Basic; and it goes on accepting for a moment
when it stops, since Kubernetes takes its address out of the Service only while it is told to stop. How long it takes to stop stands here in any
case, so that no file of "extends" can say more than the pod gets.
*/}}
{{- define "token-broker.config" -}}
{{- $config := deepCopy .values.config -}}
{{- if .values.gateway.enabled -}}
{{- if not $config.listeners -}}
{{- if $config.extends -}}
{{- fail "config.extends names a file that the chart does not look into, so it cannot know the listeners there: write in config.listeners those that the Service is to have" -}}
{{- end -}}
{{- $tls := dict "cert" (dict "fromFile" "/run/secrets/token-broker/tls/tls.crt") "key" (dict "fromFile" "/run/secrets/token-broker/tls/tls.key") -}}
{{- $listener := dict "address" "0.0.0.0:8443" "authenticate" (list "basic") "tls" $tls -}}
{{- $_ := set $config "listeners" (dict "gateway" $listener) -}}
{{- end -}}
{{- $config = merge $config (dict "shutdown" (dict "delay" "5s" "grace" "25s")) -}}
{{- else if $config.extends -}}
{{- $config = merge $config (dict "shutdown" (dict "delay" "0s" "grace" "25s")) -}}
{{- end -}}
{{- $config | toPrettyJson -}}
{{- end -}}

{{/* The port of an address that can be reached from outside of the pod, or nothing: for loopback, a Unix socket, and port 0, which is another one in each pod. */}}
{{- define "token-broker.outsidePort" -}}
{{- if not (regexMatch "(?i)^(127\\.|([a-z0-9-]+\\.)*localhost\\.?:|\\[[0:]+1\\]:|unix:)" .) -}}{{- regexFind "[1-9][0-9]*$" . -}}{{- end -}}
{{- end -}}

{{/* The ports that can be reached from outside of the pod, as JSON: {"items": [{"name", "port"}]}. */}}
{{- define "token-broker.ports" -}}
{{- $items := list -}}
{{- range $listener := (include "token-broker.config" . | fromJson).listeners -}}
{{- with include "token-broker.outsidePort" $listener.address -}}
{{- $scheme := ternary "https" "http" (hasKey $listener "tls") -}}
{{- $items = append $items (dict "name" (printf "%s-%s" $scheme .) "port" (int .)) -}}
{{- end -}}
{{- end -}}
{{- dict "items" (uniq $items) | toJson -}}
{{- end -}}

{{/* The port for kubelet and Prometheus. */}}
{{- define "token-broker.probesPort" -}}
{{- $address := (.values.config.probes).address | required "config.probes.address is needed: kubelet asks there whether the broker lives" -}}
{{- include "token-broker.outsidePort" $address | required (printf "config.probes.address is %q, where kubelet cannot reach it: use 0.0.0.0:PORT" $address) -}}
{{- end -}}

{{/* Whole seconds of a duration such as 1h30m or 500ms, rounded up. */}}
{{- define "token-broker.seconds" -}}
{{- $milliseconds := 0 -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- range $part := regexFindAll "[0-9]+(ms|s|m|h|d)" . -1 -}}
{{- $milliseconds = add $milliseconds (mul (regexFind "^[0-9]+" $part | int64) (get $units (regexFind "[a-z]+$" $part))) -}}
{{- end -}}
{{- div (add $milliseconds 999) 1000 -}}
{{- end -}}

{{/* Enough for shutdown.delay and shutdown.grace, and five seconds to revoke tokens and exit. */}}
{{- define "token-broker.terminationGracePeriodSeconds" -}}
{{- $shutdown := (include "token-broker.config" . | fromJson).shutdown | default dict -}}
{{- $delay := include "token-broker.seconds" ($shutdown.delay | default "0s") | int -}}
{{- $grace := include "token-broker.seconds" ($shutdown.grace | default "25s") | int -}}
{{- add $delay $grace 5 -}}
{{- end -}}

{{/* Changes with the configuration: as a pod annotation it rolls the pods. */}}
{{- define "token-broker.checksum" -}}
{{- include "token-broker.config" . | sha256sum -}}
{{- end -}}

{{/* The ConfigMap that the sidecar or the gateway mounts; with "namespace" in the arguments, there. */}}
{{- define "token-broker.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "token-broker.fullname" . }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "token-broker.labels" . | nindent 4 }}
data:
  sidecar.config.json: |
    {{- include "token-broker.config" . | nindent 4 }}
{{- end -}}
