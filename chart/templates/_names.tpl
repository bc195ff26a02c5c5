{{- define "pushwright.fullname" -}}
{{- if contains "pushwright" .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-pushwright" .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "pushwright.selector" -}}
app.kubernetes.io/name: pushwright
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "pushwright.labels" -}}
{{ include "pushwright.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "pushwright.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* "true" where PostgreSQL holds the state. */}}
{{- define "pushwright.postgresql" -}}
{{- if or .Values.database.url .Values.database.urlSecret.name -}}true{{- end -}}
{{- end -}}

{{/* The component that answers HTTP: with SQLite one pod is web and worker. */}}
{{- define "pushwright.webComponent" -}}
{{- if include "pushwright.postgresql" . -}}web{{- else -}}all{{- end -}}
{{- end -}}

{{- define "pushwright.webAccount" -}}{{ include "pushwright.fullname" . }}-web{{- end -}}
{{- define "pushwright.workerAccount" -}}{{ include "pushwright.fullname" . }}-worker{{- end -}}

{{/* A JSON object {"list": […]} of the namespaces that build pods run in. */}}
{{- define "pushwright.buildNamespaces" -}}
{{- dict "list" (list .Values.builds.namespace .Values.builds.untrustedNamespace | compact | uniq) | toJson -}}
{{- end -}}
