{{- define "pushwright.workerContainer" -}}
name: worker
{{ include "pushwright.containerBase" . }}
args: [worker]
env:
  - {name: HOME, value: /tmp}
  - {name: PUSHWRIGHT_HEARTBEAT_FILE, value: /tmp/heartbeat}
  {{- if include "pushwright.postgresql" . }}
  - {name: PUSHWRIGHT_STATE, value: /tmp/pushwright}
  {{- end }}
  {{- include "pushwright.databaseEnv" . | nindent 2 }}
  {{- include "pushwright.proxyEnv" . | nindent 2 }}
  {{- with .Values.worker.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
# Its loops all went round within the last minute. Nobody calls it: ready is what an upgrade waits for before the
# old version goes.
readinessProbe:
  {{- include "pushwright.heartbeat" . | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 5
livenessProbe:
  {{- include "pushwright.heartbeat" . | nindent 2 }}
  initialDelaySeconds: 30
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 3
resources:
  {{- toYaml .Values.worker.resources | nindent 2 }}
volumeMounts:
  - {name: worker-config, mountPath: /etc/pushwright, readOnly: true}
  - {name: worker-tmp, mountPath: /tmp}
  {{- if (include "pushwright.buildNamespaces" . | fromJson).list }}
  - {name: cluster, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  {{- end }}
  {{- include "pushwright.databaseMounts" . | nindent 2 }}
  {{- with .Values.worker.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "pushwright.heartbeat" -}}
exec:
  command: [sh, -c, 'test $(($(date +%s) - $(stat -c %Y "$PUSHWRIGHT_HEARTBEAT_FILE"))) -lt 60']
{{- end -}}

{{- define "pushwright.workerVolumes" -}}
- name: worker-config
  {{- include "pushwright.configVolume" (dict "root" . "who" (list "worker")) | nindent 2 }}
- {name: worker-tmp, emptyDir: {sizeLimit: 1Gi}}
{{- if (include "pushwright.buildNamespaces" . | fromJson).list }}
# The only token of the cluster, in the only container that mounts it.
- name: cluster
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end }}
{{- with .Values.worker.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "pushwright.proxyEnv" -}}
{{- with .Values.proxy }}
{{- if or .httpProxy .httpsProxy }}
{{- $no := list "$(KUBERNETES_SERVICE_HOST)" "localhost" "127.0.0.1" "::1" ".svc" ".cluster.local" .noProxy | compact | join "," }}
{{- range $name, $value := dict "HTTP_PROXY" .httpProxy "HTTPS_PROXY" .httpsProxy "NO_PROXY" $no }}
{{- if $value }}
- {name: {{ $name }}, value: {{ $value | quote }}}
- {name: {{ lower $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
