package checks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// LinkDownConfig is which network links have lost their carrier: the cable, the
// switch or the card behind it. One that is turned off (ip link set down), or that had
// no carrier since the node has booted, is well. Each link is an instance; its figure
// is 1 where the carrier is lost, else 0.
type LinkDownConfig struct {
	Base          `yaml:",inline"`
	LinkSelection `yaml:",inline"`
}

// LinkFlapsConfig is how often the carrier of a network link came or went within a
// window.
type LinkFlapsConfig struct {
	Base          `yaml:",inline"`
	LinkSelection `yaml:",inline"`
	// Window is the time in which changes count, 1m to 24h.
	Window time.Duration `yaml:"window"`
}

// LinkErrorsConfig is how many of the packets of a network link were damaged, in per
// cent of all within a window.
type LinkErrorsConfig struct {
	Base          `yaml:",inline"`
	LinkSelection `yaml:",inline"`
	// Window is the time in which packets count, 1m to 24h.
	Window time.Duration `yaml:"window"`
	// MinErrors is how many errors it takes for their share to count.
	MinErrors int `yaml:"min_errors"`
}

func defaultLinkDown() LinkDownConfig {
	return LinkDownConfig{Base: Base{
		Enabled: true, Condition: "NetworkLinkDown",
		Warn: Limit{Enter: 1, For: time.Minute, Reason: "NetworkLinkLost"},
		Fail: Limit{Reason: "NetworkLinkLost"},
	}}
}

func defaultLinkFlaps() LinkFlapsConfig {
	return LinkFlapsConfig{
		Base: Base{
			Enabled: true, Condition: "NetworkLinkFlaps",
			Warn: Limit{Enter: 10, Leave: 4, Reason: "NetworkLinkFlapping"},
			Fail: Limit{Reason: "NetworkLinkFlapping"},
		},
		Window: 10 * time.Minute,
	}
}

func defaultLinkErrors() LinkErrorsConfig {
	return LinkErrorsConfig{
		Base: Base{
			Enabled: true, Condition: "NetworkLinkErrors",
			Warn: Limit{Enter: 1, Leave: 0.1, Reason: "NetworkLinkDamagesPackets"},
			Fail: Limit{Reason: "NetworkLinkDamagesPackets"},
		},
		Window: 10 * time.Minute, MinErrors: 100,
	}
}

func (c *LinkDownConfig) entry() entry {
	return entry{
		name: "link_down", class: "link-down", unit: count, base: &c.Base, asks: c, instances: true,
		// A network link has lost its carrier.
		// Remedy: see the cable, the switch, the other end; `ip link`.
		brings:   healthyType("NetworkLinkDown", "NetworkLinksUp", "no network link has lost its carrier"),
		validate: c.LinkSelection.validate,
		measures: func(s *system) measure {
			seen := map[string]bool{} // the links that have been seen with a carrier
			return s.eachLink(&c.LinkSelection, func(one link) (figure, error) { return one.down(seen) })
		},
	}
}

func (c *LinkFlapsConfig) entry() entry {
	return entry{
		name: "link_flaps", class: "link-flapping", unit: count, base: &c.Base, asks: c, instances: true,
		// A network link comes and goes.
		// Remedy: see the cable, the module and the switch's port.
		brings:   healthyType("NetworkLinkFlaps", "NetworkLinksSteady", "no network link comes and goes"),
		validate: func() error { return errors.Join(c.LinkSelection.validate(), validateWindow(c.Window)) },
		measures: func(s *system) measure {
			return s.eachLink(&c.LinkSelection, func(one link) (figure, error) { return c.figure(s, one) })
		},
	}
}

func (c *LinkErrorsConfig) entry() entry {
	return entry{
		name: "link_errors", class: "link-errors", unit: percent, base: &c.Base, asks: c, instances: true,
		// A network link damages many packets.
		// Remedy: see the cable, the module, the setting of duplex; `ethtool -S`.
		brings: healthyType("NetworkLinkErrors", "NetworkLinksClean", "no network link damages packets"),
		validate: func() error {
			err := errors.Join(c.LinkSelection.validate(), validateWindow(c.Window))
			if c.MinErrors < 1 {
				err = errors.Join(err, pipeline.At("min_errors", fmt.Errorf("%d is out of range: write at least 1", c.MinErrors)))
			}
			return err
		},
		measures: func(s *system) measure {
			return s.eachLink(&c.LinkSelection, func(one link) (figure, error) { return c.figure(s, one) })
		},
	}
}

// eachLink takes a figure of each link that counts.
func (s *system) eachLink(c *LinkSelection, of func(link) (figure, error)) measure {
	return func(context.Context) (measured, error) {
		links, err := s.links(c)
		if err != nil {
			return measured{}, err
		}
		m := measured{complete: true}
		for _, one := range links {
			f, err := of(one)
			if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)) && !exists(one.dir) {
				continue // it went away meanwhile
			}
			f.instance, f.err = one.name, err
			m.figures = append(m.figures, f)
		}
		return m, nil
	}
}

func (l *link) down(seen map[string]bool) (figure, error) {
	on, carrier, err := l.state()
	switch {
	case errors.Is(err, unix.EINVAL), err == nil && !on: // turned off, perhaps between the two
		return figure{text: l.name + " is turned off"}, nil
	case err != nil:
		return figure{}, err
	case carrier:
		seen[l.name] = true
		return figure{text: l.name + " has a carrier"}, nil
	case !seen[l.name] && !l.hadCarrier():
		// Not all kernels and drivers count the first one: if it was known, it goes on.
		return figure{atMost: 1, text: l.name + " had no carrier that is known of since the node has booted"}, nil
	}
	return figure{value: 1, text: l.name + " has lost its carrier"}, nil
}

func (c *LinkFlapsConfig) figure(s *system, one link) (figure, error) {
	n, err := readNumber(one.dir + "/carrier_changes")
	if errors.Is(err, fs.ErrNotExist) && exists(one.dir) {
		return figure{}, hostview.NewBlind("the kernel does not count how often the carrier of "+one.name+" changes", "run Linux 3.15 or later, or turn the check off")
	}
	if err != nil {
		return figure{}, err
	}
	return s.growth("link_flaps/"+one.name, c.Window, n).figure("the carrier of " + one.name + " changed %s times in %s"), nil
}

func (c *LinkErrorsConfig) figure(s *system, one link) (figure, error) {
	st, err := one.statistics()
	if err != nil {
		return figure{}, err
	}
	bad := s.growth("link_errors/"+one.name+"/errors", c.Window, st.errors)
	good := s.growth("link_errors/"+one.name+"/packets", c.Window, st.packets)
	share := 0.0
	if bad.n > 0 {
		share = 100 * float64(bad.n) / (float64(bad.n) + float64(good.n))
	}
	f := figure{value: share, text: fmt.Sprintf("%s damaged %s packets beside %s good ones in %s (%s %%)",
		one.name, decimal(float64(bad.n)), decimal(float64(good.n)), bad.in, decimal(share))}
	least := uint64(c.MinErrors) //nolint:gosec // it is positive
	if bad.n < least {
		f.value = 0
	}
	if bad.most >= least {
		f.atMost = 100
	}
	return f, nil
}
