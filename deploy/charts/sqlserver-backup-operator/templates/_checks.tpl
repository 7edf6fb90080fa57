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
{{- $shared := default list .sharedIdentityNamespaces }}
{{- if and (has "*" $shared) (gt (len $shared) 1) }}
{{- fail "sharedIdentityNamespaces holds * and names: give names, or * alone for all" }}
{{- end }}
{{- $ports := list }}
{{- range .networkPolicy.ports }}{{ $ports = append $ports (int .) }}{{ end }}
{{- if and .identity.nodeRole (not .identity.existingSecret) .networkPolicy.enabled (not (has 80 $ports)) }}
{{- fail "identity.nodeRole needs port 80, where the keys come from, and the network policy holds it back: add 80 to networkPolicy.ports" }}
{{- end }}
{{- $cures := include "operator.cures" . | fromYaml }}
{{- range $variable := .extraEnv }}
{{- with get $cures $variable.name }}
{{- fail (printf "extraEnv names %s, which the chart sets: %s" $variable.name .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* By which value each variable of the program is set. What is not here is free for extraEnv, as ADMIN_ADDRESS. */}}
{{- define "operator.cures" -}}
POD_NAME: leave it out
POD_NAMESPACE: leave it out
LEASE_NAME: use fullnameOverride
WATCH_NAMESPACES: use watchNamespaces
SHARED_IDENTITY_NAMESPACES: use sharedIdentityNamespaces
NODE_ROLE: use identity.nodeRole
TENCENT_ENDPOINT: use tencent.endpoint
TENCENT_STS_ENDPOINT: use tencent.stsEndpoint
API_SHARE: use tencent.apiShare
POLL_MIN_SECONDS: use polling.minSeconds
POLL_MAX_SECONDS: use polling.maxSeconds
PROTECTED_INTERVAL_SECONDS: use schedules.protectedIntervalSeconds
DRAIN_SECONDS: use drainSeconds
LOG_FORMAT: use logging.format
RUST_LOG: use logging.filter
HTTPS_PROXY: use proxy.https or proxy.existingSecret
NO_PROXY: use proxy.noProxy
EXTRA_CA_FILE: use extraCa.configMap or extraCa.secret
{{- with .identity.existingSecret }}
TENCENTCLOUD_SECRET_ID: put it into the Secret of identity.existingSecret
TENCENTCLOUD_SECRET_KEY: put it into the Secret of identity.existingSecret
TENCENTCLOUD_TOKEN: put it into the Secret of identity.existingSecret
{{- end }}
{{- end }}
