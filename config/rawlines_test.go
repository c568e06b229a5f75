package config_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
)

// Lines that take a way hardly anybody wants are told of, with the place and what to
// write; raw lines on purpose are not.
func TestWaysOfRawLines(t *testing.T) {
	const (
		before = `c.yaml:8:20: service.pipelines.logs.processors[0]: the processor "sample" stands before "rules", which does not see the lines that it leaves out: ` +
			`problems in them are missed; take it out, and for raw lines write a pipeline beside this one: logs/raw: {receivers: […], processors: [sample], exporters: [otlp]}`
		behind = `c.yaml:8:27: service.pipelines.logs.processors[1]: the processor "sample" stands behind "rules", where there are no lines any more: it has no effect; ` +
			`take it out, and for raw lines write a pipeline beside this one: logs/raw: {receivers: […], processors: [sample], exporters: [otlp]}`
		nobody = `c.yaml:7:5: service.pipelines.logs: no rules stand in the pipeline, and none of its exporters sends lines as they are: those of kmsg are of no effect; ` +
			`write processors: [dedupe, rules, conditions] to have problems told, or list an exporter otlp to send the lines`
		all = `c.yaml:8:20: service.pipelines.logs.processors[0]: no rules stand before "conditions": it judges no line, and all lines of kmsg go to otlp as they are; ` +
			`write [dedupe, rules, conditions] to have problems told, or take it out to send the lines`
	)
	built := withChecks()
	built.Processors["sample"] = pipeline.ProcessorFactory{Type: "sample", DefaultConfig: built.Processors["dedupe"].DefaultConfig}
	built.Exporters["otlp"] = pipeline.ExporterFactory{Type: "otlp", SendsLines: true, DefaultConfig: built.Exporters["console"].DefaultConfig}
	for _, tt := range []struct{ receivers, processors, exporters, want string }{
		{"kmsg", "sample, rules, conditions", "console, otlp", before},
		{"kmsg", "rules, sample, conditions", "console, otlp", behind},
		{"kmsg, checks", "", "console", nobody},
		{"kmsg", "sample", "console", nobody},
		{"checks, kmsg", "conditions", "console", nobody},
		{"kmsg", "conditions", "otlp, console", all},
		{"kmsg", "", "otlp", ""},
		{"kmsg", "sample", "otlp, console", ""},
		{"kmsg, checks", "sample, conditions", "otlp, console", ""}, // the verdicts of checks, and some lines
		{"checks", "conditions", "console", ""},                     // no lines
		{"kmsg", "dedupe, rules, conditions", "console", ""},
	} {
		text := `receivers: {kmsg: , checks: {rules: [{id: ntp, check: true}]}}
processors: {sample: , rules: {rules: [{id: r, pattern: x}]}}
exporters: {console: , otlp: }
service:
  pipelines:
    logs/all: {receivers: [kmsg, checks], processors: [rules, conditions], exporters: [otlp, console]}
    logs:
      processors: [PROCESSORS]
      receivers: [RECEIVERS]
      exporters: [EXPORTERS]
    logs/raw: {receivers: [kmsg], processors: [sample], exporters: [otlp]}
`
		text = strings.NewReplacer("RECEIVERS", tt.receivers, "PROCESSORS", tt.processors, "EXPORTERS", tt.exporters).Replace(text)
		parsed, err := config.Parse([]byte(text), "c.yaml", built)
		require.NoError(t, err)
		var told []string
		for _, warning := range parsed.Warnings {
			told = append(told, warning.Error())
		}
		require.Equal(t, tt.want, strings.Join(told, "\n"), text)
	}
}

// A receiver has rules of its own, for lost lines. Who wants raw lines of it alone, and says
// so by sample, knows that nobody judges.
func TestRawLinesAlone(t *testing.T) {
	const unjudged = `: no processor of type conditions comes after the receiver "RECEIVER": its rules turn no condition and are not counted`
	built := withChecks()
	built.Receivers["log"] = pipeline.ReceiverFactory{Type: "log", DefaultConfig: built.Receivers["checks"].DefaultConfig}
	built.Processors["sample"] = pipeline.ProcessorFactory{Type: "sample", DefaultConfig: built.Processors["dedupe"].DefaultConfig}
	built.Exporters["otlp"] = pipeline.ExporterFactory{Type: "otlp", SendsLines: true, DefaultConfig: built.Exporters["console"].DefaultConfig}
	for _, tt := range []struct{ receiver, processors, beside, want string }{
		{"log", "dedupe, sample", "sample", ""},
		{"log", "dedupe, sample", "dedupe", unjudged},
		{"log", "dedupe, sample", "sample, conditions", ""},
		{"log", "dedupe", "sample", unjudged},
		{"checks", "sample", "sample", unjudged}, // verdicts are no lines
	} {
		text := strings.NewReplacer("RECEIVER", tt.receiver, "PROCESSORS", tt.processors, "BESIDE", tt.beside).Replace(`
receivers: {RECEIVER: {rules: [{id: r, pattern: x, check: CHECK}]}}
processors: {sample: }
exporters: {otlp: }
service: {pipelines: {logs: {receivers: [RECEIVER], processors: [PROCESSORS], exporters: [otlp]}, logs/b: {receivers: [RECEIVER], processors: [BESIDE], exporters: [otlp]}}}
`)
		text = strings.ReplaceAll(text, "CHECK", strconv.FormatBool(tt.receiver == "checks"))
		parsed, err := config.Parse([]byte(text), "c.yaml", built)
		require.NoError(t, err)
		if tt.want == "" {
			require.Empty(t, parsed.Warnings, text)
		} else {
			require.ErrorContains(t, parsed.Warnings, strings.ReplaceAll(tt.want, "RECEIVER", tt.receiver), text)
		}
	}
}
