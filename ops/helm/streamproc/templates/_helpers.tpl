{{- define "streamproc.name" -}}
{{- if contains "streamproc" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-streamproc{{ end -}}
{{- end -}}

{{- define "streamproc.selector" -}}
app.kubernetes.io/name: streamproc
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "streamproc.labels" -}}
{{ include "streamproc.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "streamproc.metadata" -}}
name: {{ include "streamproc.name" .root }}-{{ .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "streamproc.labels" . | nindent 2 }}
{{- end -}}

{{- define "streamproc.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* The user of a program on Kafka, which is also the name of its KafkaUser and of its secret. */}}
{{- define "streamproc.user" -}}
{{ include "streamproc.name" .root }}-{{ .component }}
{{- end -}}

{{- define "streamproc.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "streamproc.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Pods on all zones and nodes: the loss of one takes few partitions. */}}
{{- define "streamproc.spread" -}}
topologySpreadConstraints:
  {{- range .part.topologyKeys }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "streamproc.selector" $ | nindent 8 }}
  {{- end }}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A stop must end by itself: a kill leaves an open transaction, which others wait for. */}}
{{- define "streamproc.ending" -}}
{{- if lt (int .part.terminationGracePeriodSeconds) (add (int .part.preStopSeconds) 20 | int) }}
{{- fail (printf "%s.terminationGracePeriodSeconds must be at least preStopSeconds + 20: a stop takes 15 s at most" .component) }}
{{- end }}
{{- .part.terminationGracePeriodSeconds }}
{{- end -}}

{{- define "streamproc.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 5
  failureThreshold: {{ div (int .part.startupSeconds) 5 }}
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- if .part.preStopSeconds }}
lifecycle:
  preStop:
    exec:
      command: [sleep, {{ .part.preStopSeconds | quote }}]
{{- end }}
{{- end -}}

{{- define "streamproc.environment" -}}
- name: STREAMPROC_BROKER
  value: {{ .root.Values.kafka.bootstrap | quote }}
- name: STREAMPROC_LOG_FORMAT
  value: json
{{- if .root.Values.kafka.caSecret }}
- name: STREAMPROC_KAFKA_TLS_CA
  value: /kafka/authority/{{ .root.Values.kafka.caKey }}
{{- end }}
{{- if eq .root.Values.kafka.login "scram" }}
- name: STREAMPROC_KAFKA_SECURITY_PROTOCOL
  value: {{ ternary "SASL_SSL" "SASL_PLAINTEXT" (ne .root.Values.kafka.caSecret "") }}
- name: STREAMPROC_KAFKA_SASL_MECHANISM
  value: SCRAM-SHA-512
- name: STREAMPROC_KAFKA_SASL_USERNAME
  value: {{ include "streamproc.user" . }}
- name: STREAMPROC_KAFKA_SASL_PASSWORD_FILE
  value: /kafka/user/password
{{- else if .root.Values.kafka.caSecret }}
- name: STREAMPROC_KAFKA_SECURITY_PROTOCOL
  value: SSL
{{- end }}
{{- range $name, $value := .part.settings }}
- name: STREAMPROC_{{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "streamproc.mounts" -}}
{{- if .root.Values.kafka.caSecret }}
- name: kafka-authority
  mountPath: /kafka/authority
  readOnly: true
{{- end }}
{{- if eq .root.Values.kafka.login "scram" }}
- name: kafka-user
  mountPath: /kafka/user
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- end -}}

{{/* 0440: a file of a secret that everybody may read is refused. */}}
{{- define "streamproc.volumes" -}}
{{- if .root.Values.kafka.caSecret }}
- name: kafka-authority
  secret:
    secretName: {{ .root.Values.kafka.caSecret }}
    defaultMode: 0440
{{- end }}
{{- if eq .root.Values.kafka.login "scram" }}
- name: kafka-user
  secret:
    secretName: {{ include "streamproc.user" . }}
    defaultMode: 0440
{{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- end -}}

{{/* A file with a key: its variable, its mount and its volume. */}}
{{- define "streamproc.keyVariable" -}}
{{- if .secret.secret }}
- name: STREAMPROC_{{ .variable }}_FILE
  value: /keys/{{ .volume }}/{{ .secret.key }}
{{- end }}
{{- end -}}

{{- define "streamproc.keyMount" -}}
{{- if .secret.secret }}
- name: {{ .volume }}
  mountPath: /keys/{{ .volume }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "streamproc.keyVolume" -}}
{{- if .secret.secret }}
- name: {{ .volume }}
  secret:
    secretName: {{ .secret.secret }}
    defaultMode: 0440
{{- end }}
{{- end -}}
