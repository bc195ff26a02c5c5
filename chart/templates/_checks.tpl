{{/* What can't work, all of it at once, with what to do. */}}
{{- define "pushwright.check" -}}
{{- $found := list -}}
{{- if not .Values.image.repository -}}
{{- $found = append $found (include "pushwright.noImage" .) -}}
{{- end -}}
{{- if not .Values.config -}}
{{- $found = append $found "config is missing: it is the central config, verbatim. Begin with the lines in the chart's values.yaml; docs/central-config.md has every key." -}}
{{- end -}}
{{- $found = concat $found (include "pushwright.checkDatabase" . | fromJsonArray) -}}
{{- $found = concat $found (include "pushwright.checkIngress" . | fromJsonArray) -}}
{{- $found = concat $found (include "pushwright.checkNamespaces" . | fromJsonArray) -}}
{{- $found = concat $found (include "pushwright.checkFiles" . | fromJsonArray) -}}
{{- if $found -}}
{{- fail (printf "\n\n%s\n" (join "\n\n" $found)) -}}
{{- end -}}
{{- end -}}

{{- define "pushwright.noImage" -}}
image.repository is missing: pushwright has no public image. Build and push it from its sources, then name it:
  make image IMAGE=registry.example.com/pushwright:{{ .Chart.AppVersion }}
  docker push registry.example.com/pushwright:{{ .Chart.AppVersion }}
  helm … --set image.repository=registry.example.com/pushwright
{{- end -}}

{{- define "pushwright.checkDatabase" -}}
{{- $found := list -}}
{{- $database := .Values.database -}}
{{- if and $database.url $database.urlSecret.name -}}
{{- $found = append $found "database.url and database.urlSecret exclude one another: keep one." -}}
{{- end -}}
{{- if and (not (include "pushwright.postgresql" .)) (or (gt (int .Values.web.replicas) 1) (gt (int .Values.worker.replicas) 1)) -}}
{{- $found = append $found "more than one replica needs PostgreSQL: SQLite is one file of one pod. Set database.url or database.urlSecret, or web.replicas and worker.replicas to 1." -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- define "pushwright.checkIngress" -}}
{{- $found := list -}}
{{- $url := get (.Values.config | default dict) "public-url" | default "" -}}
{{- if and .Values.ingress.enabled ((urlParse $url).path | trimAll "/") -}}
{{- $found = append $found (printf "config.public-url is %q: an Ingress hands a path on as it is, and the bot answers at the root of its host. Give it a host of its own, or leave ingress.enabled false and strip the path by a proxy of yours." $url) -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- define "pushwright.checkNamespaces" -}}
{{- $found := list -}}
{{- $builds := include "pushwright.buildNamespaces" . | fromJson -}}
{{- if eq (dig "executor" "kubernetes" (.Values.config | default dict)) "docker" -}}
{{- $found = append $found "config.executor is docker, and there is no docker daemon in the chart's pods: leave the key out, and builds run as pods." -}}
{{- end -}}
{{- if has .Release.Namespace $builds.list -}}
{{- $found = append $found (printf "builds run in privileged pods and can't share the namespace %s with the bot: set config.kubernetes.namespace, and that of config.kubernetes.untrusted, to others." .Release.Namespace) -}}
{{- end -}}
{{- if and $builds.trusted (eq $builds.trusted $builds.untrusted) -}}
{{- $found = append $found "config.kubernetes.untrusted.namespace must be another than config.kubernetes.namespace: builds of forks run beside no Secret of trusted ones." -}}
{{- end -}}
{{- if and $builds.untrusted .Values.networkPolicy.enabled (not .Values.networkPolicy.untrustedAllow) -}}
{{- $found = append $found "networkPolicy.untrustedAllow is empty, so builds of forks could not even fetch their source: list the Git host's addresses, registry mirrors and proxies, such as [{cidr: 192.0.2.0/24, ports: [443]}]." -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}
