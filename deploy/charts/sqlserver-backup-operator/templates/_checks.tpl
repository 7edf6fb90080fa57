{{/* Values that are right alone and wrong together; the schema sees them one by one. Each refusal names the cure. */}}

{{- define "operator.checks" -}}
{{- with .Values }}
{{- if gt (int .polling.minSeconds) (int .polling.maxSeconds) }}
{{- fail "polling.minSeconds is above polling.maxSeconds: lower the first or raise the second" }}
{{- end }}
{{- if and .proxy.https .proxy.existingSecret }}
{{- fail "proxy.https and proxy.existingSecret both name the proxy: set one of them" }}
{{- end }}
{{- if and .extraCa.configMap .extraCa.secret }}
{{- fail "extraCa.configMap and extraCa.secret are both set: put all authorities into one of them" }}
{{- end }}
{{- if and (has "*" .sharedIdentityNamespaces) (gt (len .sharedIdentityNamespaces) 1) }}
{{- fail "sharedIdentityNamespaces holds * and names: give names, or * alone for all" }}
{{- end }}
{{- end }}
{{- end }}
