package kmsg

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
)

func TestParse(t *testing.T) {
	for raw, want := range map[string]Record{
		"6,0,0,-;Linux version\n":                    {Severity: 6, Text: []byte("Linux version")},
		"12,343,2744340514,-;x\n":                    {Facility: 1, Severity: 4, Sequence: 343, Microseconds: 2744340514, Text: []byte("x")},
		"30,1,2,-;daemon\n":                          {Facility: 3, Severity: 6, Sequence: 1, Microseconds: 2, Text: []byte("daemon")},
		"6,1,2,c,caller=T17,more;text; and more\n":   {Severity: 6, Sequence: 1, Microseconds: 2, Text: []byte("text; and more")},
		"6,1,2;no flags\n":                           {Severity: 6, Sequence: 1, Microseconds: 2, Text: []byte("no flags")},
		"6,1,2,-;no newline":                         {Severity: 6, Sequence: 1, Microseconds: 2, Text: []byte("no newline")},
		"6,1,2,-;\n":                                 {Severity: 6, Sequence: 1, Microseconds: 2, Text: []byte("")},
		"6,1,2,-;":                                   {Severity: 6, Sequence: 1, Microseconds: 2, Text: []byte("")},
		`6,1,2,-;tab\x09 nl\x0a bs\x5c ü\xc3\xbc`:    {Severity: 6, Sequence: 1, Microseconds: 2, Text: []byte("tab\t nl\n bs\\ ü\xc3\xbc")},
		`6,1,2,-;\x5cx41 \xAF \xg0 \x4 \\x41 \`:      {Severity: 6, Sequence: 1, Microseconds: 2, Text: []byte("\\x41 \xaf \\xg0 \\x4 \\A \\")},
		"2047,9223372036854775807,1,-;x\n":           {Facility: 255, Severity: 7, Sequence: 1<<63 - 1, Microseconds: 1, Text: []byte("x")},
		"6,1,9223372036854775,-;latest\n":            {Severity: 6, Sequence: 1, Microseconds: 9223372036854775, Text: []byte("latest")},
		"6,1,2,-;acpi\n SUBSYSTEM=acpi\n DEVICE=+\n": {Severity: 6, Sequence: 1, Microseconds: 2, Text: []byte("acpi"), dictionary: []byte(" SUBSYSTEM=acpi\n DEVICE=+\n")},
	} {
		var got Record
		require.NoError(t, Parse(&got, []byte(raw)), raw)
		require.Equal(t, string(want.Text), string(got.Text), raw)
		require.Equal(t, string(want.dictionary), string(got.dictionary), raw)
		got.Text, want.Text, got.dictionary, want.dictionary = nil, nil, nil, nil
		require.Equal(t, want, got, raw)
		require.True(t, IsRecord([]byte(raw)))
	}
}

func TestParseRefusesWhatIsNoRecord(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                "not a decimal number",
		"\n":                              "not a decimal number",
		"text":                            "not a decimal number",
		"6":                               "no PRIORITY",
		"6,":                              "not a decimal number",
		"6,1,2":                           "no PRIORITY",
		"6,1,2,-":                         "no PRIORITY",
		"6,1,2,-\n;x":                     "no PRIORITY",
		"6;1,2,-;x":                       "no PRIORITY",
		"6,1,;x":                          "not a decimal number",
		"-6,1,2,-;x":                      "not a decimal number",
		"6 ,1,2,-;x":                      "no PRIORITY",
		"2048,1,2,-;x":                    "out of range",
		"6,9223372036854775808,2,-;x":     "out of range",
		"6,99999999999999999999999,2,-;x": "out of range",
		"6,1,9223372036854776,-;x":        "out of range",
	} {
		require.ErrorContains(t, Parse(new(Record), []byte(raw)), want, "%q", raw)
		require.False(t, IsRecord([]byte(raw)), "%q", raw)
	}
}

func TestDictionary(t *testing.T) {
	var record Record
	raw := "6,1,2,-;x\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00\\x2f1\n noise\n =empty\n BAD\xff=\\xff\n LAST= two "
	require.NoError(t, Parse(&record, []byte(raw)))
	for range 2 { // asking changes nothing
		value, ok := record.Dictionary("DEVICE")
		require.True(t, ok)
		require.Equal(t, "+pci:0000:00/1", value)
	}
	_, ok := record.Dictionary("noise")
	require.False(t, ok)

	attributes := Attributes{Record: &record}
	var all []string
	for key, value := range attributes.All() {
		all = append(all, key+"="+value.String())
	}
	require.Equal(t, []string{
		"log.facility=kern", "log.severity=info", "kmsg.sequence=1", "kmsg.timestamp_us=2",
		"log.dictionary.SUBSYSTEM=pci", "log.dictionary.DEVICE=+pci:0000:00/1",
		"log.dictionary.BAD\uFFFD=\uFFFD", "log.dictionary.LAST= two ",
	}, all)
	value, ok := attributes.Get("log.dictionary.SUBSYSTEM")
	require.True(t, ok)
	require.Equal(t, attribute.StringValue("pci"), value)
	for _, key := range []string{"", "log", "log.dictionary.", "log.dictionary.NONE", "kmsg.time"} {
		_, ok := attributes.Get(key)
		require.False(t, ok, key)
	}
	for range attributes.All() { // may be left early
		break
	}
}

func TestAbsentAttributes(t *testing.T) {
	record := Record{Absent: AbsentFacility | AbsentSeverity | AbsentSequence | AbsentMicroseconds}
	for key := range (&Attributes{Record: &record}).All() {
		t.Errorf("has %s", key)
	}
	require.Equal(t, log.SeverityUndefined, record.OTelSeverity())
}

func TestNames(t *testing.T) {
	require.Equal(t, "kern", FacilityName(0))
	require.Equal(t, "local7", FacilityName(23))
	require.Equal(t, "24", FacilityName(24))
	require.Equal(t, "-1", FacilityName(-1))
	require.Equal(t, "debug", SeverityName(7))
	require.Equal(t, "8", SeverityName(8))
	for i, name := range FacilityNames() {
		facility, ok := ParseFacility(name)
		require.True(t, ok && facility == i, name)
	}
	want := []log.Severity{
		log.SeverityFatal, log.SeverityError3, log.SeverityError2, log.SeverityError,
		log.SeverityWarn, log.SeverityInfo2, log.SeverityInfo, log.SeverityDebug,
	}
	for i, name := range SeverityNames() {
		severity, ok := ParseSeverity(name)
		require.True(t, ok && severity == i, name)
		require.Equal(t, want[i], (&Record{Severity: i}).OTelSeverity())
	}
	for name, want := range map[string]int{"warn": 4, "error": 3, "panic": 0} {
		severity, ok := ParseSeverity(name)
		require.True(t, ok && severity == want, name)
	}
	_, ok := ParseSeverity("loud")
	require.False(t, ok)
	_, ok = ParseFacility("kernel")
	require.False(t, ok)
}

func TestParseAllocatesNothing(t *testing.T) {
	raw := []byte(`6,188,315026,-;acpi PNP0A08:00: PCIe port services disabled\x09` + "\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A08:00\n")
	buffer := make([]byte, len(raw))
	var record Record
	require.Zero(t, testing.AllocsPerRun(100, func() {
		copy(buffer, raw)
		if Parse(&record, buffer) != nil {
			t.Error("no record")
		}
	}))
}

func FuzzParse(f *testing.F) {
	for _, raw := range recorded {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		var record Record
		err := Parse(&record, raw)
		sequence, ok := sequenceOf(before)
		if err != nil {
			require.False(t, IsRecord(before))
			return
		}
		require.True(t, IsRecord(before))
		require.True(t, ok)
		require.Equal(t, record.Sequence, sequence)
		require.LessOrEqual(t, len(record.Text), len(before))
		require.Len(t, raw, len(before))
		for key, value := range (&Attributes{Record: &record}).All() {
			require.NotEmpty(t, key)
			again, ok := (&Attributes{Record: &record}).Get(key)
			require.True(t, ok || strings.Contains(key, "\uFFFD"), key)
			require.Equal(t, value.Type(), again.Type())
		}
	})
}
