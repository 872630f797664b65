{{/* What several templates need: labels, variables, mounts, and what a container may do. */}}

{{- define "etl.labels" -}}
app.kubernetes.io/name: {{ .name | quote }}
app.kubernetes.io/part-of: {{ .root.Chart.Name | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
{{- end }}

{{- define "etl.selector" -}}
app.kubernetes.io/name: {{ .name | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- end }}

{{- define "etl.image" -}}
{{ printf "%s:%s" (required "image.repository: write the name of the image" .Values.image.repository) (required "image.tag: write the version of the image" (.Values.image.tag | toString)) }}
{{- end }}

{{/* Pods are never root, see no account of the cluster, and no variables of other services. */}}
{{- define "etl.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "etl.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The variables of a service: settings with their values, and secrets by their names. */}}
{{- define "etl.env" -}}
{{- range $name, $value := merge (dict) .service.settings .root.Values.settings }}
- {name: {{ $name | quote }}, value: {{ $value | quote }}}
{{- end }}
- name: DAGSTER_PG_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .root.Values.database.secret | quote }}, key: password}}
{{- range .service.variables }}
- name: {{ . | quote }}
  valueFrom: {secretKeyRef: {name: {{ $.service.secret | quote }}, key: {{ . | quote }}}}
{{- end }}
{{- range .service.optional }}
- name: {{ . | quote }}
  valueFrom: {secretKeyRef: {name: {{ $.service.secret | quote }}, key: {{ . | quote }}, optional: true}}
{{- end }}
{{- end }}

{{- define "etl.mounts" -}}
- {name: settings, mountPath: {{ .root.Values.places.home | quote }}, readOnly: true}
- {name: state, mountPath: {{ printf "%s/%s" .root.Values.places.state .service.name | quote }}}
- {name: tmp, mountPath: /tmp}
{{- range .service.secretFiles }}
- {name: {{ .secret | quote }}, mountPath: {{ .mountPath | quote }}, readOnly: true}
{{- end }}
{{- end }}

{{- define "etl.volumes" -}}
- {name: settings, configMap: {name: settings}}
- {name: tmp, emptyDir: {sizeLimit: {{ .root.Values.tmp | quote }}}}
{{- if .service.storage }}
- {name: state, persistentVolumeClaim: {claimName: {{ .service.name | quote }}}}
{{- else }}
- {name: state, emptyDir: {}}
{{- end }}
{{- range .service.secretFiles }}
- name: {{ .secret | quote }}
  secret:
    secretName: {{ .secret | quote }}
    defaultMode: 288 # 0440: for the group of the pod
    items: {{- toYaml .items | nindent 6 }}
{{- end }}
{{- end }}

{{- define "etl.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - {name: {{ . | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "etl.resources" -}}
requests: {cpu: {{ .cpu | quote }}, memory: {{ .memoryMb }}Mi}
limits: {memory: {{ .memoryMb }}Mi}
{{- end }}
