package logcounter_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/npd/logcounter"
)

func TestFlags(t *testing.T) {
	got, err := logcounter.Parse([]string{
		"--journald-source=systemd", "--log-path", "/var/log/journal", "--lookback=20m", "--delay=5m", "--count=0x5",
		"--pattern=Started.*", "--revert-pattern", "Stopped.*", "-v=4", "--logtostderr", "--vmodule=a=2", "stray",
	})
	require.NoError(t, err)
	require.NotNil(t, got.Pattern)
	require.NotNil(t, got.RevertPattern)
	got.Pattern, got.RevertPattern = nil, nil
	require.Equal(t, &logcounter.Options{
		Source: "systemd", LogPath: "/var/log/journal", Lookback: 20 * time.Minute, Delay: 5 * time.Minute, Count: 5, Arguments: []string{"stray"},
	}, got)
}

func TestFlagsLeftOut(t *testing.T) {
	got, err := logcounter.Parse([]string{"--lookback=1h", "--delay=", "--pattern=", "--revert-pattern="})
	require.NoError(t, err)
	require.NotNil(t, got.Pattern, "every line counts, as for node-problem-detector")
	require.Nil(t, got.RevertPattern, "none is subtracted")
	got.Pattern = nil
	require.Equal(t, &logcounter.Options{Lookback: time.Hour, Count: 1, Arguments: []string{}}, got)
}

func TestFlagsThatAreWrong(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--lookback=1h --pattern=(", `--pattern: "(" is no regular expression (error parsing regexp: missing closing ): ` + "`(`" + `): write RE2 syntax`},
		{"--lookback=1h --pattern=)a(", `--pattern: ")a(" is no regular expression`},
		{"--lookback=1h --pattern=a --revert-pattern=[", `--revert-pattern: "[" is no regular expression`},
		{"--pattern=a", "--lookback: is missing, so that no line would ever count: write how old a line may be, for example --lookback=20m"},
		{"--lookback=0s", "--lookback: is missing"},
		{"--lookback=-5m", `--lookback: "-5m" cannot be read: write a time with its unit, for example 20m`},
		{"--lookback=20 --delay=x", `--lookback: "20" cannot be read: write a time with its unit, for example 20m` + "\n" + `--delay: "x" cannot be read`},
		{"--lookback=1h --count=many", `invalid argument "many" for "--count" flag`},
		{"--lookback=1h --patern=a", "unknown flag: --patern: --help lists the flags"},
		{"--lookback", "flag needs an argument: --lookback"},
	} {
		_, err := logcounter.Parse(strings.Fields(c.args))
		require.ErrorContains(t, err, c.want, c.args)
	}
}

func TestHelpIsAskedFor(t *testing.T) {
	_, err := logcounter.Parse([]string{"--help"})
	require.ErrorIs(t, err, pflag.ErrHelp)
	for _, flag := range []string{"journald-source", "log-path", "lookback", "delay", "pattern", "revert-pattern", "count"} {
		require.Contains(t, logcounter.Flags().FlagUsages(), "--"+flag+" ")
	}
	require.NotContains(t, logcounter.Flags().FlagUsages(), "vmodule")
}
