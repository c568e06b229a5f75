package journald

import (
	"iter"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

const (
	// FieldPrefix stands before the name of a field that has no name of its own among
	// the attributes: journald.MESSAGE_ID.
	FieldPrefix = "journald."
	// kernelPrefix stands before what the kernel's dictionary has: _KERNEL_SUBSYSTEM.
	kernelPrefix = "_KERNEL_"
)

// field tells what a field of the journal becomes. Names are those of the semantic
// conventions of OpenTelemetry where there are any.
type field struct {
	name, attribute string
	number          bool
}

// Those of a kernel message come first: they are what receivers/kmsg gives.
var fields = [...]field{
	{"SYSLOG_FACILITY", kmsg.AttributeFacility, false},
	{"PRIORITY", kmsg.AttributeSeverity, false},
	{"_SOURCE_MONOTONIC_TIMESTAMP", kmsg.AttributeTimestamp, true},
	{"SYSLOG_IDENTIFIER", "log.syslog.appname", false},
	{"_SYSTEMD_UNIT", "systemd.unit.name", false},
	{"_PID", "process.pid", true},
	{"_COMM", "process.command", false},
	{"_EXE", "process.executable.path", false},
	{"_CMDLINE", "process.command_line", false},
	{"_UID", "process.user.id", true},
	{"_HOSTNAME", "host.name", false},
	{"_MACHINE_ID", "host.id", false},
	{"CODE_FILE", "code.file.path", false},
	{"CODE_LINE", "code.line.number", true},
	{"CODE_FUNC", "code.function.name", false},
}

// kernelFields are how many of them a kernel message has.
const kernelFields = 3

// isKernel tells whether an entry came from the kernel's log.
func isKernel(e *journal.Entry) bool {
	transport, _ := e.Get("_TRANSPORT")
	return string(transport) == "kernel"
}

// Attributes decodes an entry's attributes when asked for them. It is valid as long
// as the entry.
type Attributes struct {
	entry *journal.Entry
}

// Get returns the value of key; every field is there by [FieldPrefix] too.
func (a *Attributes) Get(key string) (attribute.Value, bool) {
	if name, ok := strings.CutPrefix(key, FieldPrefix); ok {
		return text(a.entry.Get(name))
	}
	if name, ok := strings.CutPrefix(key, kmsg.DictionaryPrefix); ok {
		return text(a.entry.Get(kernelPrefix + name))
	}
	for i := range fields {
		if fields[i].attribute == key {
			return fields[i].value(a.entry)
		}
	}
	return attribute.Value{}, false
}

// All yields the attributes: those that have a name of their own, then the other
// fields that the sender set. A kernel message has what receivers/kmsg gives.
func (a *Attributes) All() iter.Seq2[string, attribute.Value] {
	return func(yield func(string, attribute.Value) bool) {
		count := len(fields)
		if isKernel(a.entry) {
			count = kernelFields
		}
		for i := range fields[:count] {
			if value, ok := fields[i].value(a.entry); ok && !yield(fields[i].attribute, value) {
				return
			}
		}
		a.others(count == kernelFields, yield)
	}
}

func (a *Attributes) others(kernel bool, yield func(string, attribute.Value) bool) {
	for name, value := range a.entry.All() {
		key := ""
		switch name := string(name); {
		case strings.HasPrefix(name, kernelPrefix):
			key = kmsg.DictionaryPrefix + name[len(kernelPrefix):]
		case kernel || name[0] == '_' || name == "MESSAGE" || isNamed(name):
			continue
		default:
			key = FieldPrefix + name
		}
		if v, ok := text(value, true); !yield(strings.ToValidUTF8(key, "\uFFFD"), v) || !ok {
			return
		}
	}
}

func isNamed(name string) bool {
	for i := range fields {
		if fields[i].name == name {
			return true
		}
	}
	return name == "SYSLOG_PID" || name == "SYSLOG_TIMESTAMP" || name == "SYSLOG_RAW"
}

// value returns what an entry has of a field.
func (f *field) value(e *journal.Entry) (attribute.Value, bool) {
	value, ok := e.Get(f.name)
	if !ok || f.name == "_SOURCE_MONOTONIC_TIMESTAMP" && !isKernel(e) {
		return attribute.Value{}, false
	}
	number, err := strconv.ParseInt(string(value), 10, 64)
	switch {
	case f.number:
		return attribute.Int64Value(number), err == nil
	case f.name == "SYSLOG_FACILITY" && err == nil && number >= 0:
		return attribute.StringValue(kmsg.FacilityName(int(number))), true
	case f.name == "PRIORITY" && err == nil && number >= 0:
		return attribute.StringValue(kmsg.SeverityName(int(number))), true
	}
	return text(value, true)
}

// text makes what may be no UTF-8 fit for attributes.
func text(value []byte, ok bool) (attribute.Value, bool) {
	return attribute.StringValue(strings.ToValidUTF8(string(value), "\uFFFD")), ok
}
