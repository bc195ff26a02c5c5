{{/* Files that the central config names, and how they get to who reads them. */}}

{{/* {"web": […], "worker": […]} of {"where", "path"}; paths below /etc/pushwright are made relative to it. */}}
{{- define "pushwright.configFiles" -}}
{{- $web := list -}}
{{- $worker := list -}}
{{- $config := .Values.config | default dict -}}
{{- range $name, $source := $config.sources -}}
{{- range $key := list "webhook-secret-files" "signing-key-files" -}}
{{- $paths := get $source $key | default list -}}
{{- range (kindIs "string" $paths | ternary (list $paths) $paths) -}}
{{- $web = append $web (dict "where" (printf "config.sources.%s.%s" $name $key) "path" .) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "token-file" "ca-file" -}}
{{- $worker = append $worker (dict "where" (printf "config.sources.%s.%s" $name $key) "path" (get $source $key)) -}}
{{- end -}}
{{- $key := get ($source.app | default dict) "private-key-file" -}}
{{- $worker = append $worker (dict "where" (printf "config.sources.%s.app.private-key-file" $name) "path" $key) -}}
{{- end -}}
{{- range $host, $registry := $config.registries -}}
{{- range $key := list "bot-auth-file" "pod-auth-file" "untrusted-auth-file" "ca-file" -}}
{{- $worker = append $worker (dict "where" (printf "config.registries[%s].%s" $host $key) "path" (get ($registry | default dict) $key)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $secret := $config.secrets -}}
{{- $worker = append $worker (dict "where" (printf "config.secrets.%s.file" $name) "path" (get $secret "file")) -}}
{{- end -}}
{{- $worker = append $worker (dict "where" "config.kubernetes.kubeconfig" "path" (dig "kubernetes" "kubeconfig" "" $config)) -}}
{{- $all := dict -}}
{{- range $who, $files := dict "web" $web "worker" $worker -}}
{{- $named := list -}}
{{- range $files -}}
{{- if .path -}}
{{- $named = append $named (dict "where" .where "path" (.path | trimPrefix "/etc/pushwright/" | trimPrefix "./")) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $all $who $named -}}
{{- end -}}
{{- toJson $all -}}
{{- end -}}

{{/* Paths that can't be mounted, and credentials that the web process would see. */}}
{{- define "pushwright.checkFiles" -}}
{{- $found := list -}}
{{- $files := include "pushwright.configFiles" . | fromJson -}}
{{- $web := list -}}
{{- range $files.web -}}{{- $web = append $web .path -}}{{- end -}}
{{- range concat $files.web $files.worker -}}
{{- $path := .path -}}
{{- if not (or (hasPrefix "/" $path) (regexMatch "^(secrets|ca)/[a-z0-9.-]+/[-._a-zA-Z0-9]+$" $path)) -}}
{{- $found = append $found (printf "%s is %q, and the chart mounts secrets/<Secret>/<key> and ca/<ConfigMap>/<key> only: write it so, or name an absolute path in worker.extraVolumeMounts." .where $path) -}}
{{- end -}}
{{- end -}}
{{- range $files.worker -}}
{{- if and (has .path $web) (hasPrefix "secrets/" .path) -}}
{{- $found = append $found (printf "%s is %q, which is a webhook secret too: the web process would hold a credential. Use two." .where .path) -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* (root, who: [web], [worker] or both): /etc/pushwright as one volume, which the kubelet swaps as a whole. */}}
{{- define "pushwright.configVolume" -}}
{{- $files := include "pushwright.configFiles" .root | fromJson -}}
{{- $sources := dict -}}
{{- range $who := .who -}}
{{- range get $files $who -}}
{{- $parts := splitList "/" .path -}}
{{- if and (eq (len $parts) 3) (has (first $parts) (list "secrets" "ca")) -}}
{{- $source := printf "%s/%s" (index $parts 0) (index $parts 1) -}}
{{- $_ := set $sources $source (append (get $sources $source | default list) (index $parts 2) | uniq) -}}
{{- end -}}
{{- end -}}
{{- end -}}
projected:
  defaultMode: 0440
  sources:
    - configMap: {name: {{ include "pushwright.fullname" .root }}}
    {{- range $source, $keys := $sources }}
    - {{ hasPrefix "ca/" $source | ternary "configMap" "secret" }}:
        name: {{ last (splitList "/" $source) | quote }}
        items:
          {{- range sortAlpha $keys }}
          - {key: {{ . | quote }}, path: {{ printf "%s/%s" $source . | quote }}}
          {{- end }}
    {{- end }}
{{- end -}}
