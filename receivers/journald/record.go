package journald

import (
	"bytes"
	"time"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// names are texts of ids, which hardly ever change.
type names struct {
	boot, series   journalfile.ID
	bootID, source string
}

// of returns the texts for an entry.
func (n *names) of(e *journal.Entry) *names {
	if n.boot != e.BootID || n.bootID == "" {
		n.boot, n.bootID = e.BootID, uuid(e.BootID)
	}
	if n.series != e.SeqnumID || n.source == "" {
		n.series, n.source = e.SeqnumID, "journal:"+e.SeqnumID.String()
	}
	return n
}

// uuid writes an id as the kernel writes the boot's.
func uuid(id journalfile.ID) string {
	text := id.String()
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// record makes a record of an entry, without its attributes. Its place is in the series,
// and in the boot: after a power loss journald may give numbers a second time.
func (r *Receiver) record(e *journal.Entry, eventName string, observed time.Time) pipeline.Record {
	n := r.names.of(e)
	return pipeline.Record{
		Time:         time.UnixMicro(int64(e.Realtime)), //nolint:gosec // the journal's own
		ObservedTime: observed,
		Boot:         pipeline.BootTime{ID: n.bootID, At: sinceBoot(e)},
		Severity:     severity(e),
		EventName:    eventName,
		Receiver:     r.id,
		Body:         body(e),
		Place:        pipeline.Place{Scope: n.bootID, Source: n.source, Position: e.Seqnum},
	}
}

// sinceBoot is the journal's own clock, which does not count suspends.
func sinceBoot(e *journal.Entry) time.Duration {
	const limit = uint64(1<<63-1) / uint64(time.Microsecond)
	return time.Duration(min(e.Monotonic, limit)) * time.Microsecond
}

func severity(e *journal.Entry) log.Severity {
	priority, _ := e.Get("PRIORITY")
	if len(priority) != 1 {
		return log.SeverityUndefined
	}
	line := kmsg.Record{Severity: int(priority[0]) - '0'}
	return line.OTelSeverity()
}

// body is the entry's text. Of what processes have written to /dev/kmsg, journald cuts
// off the identifier; it is put back, so that the text is what the kernel's log has.
func body(e *journal.Entry) []byte {
	message, _ := e.Get("MESSAGE")
	message = bytes.TrimSpace(message)
	identifier, named := e.Get("SYSLOG_IDENTIFIER")
	if facility, _ := e.Get("SYSLOG_FACILITY"); !named || !isKernel(e) || string(facility) == "0" {
		return message
	}
	line := append(make([]byte, 0, len(identifier)+len(message)+16), identifier...)
	if pid, ok := e.Get("SYSLOG_PID"); ok {
		line = append(append(append(line, '['), pid...), ']')
	}
	return append(append(line, ": "...), message...)
}
