package journald

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/kmsg"
)

// Config is the configuration of a journald receiver. Of the values of one list, and
// of `matches` of one field, an entry has any; it has something of each list.
type Config struct {
	// Directories with the journal's files, below `service.host.root`; those in
	// subdirectories that are named by the machine's id are read too.
	Directories []string `yaml:"directories"`
	// AllMachines reads the subdirectories of other machines too: in a container, whose
	// machine id may be another than the host's, and for journals that were sent.
	AllMachines bool `yaml:"all_machines"`
	// Identifiers to take (SYSLOG_IDENTIFIER: `kubelet`, `containerd`); none: all.
	Identifiers []string `yaml:"identifiers"`
	// Units to take (_SYSTEMD_UNIT: `kubelet.service`; without a dot a service); none: all.
	Units []string `yaml:"units"`
	// Transports to take (_TRANSPORT); none: all. `[kernel]` is the kernel's log.
	Transports []Transport `yaml:"transports"`
	// Priorities to take (PRIORITY); none: all.
	Priorities []Priority `yaml:"priorities"`
	// Matches are more FIELD=value that an entry must have, as with journalctl.
	Matches []string `yaml:"matches"`
	// Lookback says how far to read back at the first start: `boot`, a time (`10m`, this
	// boot at most), `now` or `0`. Later the receiver goes on where it had come to.
	Lookback pipeline.Lookback `yaml:"lookback"`
	// Delay is how long after the boot entries are skipped.
	Delay time.Duration `yaml:"delay"`
	// Buffer is how many entries before its position the receiver reads again as context
	// for rules that look at several lines, at most 1000.
	Buffer int `yaml:"buffer"`
}

const maxBuffer = 1000

// DefaultConfig reads all of this boot from the system's journal.
func DefaultConfig() *Config {
	return &Config{Directories: []string{"/var/log/journal", "/run/log/journal"}, Lookback: pipeline.LookbackBoot, Buffer: 10}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	var errs []error
	fail := func(at, format string, args ...any) {
		errs = append(errs, pipeline.At(at, fmt.Errorf(format, args...)))
	}
	if len(c.Directories) == 0 {
		fail("directories", "there is none: write for example [/var/log/journal]")
	}
	for i, directory := range c.Directories {
		if !filepath.IsAbs(directory) {
			fail(fmt.Sprintf("directories[%d]", i), "%q is no absolute path: write for example /var/log/journal", directory)
		}
	}
	for key, list := range map[string][]string{"identifiers": c.Identifiers, "units": c.Units} {
		for i, value := range list {
			if value == "" {
				fail(fmt.Sprintf("%s[%d]", key, i), "is empty: write a name, for example kubelet")
			}
		}
	}
	for i, transport := range c.Transports {
		if !slices.Contains(transport.Words(), string(transport)) {
			fail(fmt.Sprintf("transports[%d]", i), "%q is no transport: write one of %s", transport, strings.Join(transport.Words(), ", "))
		}
	}
	for i, priority := range c.Priorities {
		if _, ok := kmsg.ParseSeverity(string(priority)); !ok {
			fail(fmt.Sprintf("priorities[%d]", i), "%q is no priority: write one of %s", priority, strings.Join(kmsg.SeverityNames(), ", "))
		}
	}
	for i, match := range c.Matches {
		if err := (journalfile.Matches{match}).Validate(); err != nil {
			errs = append(errs, pipeline.At(fmt.Sprintf("matches[%d]", i), err))
		}
	}
	errs = append(errs, pipeline.At("lookback", c.Lookback.Check()))
	if c.Delay < 0 {
		fail("delay", "%s is negative: write 0 or a time like 5m", c.Delay)
	}
	if c.Buffer < 0 || c.Buffer > maxBuffer {
		fail("buffer", "%d is not between 0 and %d", c.Buffer, maxBuffer)
	}
	return errors.Join(errs...)
}

// matches are what the lists say in the journal's own words.
func (c *Config) matches() (matches journalfile.Matches) {
	for _, identifier := range c.Identifiers {
		matches = append(matches, "SYSLOG_IDENTIFIER="+identifier)
	}
	for _, unit := range c.Units {
		if !strings.Contains(unit, ".") {
			unit += ".service"
		}
		matches = append(matches, "_SYSTEMD_UNIT="+unit)
	}
	for _, transport := range c.Transports {
		matches = append(matches, "_TRANSPORT="+string(transport))
	}
	for _, priority := range c.Priorities {
		number, _ := kmsg.ParseSeverity(string(priority)) // it is valid
		matches = append(matches, "PRIORITY="+strconv.Itoa(number))
	}
	return append(matches, c.Matches...)
}

// Transport is how an entry came to journald.
type Transport string

// Words are the transports that there are: systemd.journal-fields(7).
func (Transport) Words() []string {
	return []string{"kernel", "journal", "syslog", "stdout", "audit", "driver"}
}

// Priority is a keyword of a severity of syslog.
type Priority string

// Words are the priorities that there are, the gravest first, and other words for
// some of them.
func (Priority) Words() []string { return append(kmsg.SeverityNames(), kmsg.SeverityAliases()...) }
