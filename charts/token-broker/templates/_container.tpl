{{/*
The container, as an app's native sidecar or as the gateway's only one, and its volumes. Same arguments as in _names.tpl.
*/}}

{{/*
For an app's "initContainers": starts before the app's containers and stops after them. Besides the usual arguments "podSeconds", the pod's
terminationGracePeriodSeconds, where that is not 30 as by default: kubelet kills what takes longer.
*/}}
{{- define "token-broker.sidecar" -}}
{{- $needed := include "token-broker.terminationGracePeriodSeconds" . | int -}}
{{- $given := .podSeconds | default 30 | int -}}
{{- if gt $needed $given -}}
{{- fail (printf "config.shutdown of the sidecar takes up to %ds (delay, grace, and 5s), and its pod gets %ds: give the pod terminationGracePeriodSeconds by the template \"token-broker.terminationGracePeriodSeconds\", and the same number to \"token-broker.sidecar\" as \"podSeconds\"" $needed $given) -}}
{{- end -}}
- {{- include "token-broker.container" . | nindent 2 }}
  restartPolicy: Always
{{- end -}}

{{- define "token-broker.container" -}}
name: token-broker
image: {{ include "token-broker.image" . | quote }}
imagePullPolicy: {{ .values.image.pullPolicy }}
args: [start, -c, /etc/token-broker/sidecar.config.json]
{{- with include "token-broker.variables" (dict "values" .values "secrets" .values.secrets.env) }}
{{ . }}
{{- end }}
ports:
  {{- range (include "token-broker.ports" . | fromJson).items }}
  - name: {{ .name }}
    containerPort: {{ .port }}
  {{- end }}
  - name: probes
    containerPort: {{ include "token-broker.probesPort" . }}
{{ include "token-broker.probes" (include "token-broker.probesPort" .) }}
securityContext:
  {{- include "token-broker.securityContext" . | nindent 2 }}
{{- with .values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- /* The whole folder, not a subPath: only so do changes of the ConfigMap arrive. */}}
  - name: token-broker-config
    mountPath: /etc/token-broker
    readOnly: true
  {{- range $name, $secretName := include "token-broker.secretFiles" . | fromJson }}
  - name: token-broker-{{ $name }}
    mountPath: /run/secrets/token-broker/{{ $name }}
    readOnly: true
  {{- end }}
  {{- with .values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/*
"env" and "envFrom" of a container. Arguments: "values", with its extraEnv and extraEnvFrom; "secrets", a map as secrets.env. Those come first, so
that extraEnv can name them by $(NAME).
*/}}
{{- define "token-broker.variables" -}}
{{- $variables := dict -}}
{{- $env := list -}}
{{- range $name, $reference := .secrets -}}
{{- $env = append $env (dict "name" $name "valueFrom" (dict "secretKeyRef" (dict "name" $reference.secretName "key" $reference.key))) -}}
{{- end -}}
{{- with concat $env (.values.extraEnv | default list) -}}
{{- $_ := set $variables "env" . -}}
{{- end -}}
{{- with .values.extraEnvFrom -}}
{{- $_ := set $variables "envFrom" . -}}
{{- end -}}
{{- with $variables -}}{{- toYaml . -}}{{- end -}}
{{- end -}}

{{/*
What kubelet asks, on the port that is the argument. Ready within a second or two, unless config.readiness waits for
tokens, 10s at most: a minute is for slow nodes. On a busy one answers are late, and a pod that is killed for it only leaves more to the others.
*/}}
{{- define "token-broker.probes" -}}
startupProbe:
  httpGet: { path: /readyz, port: {{ . }} }
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /livez, port: {{ . }} }
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: {{ . }} }
  periodSeconds: 5
  timeoutSeconds: 3
{{- end -}}

{{/* No rights to spare; 65532 is the user of the image. */}}
{{- define "token-broker.securityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* For the pod's "volumes". */}}
{{- define "token-broker.volumes" -}}
- name: token-broker-config
  configMap:
    name: {{ include "token-broker.fullname" . }}
{{- range $name, $secretName := include "token-broker.secretFiles" . | fromJson }}
- name: token-broker-{{ $name }}
  secret:
    secretName: {{ $secretName }}
    {{- /* 0444: readable by the broker's user whatever the pod's fsGroup; the folder is mounted nowhere else. */}}
    defaultMode: 292
{{- end }}
{{- with .values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Which Secrets are mounted, as JSON: folder name → name of the Secret. */}}
{{- define "token-broker.secretFiles" -}}
{{- $files := deepCopy (.values.secrets.files | default dict) -}}
{{- /* A pod waits for a Secret that it mounts, used or not. What "extends" names may use it unseen. */ -}}
{{- $used := or .values.config.extends (contains "/run/secrets/token-broker/tls/" (include "token-broker.config" .)) -}}
{{- if and .values.gateway.enabled .values.gateway.tlsSecretName $used (not (hasKey $files "tls")) -}}
{{- $_ := set $files "tls" .values.gateway.tlsSecretName -}}
{{- end -}}
{{- $files | toJson -}}
{{- end -}}
