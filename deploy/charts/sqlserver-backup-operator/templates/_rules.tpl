{{/* What the operator may do where orders are. Rights for its lease are in rights.yaml. */}}

{{- define "operator.rules" -}}
# Orders and schedules are found by list and watch, and read once more by get before anything is done for them. Their spec
# belongs to people: no verb here can change it.
- apiGroups: [tencentdb.dev]
  resources: [sqlserverbackups]
  verbs: [get, list, watch]
- apiGroups: [tencentdb.dev]
  resources: [sqlserverbackupschedules]
  verbs: [get, list, watch]
# A schedule's orders are created when they are due, and deleted once they are more than its history limits keep.
- apiGroups: [tencentdb.dev]
  resources: [sqlserverbackups]
  verbs: [create, delete]
# Progress is written as a patch of the status, under the version that was read.
- apiGroups: [tencentdb.dev]
  resources: [sqlserverbackups/status]
  verbs: [patch]
- apiGroups: [tencentdb.dev]
  resources: [sqlserverbackupschedules/status]
  verbs: [patch]
# The story that kubectl describe tells; patch counts a repeated event up.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# The one Secret that an order names, by its name. Neither list nor watch: a stolen token of this account reads only
# Secrets whose names are known.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get]
{{- end }}
