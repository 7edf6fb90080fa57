{{/* The settings of the program, by their environment names. What is empty is left out: then the program's default holds. */}}

{{- define "operator.variable" -}}
{{- if .value }}
- name: {{ .name }}
  value: {{ .value | quote }}
{{- end }}
{{- end }}

{{- define "operator.environment" -}}
# Who wrote an intent and who holds the lease: the pod's name, so that a person reading a status finds the log.
# The version is the default; written out, a release takes over what kubectl applied without a conflict.
- name: POD_NAME
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: metadata.name
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: metadata.namespace
{{- $values := .Values }}
{{- $settings := list
  (dict "name" "LEASE_NAME" "value" (include "operator.fullname" .))
  (dict "name" "WATCH_NAMESPACES" "value" (uniq (default list $values.watchNamespaces) | join ","))
  (dict "name" "SHARED_IDENTITY_NAMESPACES" "value" (uniq (default list $values.sharedIdentityNamespaces) | join ","))
  (dict "name" "NODE_ROLE" "value" (ternary "true" "" $values.identity.nodeRole))
  (dict "name" "TENCENT_ENDPOINT" "value" $values.tencent.endpoint)
  (dict "name" "TENCENT_STS_ENDPOINT" "value" $values.tencent.stsEndpoint)
  (dict "name" "API_SHARE" "value" (toString $values.tencent.apiShare))
  (dict "name" "POLL_MIN_SECONDS" "value" (toString $values.polling.minSeconds))
  (dict "name" "POLL_MAX_SECONDS" "value" (toString $values.polling.maxSeconds))
  (dict "name" "PROTECTED_INTERVAL_SECONDS" "value" (toString $values.schedules.protectedIntervalSeconds))
  (dict "name" "DRAIN_SECONDS" "value" (toString $values.drainSeconds))
  (dict "name" "LOG_FORMAT" "value" $values.logging.format)
  (dict "name" "RUST_LOG" "value" $values.logging.filter)
  (dict "name" "HTTPS_PROXY" "value" $values.proxy.https)
  (dict "name" "NO_PROXY" "value" $values.proxy.noProxy)
  (dict "name" "EXTRA_CA_FILE" "value" (ternary "/etc/extra-ca/ca.crt" "" (not (empty (or $values.extraCa.configMap $values.extraCa.secret)))))
}}
{{- range $settings }}
{{- include "operator.variable" . }}
{{- end }}
{{- with $values.proxy.existingSecret }}
- name: HTTPS_PROXY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: https}
{{- end }}
{{- with $values.identity.existingSecret }}
# The operator's own access key. A Secret that is not there keeps the pod from starting, which is seen at once.
- name: TENCENTCLOUD_SECRET_ID
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: secretId}
- name: TENCENTCLOUD_SECRET_KEY
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: secretKey}
- name: TENCENTCLOUD_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: token, optional: true}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
