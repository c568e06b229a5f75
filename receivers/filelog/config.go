package filelog

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/file"
	"github.com/otelnpd/otelnpd/receivers/filelog/format"
)

// Config is the configuration of a filelog receiver.
type Config struct {
	// Include names the files: paths below `service.host.root`, and patterns of them
	// like `/var/log/pods/*/*/*.log`. A path need not exist yet. Of what
	// a pattern matches, directories are left out, and what rotation made of a log that it
	// matches too (`kern.log.1` beside `kern.log`).
	Include []string `yaml:"include"`
	// Exclude are patterns of paths to leave out.
	Exclude []string `yaml:"exclude"`
	// Format is what the lines are like: `plain`, `klog` (Kubernetes' components),
	// `syslog` (RFC 3164 and 5424), `docker` (json-file), `cri` (`/var/log/pods`),
	// `logfmt` (logrus), `json`.
	Format Format `yaml:"format"`
	// Fields are the names of fields where Format is `json` or `logfmt`.
	Fields Fields `yaml:"fields"`
	// Timestamp is a regular expression that finds the time of a `plain` line: its last
	// group, or all that it matches.
	Timestamp string `yaml:"timestamp"`
	// TimestampFormat is what that looks like: how Go would write Mon Jan 2 15:04:05 2006.
	TimestampFormat string `yaml:"timestamp_format"`
	// Message is a regular expression that finds the text of a `plain` line, likewise. In
	// joined lines a dot ends with the first, unless it begins with `(?s)`.
	Message string `yaml:"message"`
	// Unparsed says what becomes of lines that are not like that: `take` takes them as
	// they stand, with the time of the line before; `skip` leaves them out.
	Unparsed Unparsed `yaml:"unparsed"`
	// TimeZone of times that name none, for example `UTC` or `Europe/Berlin`; empty: the
	// host's.
	TimeZone string `yaml:"time_zone"`
	// Skip are texts: a line that holds one of them is left out.
	Skip []string `yaml:"skip"`
	// Multiline joins lines to records.
	Multiline Multiline `yaml:"multiline"`
	// MaxLine is the length at which lines are cut, in bytes: 256 to 65536.
	MaxLine int `yaml:"max_line"`
	// StartAt says where to begin in a file that is there at the first start: `lookback`
	// at what the lookback reaches (where lines have no times: at the end), `beginning`,
	// `end`. Files that come later are read from their beginnings.
	StartAt StartAt `yaml:"start_at"`
	// Lookback says how far to read back at the first start: `boot` (since this boot), a
	// time (`10m`), `now` or `0` (what is written from now on). Another `start_at` leaves it
	// no say.
	Lookback pipeline.Lookback `yaml:"lookback"`
	// Delay is how long after the boot lines are skipped.
	Delay time.Duration `yaml:"delay"`
}

// Fields are the names of fields; empty: the usual ones.
type Fields struct {
	// Time is RFC 3339, or a number since 1970; empty: `time`, `ts`, `timestamp`, `@timestamp`.
	Time string `yaml:"time"`
	// Severity is a word like `error`; empty: `level`, `severity`, `lvl`.
	Severity string `yaml:"severity"`
	// Message is the text; empty: `msg`, `message`.
	Message string `yaml:"message"`
}

// Multiline says which lines belong together.
type Multiline struct {
	// Start is a regular expression that matches the first line of each record; empty:
	// every line is one.
	Start string `yaml:"start"`
}

const (
	defaultMaxLine = 32 << 10
	leastMaxLine   = 256
)

