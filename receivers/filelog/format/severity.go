package format

import (
	"bytes"

	"go.opentelemetry.io/otel/log"
)

// syslogSeverities are those of RFC 5424, 6.2.1, on the scale of OpenTelemetry.
var syslogSeverities = [8]log.Severity{
	log.SeverityFatal, log.SeverityError3, log.SeverityError2, log.SeverityError,
	log.SeverityWarn, log.SeverityInfo2, log.SeverityInfo, log.SeverityDebug,
}

var syslogWords = bytes.Fields([]byte("emerg alert crit err warning notice info debug"))

// words are those that programs write.
var words = []struct {
	word     string
	severity log.Severity
}{
	{"info", log.SeverityInfo}, {"warning", log.SeverityWarn}, {"warn", log.SeverityWarn}, {"error", log.SeverityError},
	{"debug", log.SeverityDebug}, {"err", log.SeverityError}, {"fatal", log.SeverityFatal}, {"trace", log.SeverityTrace},
	{"notice", log.SeverityInfo2}, {"panic", log.SeverityFatal2}, {"dpanic", log.SeverityFatal}, {"critical", log.SeverityError2},
	{"crit", log.SeverityError2}, {"alert", log.SeverityError3}, {"emergency", log.SeverityFatal}, {"emerg", log.SeverityFatal},
	{"information", log.SeverityInfo},
	// Those of bunyan and pino.
	{"10", log.SeverityTrace}, {"20", log.SeverityDebug}, {"30", log.SeverityInfo}, {"40", log.SeverityWarn},
	{"50", log.SeverityError}, {"60", log.SeverityFatal},
}

// severityWord reads a word for a severity, in letters of either case.
func severityWord(text []byte) log.Severity {
	for _, one := range words {
		if len(text) == len(one.word) && bytes.EqualFold(text, []byte(one.word)) {
			return one.severity
		}
	}
	return log.SeverityUndefined
}
