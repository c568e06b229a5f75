{{- /* A label: it may have dots. */ -}}
{{- define "otelnpd.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimAll "-." -}}
{{- end -}}

{{- /* A name of objects: a release may have dots, which a Service may not. */ -}}
{{- define "otelnpd.fullname" -}}
{{- $name := printf "%s-%s" .Release.Name (include "otelnpd.name" .) -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if contains (include "otelnpd.name" .) .Release.Name -}}
{{- $name = .Release.Name -}}
{{- end -}}
{{- $name | replace "." "-" | trunc 63 | trimAll "-" -}}
{{- end -}}

{{- /* Objects of the whole cluster: two releases may have one name, in two namespaces. */ -}}
{{- define "otelnpd.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "otelnpd.fullname" .) | trunc 63 | trimAll "-" -}}
{{- end -}}

{{- /* The name of a Service begins with a letter. */ -}}
{{- define "otelnpd.serviceName" -}}
{{- regexReplaceAll "^([0-9])" (include "otelnpd.fullname" .) "metrics-${1}" | trunc 63 | trimAll "-" -}}
{{- end -}}

{{- /* A release can be called 123 or true, and a label is a text. */ -}}
{{- define "otelnpd.selectorLabels" -}}
app.kubernetes.io/name: {{ include "otelnpd.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "otelnpd.labels" -}}
{{ include "otelnpd.labelsAnd" (dict "root" . "more" dict) }}
{{- end -}}

{{- /* The labels of all objects and more, which go before .Values.labels. */ -}}
{{- define "otelnpd.labelsAnd" -}}
{{- with .root -}}
{{ include "otelnpd.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
{{- with merge dict (default dict .more) (default dict .root.Values.labels) }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "otelnpd.serviceAccountName" -}}
{{- default (ternary (include "otelnpd.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "otelnpd.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- /* The port of /metrics; empty: the configuration has no exporter prometheus, or lets none in. Of several it is the first by name. */ -}}
{{- define "otelnpd.metricsPort" -}}
{{- $ports := list -}}
{{- $exporters := default dict .Values.config.exporters -}}
{{- range $name := keys $exporters | sortAlpha -}}
{{- if or (eq $name "prometheus") (hasPrefix "prometheus/" $name) -}}
{{- $endpoint := default "127.0.0.1:20257" (default dict (get $exporters $name)).endpoint | toString -}}
{{- if not (or (hasPrefix "127." $endpoint) (hasPrefix "localhost:" $endpoint) (hasPrefix "[::1]" $endpoint)) -}}
{{- $port := splitList ":" $endpoint | last -}}
{{- if not (regexMatch "^[1-9][0-9]{0,4}$" $port) -}}
{{- fail (printf "config.exporters.%s.endpoint: the Pod and the Service name the port, which %q does not tell: write it in digits, for example 0.0.0.0:20257" $name $endpoint) -}}
{{- end -}}
{{- $ports = append $ports $port -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $ports }}{{ first . }}{{ end -}}
{{- end -}}

{{- define "otelnpd.needsPort" -}}
{{- if not (include "otelnpd.metricsPort" .root) -}}
{{- fail (printf "%s.enabled: config.exporters.prometheus.endpoint lets nobody in from outside of the Pod: write 0.0.0.0:20257" .what) -}}
{{- end -}}
{{- end -}}

{{- /* What a ServiceMonitor and a PodMonitor have in common of an endpoint. The job is what the alerts ask for, whatever the objects'
names are. */ -}}
{{- define "otelnpd.endpoint" -}}
port: metrics
interval: {{ .interval }}
relabelings:
- {sourceLabels: [__meta_kubernetes_pod_node_name], targetLabel: node}
- {targetLabel: job, replacement: otelnpd}
{{- with .relabelings }}
{{ toYaml . }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Seconds from SIGTERM to SIGKILL: the agent's own time and 20 more, to write its state and end. What only the agent's environment
tells can be the longest that it takes, 5 minutes. */ -}}
{{- define "otelnpd.gracePeriod" -}}
{{- $timeout := toString (default "10s" (.Values.config.service).shutdown_timeout) -}}
{{- $seconds := 0.0 -}}
{{- if contains "${" $timeout }}{{ $seconds = 300.0 }}{{ end -}}
{{- $units := dict "h" 3600 "m" 60 "s" 1 -}}
{{- range regexFindAll "[0-9.]+(h|ms|m|s)" $timeout -1 -}}
{{- $seconds = addf $seconds (mulf (regexFind "[0-9.]+" .) (default 0 (get $units (regexFind "[a-z]+" .)))) -}}
{{- end -}}
{{- max (int .Values.terminationGracePeriodSeconds) (add 20 (ceil $seconds)) -}}
{{- end -}}
