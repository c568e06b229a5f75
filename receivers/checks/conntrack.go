package checks

import (
	"context"
	"errors"
	"io/fs"
	"time"
)

// ConntrackConfig is how many connections the kernel tracks, in per cent of what it
// can (net.netfilter.nf_conntrack_max). Where that is used up it drops the first
// packet of each new connection.
type ConntrackConfig struct {
	Base `yaml:",inline"`
}

func defaultConntrack() ConntrackConfig {
	return ConntrackConfig{Base: Base{
		Enabled: true, Condition: "ConntrackPressure",
		Warn: Limit{Enter: 85, Leave: 75, For: time.Minute, Reason: "ConntrackHigh"},
		Fail: Limit{Enter: 95, Leave: 90, For: 30 * time.Second, Reason: "ConntrackFull"},
	}}
}

func (c *ConntrackConfig) entry() entry {
	return entry{
		name: "conntrack", class: "conntrack-exhaustion", unit: percent, base: &c.Base, asks: c,
		// The table of tracked connections is nearly full. When it is, packets of new connections are dropped.
		// Remedy: raise net.netfilter.nf_conntrack_max, or find who opens so many connections.
		brings: healthyType("ConntrackPressure", "ConntrackAvailable", "new connections can be tracked"),
		measures: func(s *system) measure {
			return func(context.Context) (measured, error) { return s.measureConntrack() }
		},
	}
}

func (s *system) measureConntrack() (measured, error) {
	if err := s.view().SeesNetwork(); err != nil {
		return measured{}, err
	}
	used, err := readNumber(s.proc("sys/net/netfilter/nf_conntrack_count"))
	if errors.Is(err, fs.ErrNotExist) {
		return measured{figures: []figure{{text: "the kernel tracks no connections"}}}, nil
	}
	if err != nil {
		return measured{}, err
	}
	most, err := readNumber(s.proc("sys/net/netfilter/nf_conntrack_max"))
	if err != nil {
		return measured{}, err
	}
	return measured{figures: []figure{shareOf("", used, most, "tracked connections")}}, nil
}
