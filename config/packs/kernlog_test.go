package packs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/receivers/filelog/format"
)

// The kernel's packs see a line of /var/log/kern.log as they see that of /dev/kmsg,
// with and without the kernel's own stamp before it.
func TestTheKernelsPacksReadKernLog(t *testing.T) {
	parser := format.New(format.Syslog, format.Options{})
	for _, name := range []string{"kernel.yaml", "kernel-frequent.yaml"} {
		for _, rule := range read(t, name).Rules {
			require.NotEmpty(t, rule.Tests.Match)
			for _, text := range rule.Tests.Match {
				for _, before := range []string{"", "[    0.000000] ", "[123456.789012] ", "[  123.456789][    C1] "} {
					var entry format.Entry
					var scratch format.Scratch
					line := "Nov 28 23:00:01 node-1 kernel: " + before + text
					require.True(t, parser.Parse([]byte(line), &format.Times{Zone: time.UTC, Now: time.Now()}, &scratch, &entry), line)
					require.Equal(t, text, string(entry.Body))
					require.Contains(t, entry.Decode(), format.Attribute{Key: format.AttributeFacility, Text: []byte("kern")})
				}
			}
		}
	}
}
