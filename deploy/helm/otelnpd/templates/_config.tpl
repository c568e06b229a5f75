{{- /* The agent's configuration: that of the values, and what the other values ask for. */ -}}
{{- define "otelnpd.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $service := $config.service -}}
{{- $kernel := get (dict "journal" "journald/kernel" "kmsg" "kmsg") .Values.kernelLog -}}
{{- if $kernel -}}
{{- $logs := ($service.pipelines).logs -}}
{{- if not $logs -}}
{{- fail (printf "kernelLog: %s needs the pipeline config.service.pipelines.logs: write one, or kernelLog: none" .Values.kernelLog) -}}
{{- end -}}
{{- $_ := set $logs "receivers" (prepend (default list $logs.receivers) $kernel | uniq) -}}
{{- $keys := ternary (dict "transports" (list "kernel") "all_machines" true) dict (eq $kernel "journald/kernel") -}}
{{- $_ := set $config "receivers" (default dict $config.receivers) -}}
{{- $_ := set $config.receivers $kernel (mergeOverwrite $keys (default dict (get $config.receivers $kernel))) -}}
{{- end -}}
{{- if .Values.rulePacks -}}
{{- $rules := (default dict $config.processors).rules -}}
{{- if not $rules -}}
{{- fail "rulePacks needs the processor config.processors.rules, which takes them" -}}
{{- end -}}
{{- $_ := set $rules "packs" (concat (default list $rules.packs) (keys .Values.rulePacks | sortAlpha)) -}}
{{- end -}}
{{- $host := dict "root" "/host" "run" "/host/run" -}}
{{- if .Values.host.proc }}{{ $_ := set $host "proc" "/host/proc" }}{{ end -}}
{{- if .Values.host.sys }}{{ $_ := set $host "sys" "/host/sys" }}{{ end -}}
{{- $_ := set $service "host" (mergeOverwrite $host (default dict $service.host)) -}}
{{- $own := dict "socket" "/run/otelnpd/otelnpd.sock" "state_dir" "/var/lib/otelnpd" -}}
{{- if not (kindIs "invalid" .Values.capabilities) -}}
{{- $reads := ternary (list "SYSLOG") list (eq .Values.kernelLog "kmsg") -}}
{{- $_ := set $own "capabilities" (concat .Values.capabilities $reads | uniq) -}}
{{- end -}}
{{- $_ := set $config "service" (mergeOverwrite $own $service) -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* What a running agent cannot take on: a change of it starts the Pods anew. */ -}}
{{- define "otelnpd.fixed" -}}
{{- $service := (include "otelnpd.config" . | fromYaml).service -}}
{{- omit $service "pipelines" "shutdown_timeout" | toJson | sha256sum -}}
{{- end -}}
