{{- define "pushwright.webContainer" -}}
name: web
{{ include "pushwright.containerBase" . }}
args: [web]
env:
  - {name: PUSHWRIGHT_LISTEN, value: {{ printf "%s:8080" .Values.web.address | quote }}}
  - {name: PUSHWRIGHT_WEB_THREADS, value: {{ .Values.web.threads | quote }}}
  {{- include "pushwright.databaseEnv" . | nindent 2 }}
ports:
  - {name: http, containerPort: 8080}
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- if include "pushwright.postgresql" . }}
# Whoever still sends to this pod while it leaves the Service is answered.
lifecycle:
  preStop: {exec: {command: [sleep, "5"]}}
{{- end }}
resources:
  {{- toYaml .Values.web.resources | nindent 2 }}
volumeMounts:
  - {name: web-config, mountPath: /etc/pushwright, readOnly: true}
  - {name: web-tmp, mountPath: /tmp}
  {{- include "pushwright.databaseMounts" . | nindent 2 }}
{{- end -}}

{{- define "pushwright.webVolumes" -}}
- name: web-config
  {{- include "pushwright.configVolume" (dict "root" . "who" (list "web")) | nindent 2 }}
# Large webhook bodies pass through it.
- {name: web-tmp, emptyDir: {sizeLimit: 256Mi}}
{{- end -}}
