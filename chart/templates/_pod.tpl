{{/* Parts of the bot's pods. Arguments are the chart's root context unless it says otherwise. */}}
{{- define "pushwright.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "pushwright.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What every pod of the bot has: no token, no list of services in the environment. */}}
{{- define "pushwright.podBase" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "pushwright.podSecurity" . | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "pushwright.containerBase" -}}
image: {{ include "pushwright.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [pushwright]
securityContext:
  {{- include "pushwright.containerSecurity" . | nindent 2 }}
{{- end -}}

{{- define "pushwright.databaseEnv" -}}
- name: PUSHWRIGHT_LOG_LEVEL
  value: {{ .Values.logLevel }}
{{- with .Values.database }}
{{- if .urlSecret.name }}
- name: PUSHWRIGHT_DATABASE_URL
  valueFrom:
    secretKeyRef: {name: {{ .urlSecret.name | quote }}, key: {{ .urlSecret.key | quote }}}
{{- else if .url }}
- name: PUSHWRIGHT_DATABASE_URL
  value: {{ .url | quote }}
{{- if .passwordSecret.name }}
- name: PUSHWRIGHT_DATABASE_PASSWORD_FILE
  value: /etc/pushwright-database/password
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* SQLite's volume, or files that PostgreSQL asks for. */}}
{{- define "pushwright.databaseMounts" -}}
{{- if not (include "pushwright.postgresql" .) }}
- {name: state, mountPath: /var/lib/pushwright}
{{- else if include "pushwright.databaseFiles" . }}
- {name: database, mountPath: /etc/pushwright-database, readOnly: true}
{{- end }}
{{- end -}}

{{- define "pushwright.databaseFiles" -}}
{{- with .Values.database }}
{{- if and .url .passwordSecret.name }}
- secret:
    name: {{ .passwordSecret.name | quote }}
    items: [{key: {{ .passwordSecret.key | quote }}, path: password}]
{{- end }}
{{- if .caConfigMap.name }}
- configMap:
    name: {{ .caConfigMap.name | quote }}
    items: [{key: {{ .caConfigMap.key | quote }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end -}}

{{/* By the address, which a urlSecret hides. */}}
{{- define "pushwright.databasePort" -}}
{{- regexFind ":[0-9]+$" (urlParse .Values.database.url).host | trimPrefix ":" | default 5432 -}}
{{- end -}}

{{- define "pushwright.databaseVolumes" -}}
{{- with include "pushwright.databaseFiles" . }}
- name: database
  projected:
    defaultMode: 0440
    sources:
      {{- . | trim | nindent 6 }}
{{- end }}
{{- end -}}

{{/* The argument is .Values.web or .Values.worker. */}}
{{- define "pushwright.placement" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with get $ $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Of the one pod that is web and worker; what only one of them can say is the worker's. */}}
{{- define "pushwright.placementOfBoth" -}}
{{- $web := .Values.web -}}
{{- with .Values.worker -}}
{{- $nodes := merge (deepCopy .nodeSelector) $web.nodeSelector -}}
{{- $taints := concat .tolerations $web.tolerations | uniq -}}
{{- include "pushwright.placement" (dict "nodeSelector" $nodes "tolerations" $taints "affinity" (.affinity | default $web.affinity)) -}}
{{- end -}}
{{- end -}}

{{/* (root, component): replicas on nodes of their own where there are enough. */}}
{{- define "pushwright.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "pushwright.selector" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
{{- end -}}
