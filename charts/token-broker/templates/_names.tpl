{{/*
Names and labels. Each template takes a dict: "root", the caller's $, and "values", the values of this chart, so that an app
chart that has this one as a dependency gets the same result from its own templates.
*/}}

{{- define "token-broker.name" -}}
{{- .values.nameOverride | default "token-broker" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "token-broker.fullname" -}}
{{- $name := include "token-broker.name" . -}}
{{- if .values.fullnameOverride -}}
{{- .values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .root.Release.Name -}}
{{- .root.Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .root.Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "token-broker.selectorLabels" -}}
app.kubernetes.io/name: {{ include "token-broker.name" . }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{- define "token-broker.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "token-broker.selectorLabels" . }}
app.kubernetes.io/version: {{ .values.image.tag | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{/* Of the pods of "helm test". No Service selects them. */}}
{{- define "token-broker.testLabels" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: test
{{- end -}}

{{- define "token-broker.probesService" -}}
{{- printf "%s-probes" (include "token-broker.fullname" . | trunc 56 | trimSuffix "-") -}}
{{- end -}}

{{- define "token-broker.serviceAccountName" -}}
{{- if .values.serviceAccount.create -}}
{{- .values.serviceAccount.name | default (include "token-broker.fullname" .) -}}
{{- else -}}
{{- .values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "token-broker.image" -}}
{{- with .values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}
{{- end -}}
