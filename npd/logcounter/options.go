package logcounter

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/otelnpd/otelnpd/config/npd"
)

// Name is what the plugin's binary is called.
const Name = "log-counter"

// Options are the command line of log-counter.
type Options struct {
	// Source is the SYSLOG_IDENTIFIER of the journal's lines that are counted; empty:
	// the kernel's log is read in place of the journal.
	Source string
	// LogPath is the journal's directory, or the file of the kernel's log; empty: where
	// the system has it.
	LogPath string
	// Lookback is the age of the oldest line that is counted.
	Lookback time.Duration
	// Delay is the time after the boot of which no line is counted.
	Delay time.Duration
	// Pattern is what is counted, RevertPattern what is subtracted; RevertPattern nil:
	// nothing is.
	Pattern, RevertPattern *Pattern
	// Count is how many it takes.
	Count int
	// Arguments are what stood beside the flags, without effect.
	Arguments []string
}

// written are the flags as they are written.
type written struct {
	lookback, delay, pattern, revert string
}

// Flags are all flags, for who describes them.
func Flags() *pflag.FlagSet { return flags(&Options{}, &written{}) }

func flags(o *Options, w *written) *pflag.FlagSet {
	set := npd.NewFlagSet(Name)
	set.StringVar(&o.Source, "journald-source", "", "whose lines of the journal to count: a SYSLOG_IDENTIFIER, for example kubelet; kernel: of /dev/kmsg where there is no journal; empty: of /dev/kmsg")
	set.StringVar(&o.LogPath, "log-path", "", "directory of the journal, or file of the kernel's log; empty: /var/log/journal and /run/log/journal, or /dev/kmsg")
	set.StringVar(&w.lookback, "lookback", "", "how old a line may be, for example 20m")
	set.StringVar(&w.delay, "delay", "", "how long after the boot lines do not count, for example 5m")
	set.StringVar(&w.pattern, "pattern", "", "regular expression (RE2) of what to count; it must match up to the end of a line")
	set.StringVar(&w.revert, "revert-pattern", "", "regular expression of what to subtract, likewise")
	set.IntVar(&o.Count, "count", 1, "how many it takes")
	npd.AddKlogFlags(set)
	return set
}

// Parse reads the arguments, without the program's name. The error tells all that is
// wrong, each naming the flag; it is [pflag.ErrHelp] if help was asked for.
func Parse(args []string) (*Options, error) {
	options, w := &Options{}, &written{}
	set := flags(options, w)
	if err := npd.ParsePluginFlags(set, args); err != nil {
		return nil, err
	}
	options.Arguments = set.Args()
	if err := options.read(w); err != nil {
		return nil, err
	}
	return options, nil
}

// read reads what the flag library does not.
func (o *Options) read(w *written) error {
	var errs [4]error
	o.Lookback, errs[0] = parseDuration("--lookback", w.lookback)
	if errs[0] == nil && o.Lookback == 0 {
		errs[0] = errors.New("--lookback: is missing, so that no line would ever count: write how old a line may be, for example --lookback=20m")
	}
	o.Delay, errs[1] = parseDuration("--delay", w.delay)
	o.Pattern, errs[2] = compile("--pattern", w.pattern)
	if w.revert != "" {
		o.RevertPattern, errs[3] = compile("--revert-pattern", w.revert)
	}
	return errors.Join(errs[:]...)
}

func parseDuration(flag, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s: %q cannot be read: write a time with its unit, for example 20m", flag, text)
	}
	return d, nil
}
