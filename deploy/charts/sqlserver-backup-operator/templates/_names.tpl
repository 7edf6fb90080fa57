{{/* Names and labels. */}}

{{- define "operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimAll "-." }}
{{- end }}

{{/* Cut so that the longest suffix, the hash of a pod, still fits. */}}
{{- define "operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimAll "-." }}
{{- else }}
{{- $name := include "operator.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimAll "-." }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimAll "-." }}
{{- end }}
{{- end }}
{{- end }}

{{/* The name of cluster-wide things: two releases of one name in two namespaces must not fight for one. */}}
{{- define "operator.clusterName" -}}
{{- $fullname := include "operator.fullname" . }}
{{- if eq $fullname .Release.Namespace }}
{{- $fullname }}
{{- else }}
{{- printf "%s-%s" .Release.Namespace $fullname }}
{{- end }}
{{- end }}

{{/* What a Deployment selects by; it can never be changed. */}}
{{- define "operator.selector" -}}
app.kubernetes.io/name: {{ include "operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels that somebody adds to an object of the chart; those that all objects have stay the chart's. */}}
{{- define "operator.moreLabels" -}}
{{- with omit (default dict .) "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "operator.serviceAccount" -}}
{{- default (ternary (include "operator.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "operator.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}
