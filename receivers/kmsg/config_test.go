package kmsg_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
	"github.com/otelnpd/otelnpd/receivers/kmsg"
)

func TestConfigIsCommented(t *testing.T) { strictyamltest.CheckStruct(t, kmsg.Config{}) }

func TestDefaultConfig(t *testing.T) {
	config := kmsg.DefaultConfig()
	require.NoError(t, config.Validate())
	require.Equal(t, "/dev/kmsg", config.Path)
	require.Equal(t, pipeline.LookbackBoot, config.Lookback)
}

func TestValidate(t *testing.T) {
	config := &kmsg.Config{
		Path: "kmsg", Lookback: pipeline.Lookback(-time.Minute), Delay: -time.Second,
		Facilities: []kmsg.Facility{"kern", "kernel"}, MinSeverity: "loud",
	}
	err := config.Validate()
	for _, want := range []string{
		`path: "kmsg" is no absolute path: write for example /dev/kmsg`,
		`lookback: -1m0s is negative: write boot, now or a time like 10m`,
		`delay: -1s is negative: write 0 or a time like 5m`,
		`facilities[1]: "kernel" is no facility: write one of kern, user,`,
		`min_severity: "loud" is no severity: write one of emerg, alert,`,
	} {
		require.ErrorContains(t, err, want)
	}
}

// What describes the configuration asks Words and Pattern, what reads it does not.
func TestWordsAndPatternAreWhatIsRead(t *testing.T) {
	for _, word := range kmsg.Facility("").Words() {
		require.NoError(t, (&kmsg.Config{Path: "/dev/kmsg", Facilities: []kmsg.Facility{kmsg.Facility(word)}}).Validate())
	}
	for _, word := range kmsg.Severity("").Words() {
		require.NoError(t, (&kmsg.Config{Path: "/dev/kmsg", MinSeverity: kmsg.Severity(word)}).Validate())
	}
	var lookback pipeline.Lookback
	for _, word := range lookback.Words() {
		require.NoError(t, lookback.UnmarshalText([]byte(word)))
	}
	pattern := regexp.MustCompile(lookback.Pattern())
	for text, want := range map[string]bool{"0": true, "10m": true, "1.5h": true, "-5m": true, "5": false, "m": false, "": false, "10 m": false} {
		require.Equal(t, want, pattern.MatchString(text), text)
		require.Equal(t, want, lookback.UnmarshalText([]byte(text)) == nil, text)
	}
}

func TestLookback(t *testing.T) {
	for text, want := range map[string]pipeline.Lookback{
		"boot": pipeline.LookbackBoot, "now": 0, "0": 0, "0s": 0, "10m": pipeline.Lookback(10 * time.Minute),
	} {
		var got pipeline.Lookback
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, got, text)
		written, err := got.MarshalText()
		require.NoError(t, err)
		var again pipeline.Lookback
		require.NoError(t, again.UnmarshalText(written))
		require.Equal(t, want, again)
	}
	var lookback pipeline.Lookback
	require.ErrorContains(t, lookback.UnmarshalText([]byte("yesterday")), `"yesterday" is no lookback: write boot, now or a time like 10m`)
}
