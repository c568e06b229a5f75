package console

import (
	"strings"

	"go.opentelemetry.io/otel/log"
)

// severityName is the short name of a severity's range in the log data model:
// trace, debug, info, warn, error, fatal; undefined outside of them.
func severityName(severity log.Severity) string {
	if severity < log.SeverityTrace || severity > log.SeverityFatal4 {
		return "undefined"
	}
	names := [...]string{"trace", "debug", "info", "warn", "error", "fatal"}
	return names[(severity-log.SeverityTrace)/4]
}

// severityWord is severityName in five columns.
func severityWord(severity log.Severity) string {
	name := severityName(severity)
	if name == "undefined" {
		return "-    "
	}
	return (strings.ToUpper(name) + "  ")[:5]
}
