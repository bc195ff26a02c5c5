{{/* A Service's name has no dot and begins with a letter; a release's may be otherwise. */}}
{{- define "pushwright.fullname" -}}
{{- $name := .Release.Name | replace "." "-" -}}
{{- if regexMatch "^[0-9]" $name -}}
{{- $name = printf "pushwright-%s" $name -}}
{{- else if not (contains "pushwright" $name) -}}
{{- $name = printf "%s-pushwright" $name -}}
{{- end -}}
{{ $name | trunc 50 | trimSuffix "-" }}
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

{{/* The central config as JSON, with what only the chart knows filled in. */}}
{{- define "pushwright.config" -}}
{{- $pods := dict "namespace" "pushwright-builds" "builder-image" (include "pushwright.image" .) -}}
{{- mergeOverwrite (dict "executor" "kubernetes" "kubernetes" $pods) (deepCopy (.Values.config | default dict)) | toJson -}}
{{- end -}}

{{/* A JSON object {"trusted": …, "untrusted": …, "list": […]} of the namespaces of builds in this cluster: none
     where a kubeconfig names another one. */}}
{{- define "pushwright.buildNamespaces" -}}
{{- $pods := (include "pushwright.config" . | fromJson).kubernetes -}}
{{- $untrusted := dig "untrusted" "namespace" "" $pods -}}
{{- if $pods.kubeconfig -}}
{{- dict "trusted" "" "untrusted" "" "list" list | toJson -}}
{{- else -}}
{{- dict "trusted" $pods.namespace "untrusted" $untrusted "list" (list $pods.namespace $untrusted | compact | uniq) | toJson -}}
{{- end -}}
{{- end -}}
