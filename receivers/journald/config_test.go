package journald_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
	"github.com/otelnpd/otelnpd/receivers/journald"
)

func TestConfigIsCommented(t *testing.T) { strictyamltest.CheckStruct(t, journald.Config{}) }

func TestDefaultConfig(t *testing.T) {
	config := journald.DefaultConfig()
	require.NoError(t, config.Validate())
	require.Equal(t, []string{"/var/log/journal", "/run/log/journal"}, config.Directories)
	require.Equal(t, pipeline.LookbackBoot, config.Lookback)
}

func TestValidate(t *testing.T) {
	config := &journald.Config{
		Directories: []string{"journal"}, Identifiers: []string{""}, Units: []string{"a", ""},
		Transports: []journald.Transport{"kmsg"}, Priorities: []journald.Priority{"loud"}, Matches: []string{"a=b"},
		Lookback: pipeline.Lookback(-time.Minute), Delay: -time.Second, Buffer: 2000,
	}
	err := config.Validate()
	for _, want := range []string{
		`directories[0]: "journal" is no absolute path: write for example /var/log/journal`,
		`identifiers[0]: is empty: write a name, for example kubelet`,
		`units[1]: is empty: write a name, for example kubelet`,
		`transports[0]: "kmsg" is no transport: write one of kernel, journal,`,
		`priorities[0]: "loud" is no priority: write one of emerg, alert,`,
		`matches[0]: "a=b" is no match: write FIELD=value, for example _TRANSPORT=kernel`,
		`lookback: -1m0s is negative: write boot, now or a time like 10m`,
		`delay: -1s is negative: write 0 or a time like 5m`,
		`buffer: 2000 is not between 0 and 1000`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, (&journald.Config{}).Validate(), "directories: there is none: write for example [/var/log/journal]")
}

// What describes the configuration asks Words and Pattern, what reads it does not.
func TestWordsAreWhatIsRead(t *testing.T) {
	config := journald.DefaultConfig()
	for _, word := range journald.Transport("").Words() {
		config.Transports = append(config.Transports, journald.Transport(word))
	}
	for _, word := range journald.Priority("").Words() {
		config.Priorities = append(config.Priorities, journald.Priority(word))
	}
	require.NoError(t, config.Validate())
	var lookback pipeline.Lookback
	for _, word := range lookback.Words() {
		require.NoError(t, lookback.UnmarshalText([]byte(word)))
		require.Equal(t, word, lookback.String())
	}
	require.NoError(t, lookback.UnmarshalText([]byte("10m")))
	require.Equal(t, "10m0s", lookback.String())
	require.Error(t, lookback.UnmarshalText([]byte("soon")))
}
