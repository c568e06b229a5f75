package kmsg

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/log"
)

// The keywords of syslog.conf(5), by number.
var (
	severityNames = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
	facilityNames = [...]string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
		"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
	severityAliases = map[string]string{"warn": "warning", "error": "err", "panic": "emerg"}
	// The syslog column of the mappings in the OpenTelemetry log data model.
	severities = [...]log.Severity{
		log.SeverityFatal, log.SeverityError3, log.SeverityError2, log.SeverityError,
		log.SeverityWarn, log.SeverityInfo2, log.SeverityInfo, log.SeverityDebug,
	}
)

// FacilityName returns the keyword of a facility (kern, user, …), or its number
// where it has none.
func FacilityName(facility int) string {
	if facility < 0 || facility >= len(facilityNames) {
		return strconv.Itoa(facility)
	}
	return facilityNames[facility]
}

// FacilityNames returns the keywords of all facilities, by number.
func FacilityNames() []string { return slices.Clone(facilityNames[:]) }

// ParseFacility returns the number of a facility's keyword.
func ParseFacility(name string) (int, bool) {
	facility := slices.Index(facilityNames[:], name)
	return facility, facility >= 0
}

// SeverityName returns the keyword of a severity, emerg (0) to debug (7).
func SeverityName(severity int) string {
	if severity < 0 || severity >= len(severityNames) {
		return strconv.Itoa(severity)
	}
	return severityNames[severity]
}

// SeverityNames returns the keywords of all severities, by number: emerg, which
// is the gravest, first.
func SeverityNames() []string { return slices.Clone(severityNames[:]) }

// SeverityAliases returns the words beside the keywords that ParseSeverity takes.
func SeverityAliases() []string { return slices.Sorted(maps.Keys(severityAliases)) }

// ParseSeverity returns the number of a severity's keyword. It takes the short
// words of dmesg (warn) and the old ones (error, panic) too.
func ParseSeverity(name string) (int, bool) {
	severity := slices.Index(severityNames[:], cmp.Or(severityAliases[name], name))
	return severity, severity >= 0
}

// OTelSeverity is the severity on the scale of OpenTelemetry, by the mapping for
// syslog: emerg FATAL, alert ERROR3, crit ERROR2, err ERROR, warning WARN, notice
// INFO2, info INFO, debug DEBUG. It is undefined where the record has none.
func (r *Record) OTelSeverity() log.Severity {
	if !r.has(AbsentSeverity) || r.Severity < 0 || r.Severity >= len(severities) {
		return log.SeverityUndefined
	}
	return severities[r.Severity]
}
