package plugin

import (
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

// The exit codes of plugins of Nagios
// (https://nagios-plugins.org/doc/guidelines.html#AEN78).
const (
	nagiosWarning  = 1
	nagiosCritical = 2
)

// judge says what an exit code means. severity is 0 where it is the rule's own.
func (a *asker) judge(code int) (state pipeline.State, severity log.Severity) {
	switch {
	case code == 0:
		return pipeline.StateOK, 0
	case a.asks.ExitCodes == exitCodesNagios && code == nagiosWarning:
		return pipeline.StateProblem, log.SeverityWarn
	case a.asks.ExitCodes == exitCodesNagios && code == nagiosCritical:
		return pipeline.StateProblem, 0
	case a.asks.ExitCodes != exitCodesNagios && code == 1:
		return pipeline.StateProblem, 0
	default:
		return pipeline.StateUnknown, 0
	}
}

// fromText takes standard output for the message.
func (a *asker) fromText(result *command.Result) check.Finding {
	state, severity := a.judge(result.Status.ExitStatus())
	text := command.Text(result.Stdout, result.Truncated)
	if a.asks.ExitCodes == exitCodesNagios {
		text = withoutFigures(text)
	}
	if text == "" && state != pipeline.StateOK && !a.likeNPD() {
		text = a.silence(result)
	}
	return check.Finding{State: state, Severity: severity, Message: text}
}

// withoutFigures leaves out what plugins of Nagios write for machines, behind |: it
// differs from run to run.
func withoutFigures(text string) string {
	text, _, _ = strings.Cut(text, "|")
	return strings.TrimSpace(text)
}

// silence is what is told of a command that said nothing on standard output.
func (a *asker) silence(result *command.Result) string {
	text := fmt.Sprintf("%s: %s", a.asks.Path, stateText(result.Status))
	if said := command.Text(result.Stderr, true); said != "" {
		text += ": " + said
	}
	return text
}
