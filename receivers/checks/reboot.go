package checks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// UnexpectedRebootConfig is whether the boot before this one ended without an orderly
// shutdown: by a crash, a reset or a loss of power. The host's /var/log/wtmp tells,
// where the init system writes it. The boot is the instance; its figure is 1 where
// the one before it did not end in order, else 0.
type UnexpectedRebootConfig struct {
	Base `yaml:",inline"`
}

// It is off, since many systems do not write wtmp any more.
func defaultUnexpectedReboot() UnexpectedRebootConfig {
	return UnexpectedRebootConfig{Base: Base{
		Warn: Limit{Enter: 1, Reason: "UnexpectedReboot"},
		Fail: Limit{Reason: "UnexpectedReboot"},
	}}
}

func (c *UnexpectedRebootConfig) entry() entry {
	return entry{
		name: "unexpected_reboot", class: "unexpected-reboot", unit: count, base: &c.Base, asks: c, instances: true,
		measures: func(s *system) measure {
			r := rebootWatch{system: s}
			return r.measure
		},
	}
}

// rebootWatch looks once how the boot before this one ended: that does not change.
type rebootWatch struct {
	system *system
	found  *figure
}

const wtmpRemedy = "mount the host's / and set service.host.root; where the host writes no /var/log/wtmp, turn the check off"

func (r *rebootWatch) measure(context.Context) (measured, error) {
	if r.found == nil {
		f, err := r.look()
		if err != nil {
			return measured{}, err
		}
		r.found = &f
	}
	return measured{figures: []figure{*r.found}, complete: true}, nil
}

func (r *rebootWatch) look() (figure, error) {
	file, err := r.system.view().Open("/var/log/wtmp")
	if errors.Is(err, fs.ErrNotExist) {
		return figure{}, hostview.NewBlind("the host has no /var/log/wtmp", wtmpRemedy)
	}
	if err != nil {
		return figure{}, err
	}
	defer func() { _ = file.Close() }()
	records, err := readWtmp(file)
	if err != nil {
		return figure{}, err
	}
	return endBefore(records, r.system.boot, r.system.clock.Now())
}

// endBefore says how the boot before this one ended. At each boot the init system
// notes it, and at an orderly end that (systemd-update-utmp.service(8)): two boots
// with no end between them are a crash.
func endBefore(records []utmpRecord, boot string, now pipeline.Instant) (figure, error) {
	last := len(records) - 1
	for last >= 0 && records[last].shutdown {
		last--
	}
	if last < 0 || !isThisBoot(records[last].at, now) {
		return figure{}, hostview.NewBlind("the host's /var/log/wtmp does not tell of this boot", wtmpRemedy)
	}
	if last != len(records)-1 {
		return figure{}, hostview.NewBlind("the host's /var/log/wtmp tells of an end of this boot", "wait for the node to shut down")
	}
	if last == 0 {
		return figure{instance: boot, text: "/var/log/wtmp does not tell of the boot before this one"}, nil
	}
	before := records[last-1]
	if before.shutdown {
		return figure{instance: boot, text: "the boot before this one ended in order at " + before.at.UTC().Format(time.RFC3339)}, nil
	}
	return figure{instance: boot, value: 1, text: fmt.Sprintf("the node booted at %s, but the boot of %s had not ended in order: it crashed, was reset, or lost its power",
		records[last].at.UTC().Format(time.RFC3339), before.at.UTC().Format(time.RFC3339))}, nil
}

// isThisBoot tells whether a boot was noted in this one: the init system does so soon
// after it has begun. The clock may have been set since, by days where the computer's
// own had no battery.
func isThisBoot(at time.Time, now pipeline.Instant) bool {
	begun := now.Wall.Add(-now.Boot)
	const early, late = 10 * time.Minute, 30 * time.Minute
	return at.After(begun.Add(-early)) && at.Before(begun.Add(late))
}
