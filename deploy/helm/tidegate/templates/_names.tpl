{{/* Names do not follow the release: there is one installation in a cluster, and the controller knows its objects by them. */}}

{{- define "tidegate.labels" -}}
app.kubernetes.io/name: tidegate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* What a selector chooses never changes. */}}
{{- define "tidegate.selector" -}}
app.kubernetes.io/name: tidegate
tidegate.dev/component: controller
{{- end -}}

{{/* An image of ours by its name. */}}
{{- define "tidegate.image" -}}
{{- $image := .root.Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ .name }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}

{{- define "tidegate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "tidegate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What the controller and what clears up after it are told. */}}
{{- define "tidegate.environment" -}}
- name: TIDEGATE_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: TIDEGATE_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: TIDEGATE_PROXY_IMAGE
  value: {{ include "tidegate.image" (dict "root" . "name" .Values.image.proxy) | quote }}
- name: TIDEGATE_WATCH_NAMESPACES
  value: {{ join "," .Values.watchNamespaces | quote }}
- name: TIDEGATE_SECRET_NAMESPACES
  value: {{ join "," .Values.secretNamespaces | quote }}
{{- with .Values.gatewayDefaults }}
{{- $texts := dict }}
{{- range $key, $value := . }}{{ $_ := set $texts $key (toString $value) }}{{ end }}
- name: TIDEGATE_GATEWAY_DEFAULTS
  value: {{ toJson $texts | quote }}
{{- end }}
{{- with .Values.sidecar }}
- name: TIDEGATE_SIDECAR_CPU_REQUEST
  value: {{ .cpu | quote }}
- name: TIDEGATE_SIDECAR_CPU_LIMIT
  value: {{ .cpuLimit | quote }}
- name: TIDEGATE_SIDECAR_MEMORY_REQUEST
  value: {{ .memory | quote }}
- name: TIDEGATE_SIDECAR_MEMORY_LIMIT
  value: {{ .memoryLimit | quote }}
{{- end }}
{{- with .Values.serviceRanges }}
- name: TIDEGATE_SERVICE_RANGES
  value: {{ join "," . | quote }}
{{- end }}
{{- end -}}
