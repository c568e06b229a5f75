package checks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// OOMKillsConfig is how many processes the kernel has killed of late for want of
// memory, of the node's or of a container's limit. Containers that outgrow their limits are
// nothing new on a node that is well: so it is off. The rules for the kernel's log
// name each victim; this tells them without the log.
type OOMKillsConfig struct {
	Base `yaml:",inline"`
	// Window is the time that is looked back, 1m to 24h.
	Window time.Duration `yaml:"window"`
	// Cgroups are those of which it is told by themselves too, by their paths in the
	// hierarchy: system.slice has the node's own services. Those that do not exist are left
	// out. In version 1 kills in cgroups below do not count.
	Cgroups []string `yaml:"cgroups"`
}

func defaultOOMKills() OOMKillsConfig {
	return OOMKillsConfig{
		Base: Base{
			Warn: Limit{Enter: 1, Reason: "OOMKills"},
			Fail: Limit{Reason: "ManyOOMKills"},
		},
		Window: 10 * time.Minute,
	}
}

func (c *OOMKillsConfig) entry() entry {
	return entry{
		name: "oom_kills", class: "oom-kill", unit: count, base: &c.Base, asks: c, instances: true,
		validate: func() error {
			err := validateCgroups("cgroups", c.Cgroups)
			if c.Window < time.Minute || c.Window > maxInterval {
				err = errors.Join(err, pipeline.At("window", fmt.Errorf("%s is out of range: write %s to %s", c.Window, time.Minute, maxInterval)))
			}
			return err
		},
		measures: func(s *system) measure {
			return func(context.Context) (measured, error) { return c.measure(s) }
		},
	}
}

// measure reads /proc/vmstat, which knows no namespaces.
func (c *OOMKillsConfig) measure(s *system) (measured, error) {
	path := s.proc("vmstat")
	text, err := readFile(path)
	if err != nil {
		return measured{}, err
	}
	kills, err := counterIn(text, "oom_kill")
	if err != nil {
		return measured{}, fmt.Errorf("read %s: %w", path, err)
	}
	figures := []figure{c.figure(s, "", kills)}
	for _, path := range c.Cgroups {
		kills, err := s.killsIn(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			figures = append(figures, figure{instance: "/" + path, err: err})
		default:
			figures = append(figures, c.figure(s, "/"+path, kills))
		}
	}
	return measured{figures: figures, complete: true}, nil
}

// figure is how many processes were killed in the window, of the node or of a cgroup.
func (c *OOMKillsConfig) figure(s *system, cgroup string, kills uint64) figure {
	grown, in := s.counters.growth("oom_kills"+cgroup, s.clock.Now().Boot, c.Window, kills)
	where := ""
	if cgroup != "" {
		where = " in the cgroup " + cgroup
	}
	f := figure{
		instance: cgroup, value: float64(grown),
		text: fmt.Sprintf("%s processes were killed for want of memory%s in %s", decimal(float64(grown)), where, in.Round(time.Second)),
	}
	if in < c.Window {
		f.atMost = float64(kills) // nobody knows when those before the first look were
	}
	return f
}

// killsIn reads how many processes of a cgroup were killed since it was made: of
// version 2 in memory.events, of version 1 in memory.oom_control (cgroup-v2.rst,
// cgroup-v1/memory.rst).
func (s *system) killsIn(cgroup string) (uint64, error) {
	root, err := s.pidsRoot()
	if err != nil {
		return 0, err
	}
	path := filepath.Join(root, cgroup, "memory.events")
	if root != s.sys("fs/cgroup") {
		path = filepath.Join(s.sys("fs/cgroup/memory"), cgroup, "memory.oom_control")
	}
	text, err := readFile(path)
	if err != nil {
		return 0, err
	}
	kills, err := counterIn(text, "oom_kill")
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	return kills, nil
}

// counterIn reads one counter in the form of /proc/vmstat: a name and a number a line
// (proc_vmstat(5)).
func counterIn(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		if number, ok := strings.CutPrefix(line, name+" "); ok {
			value, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%.80q is no count of %s", line, name)
			}
			return value, nil
		}
	}
	return 0, hostview.NewBlind("it does not count "+name, "run Linux 4.13 or later, or turn the check off")
}
