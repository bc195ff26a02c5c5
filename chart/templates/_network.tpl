{{/* One peer of the values, as `to` or `from` of a NetworkPolicy. */}}
{{- define "pushwright.peer" -}}
{{- if .cidr -}}
ipBlock: {cidr: {{ .cidr | quote }}}
{{- else -}}
namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .namespace | quote }}}}
{{- with .podLabels }}
podSelector:
  matchLabels:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* (root, peers): egress rules for peers that have ports of their own; none listed: every port. "Everything"
     never means metadata services and the cluster. */}}
{{- define "pushwright.egress" -}}
{{- range .peers }}
- to:
    {{- if has .cidr (list "0.0.0.0/0" "::/0") }}
    {{- include "pushwright.allBut" (dict "root" $.root "cidr" .cidr) | nindent 4 }}
    {{- else }}
    - {{- include "pushwright.peer" . | nindent 6 }}
    {{- end }}
  {{- with .ports }}
  ports:
    {{- range . }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Nothing where none is listed: a rule without peers would mean every address. */}}
{{- define "pushwright.dns" -}}
{{- with .Values.networkPolicy.dns -}}
- to:
    {{- range . }}
    - {{- include "pushwright.peer" . | nindent 6 }}
    {{- end }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}
{{- end -}}

{{/* Metadata services of clouds, whatever a range of the values says. */}}
{{- define "pushwright.metadata" -}}
{{- list "169.254.0.0/16" "100.100.100.200/32" "168.63.129.16/32" "192.0.0.192/32" "fe80::/10" "fd00:ec2::254/128" "fd20:ce::254/128" | toJson -}}
{{- end -}}

{{/* (root, cidr): all of IPv4 or IPv6 but metadata services and the cluster's own ranges. */}}
{{- define "pushwright.allBut" -}}
{{- $closed := concat (include "pushwright.metadata" . | fromJsonArray) .root.Values.networkPolicy.clusterRanges | uniq -}}
- ipBlock:
    cidr: {{ .cidr | quote }}
    except:
      {{- range $closed }}
      {{- if eq (contains ":" .) (contains ":" $.cidr) }}
      - {{ . | quote }}
      {{- end }}
      {{- end }}
{{- end -}}

{{- define "pushwright.outside" -}}
- to:
    {{- include "pushwright.allBut" (dict "root" . "cidr" "0.0.0.0/0") | nindent 4 }}
    {{- include "pushwright.allBut" (dict "root" . "cidr" "::/0") | nindent 4 }}
{{- end -}}