// DefaultConfig reads plain lines.
func DefaultConfig() *Config {
	return &Config{Format: format.Plain, Unparsed: UnparsedTake, StartAt: StartAtLookback, Lookback: pipeline.LookbackBoot, MaxLine: defaultMaxLine}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	errs := []error{c.checkPaths(), c.checkPatterns(), c.checkStart()}
	errs = append(errs, pipeline.At("format", pipeline.CheckWord(c.Format)), pipeline.At("unparsed", pipeline.CheckWord(c.Unparsed)))
	if c.Fields != (Fields{}) && c.Format != format.JSON && c.Format != format.Logfmt {
		errs = append(errs, pipeline.At("fields", fmt.Errorf("lines of format %s have none: write format: json or logfmt", c.Format)))
	}
	if c.MaxLine < leastMaxLine || c.MaxLine > file.MaxLine {
		errs = append(errs, pipeline.At("max_line", fmt.Errorf("%d is no length: write %d to %d", c.MaxLine, leastMaxLine, file.MaxLine)))
	}
	for i, text := range c.Skip {
		if text == "" {
			errs = append(errs, pipeline.At(fmt.Sprintf("skip[%d]", i), errors.New("is empty, which every line holds: write a text, or take it out")))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkPaths() error {
	var errs []error
	if len(c.Include) == 0 {
		errs = append(errs, pipeline.At("include", errors.New("is missing: write paths, for example [/var/log/kern.log]")))
	}
	for key, list := range map[string][]string{"include": c.Include, "exclude": c.Exclude} {
		for i, path := range list {
			at := fmt.Sprintf("%s[%d]", key, i)
			if !filepath.IsAbs(path) {
				errs = append(errs, pipeline.At(at, fmt.Errorf("%q is no absolute path: write for example /var/log/kern.log", path)))
			}
			if _, err := filepath.Match(path, ""); err != nil {
				errs = append(errs, pipeline.At(at, fmt.Errorf("%q is no pattern: close the bracket, or write \\[ for the character itself", path)))
			}
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkPatterns() error {
	var errs []error
	for _, one := range []struct{ key, pattern string }{{"timestamp", c.Timestamp}, {"message", c.Message}, {"multiline.start", c.Multiline.Start}} {
		if _, err := regexp.Compile(one.pattern); err != nil {
			errs = append(errs, pipeline.At(one.key, fmt.Errorf("%q is no regular expression: write RE2 syntax: %w", one.pattern, err)))
		} else if one.pattern != "" && one.key != "multiline.start" && c.Format != format.Plain {
			errs = append(errs, pipeline.At(one.key, fmt.Errorf("format %s finds it by itself: take one of them out", c.Format)))
		}
	}
	switch {
	case (c.Timestamp == "") != (c.TimestampFormat == ""):
		errs = append(errs, pipeline.At("timestamp_format", errors.New("belongs to timestamp: write both or none")))
	case c.Timestamp != "" && len(errs) == 0:
		_, err := format.NewPattern(regexp.MustCompile(c.Timestamp), nil, c.TimestampFormat)
		errs = append(errs, pipeline.At("timestamp_format", err))
	}
	if strings.Contains(c.TimeZone, "..") || strings.HasPrefix(c.TimeZone, "/") {
		errs = append(errs, pipeline.At("time_zone", fmt.Errorf("%q is no time zone: write for example UTC or Europe/Berlin", c.TimeZone)))
	}
	return errors.Join(errs...)
}

func (c *Config) checkStart() error {
	errs := []error{pipeline.At("start_at", pipeline.CheckWord(c.StartAt))}
	errs = append(errs, pipeline.At("lookback", c.Lookback.Check()))
	if c.StartAt != StartAtLookback && c.Lookback != pipeline.LookbackBoot {
		errs = append(errs, pipeline.At("lookback", fmt.Errorf("%s has no say beside start_at: %s: write start_at: lookback, or take one of them out", c.Lookback, c.StartAt)))
	}
	if c.Delay < 0 {
		errs = append(errs, pipeline.At("delay", fmt.Errorf("%s is negative: write 0 or a time like 5m", c.Delay)))
	}
	return errors.Join(errs...)
}

// parser makes the parser of the lines.
func (c *Config) parser() (format.Parser, error) {
	if c.Timestamp == "" && c.Message == "" {
		return format.New(string(c.Format), format.Options{
			TimeField: c.Fields.Time, SeverityField: c.Fields.Severity, MessageField: c.Fields.Message,
		}), nil
	}
	timestamp, errTimestamp := compile(c.Timestamp)
	message, errMessage := compile(c.Message)
	if err := errors.Join(errTimestamp, errMessage); err != nil {
		return nil, err
	}
	return format.NewPattern(timestamp, message, c.TimestampFormat)
}

// compile returns nil where there is no expression.
func compile(pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil //nolint:nilnil // no expression is a value
	}
	return regexp.Compile(pattern)
}
