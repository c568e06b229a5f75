package checks

import (
	"context"
	"time"
)

// ZombiesConfig is how many processes have ended without their parents asking how.
// Each keeps its process id. A container whose first process never asks collects
// them for as long as it runs, and its node is well: so it is off.
type ZombiesConfig struct {
	Base `yaml:",inline"`
}

func defaultZombies() ZombiesConfig {
	return ZombiesConfig{Base: Base{
		Interval: time.Minute, Condition: "ZombieProcesses",
		Warn: Limit{Enter: 500, Leave: 300, For: 5 * time.Minute, Reason: "ZombieProcessesHigh"},
		Fail: Limit{Enter: 5000, Leave: 3000, For: 5 * time.Minute, Reason: "ZombieProcessesPileUp"},
	}}
}

func (c *ZombiesConfig) entry() entry {
	return entry{
		name: "zombies", class: "zombie-processes", unit: count, base: &c.Base, asks: c,
		// Many processes have ended whose parents do not take them away: each keeps a process id.
		// Remedy: restart the parent; a container whose program does not wait for children wants an init
		// (`shareProcessNamespace`, tini).
		brings: healthyType("ZombieProcesses", "FewZombieProcesses", "processes that have ended are taken away"),
		measures: func(s *system) measure {
			return func(ctx context.Context) (measured, error) { return measureZombies(ctx, s) }
		},
	}
}

func measureZombies(ctx context.Context, s *system) (measured, error) {
	list, err := s.processes(ctx)
	if err != nil {
		return measured{}, err
	}
	n, ofParent := 0, map[int]uint64{}
	for i := range list {
		if list[i].state == 'Z' {
			n++
			ofParent[list[i].parent]++
		}
	}
	return measured{figures: []figure{{
		value: float64(n), text: decimal(float64(n)) + " zombie processes",
		top: func() string { return topParents(list, ofParent) },
	}}}, nil
}

func topParents(list []process, of map[int]uint64) string {
	var all []ranked
	for i := range list {
		if n := of[list[i].pid]; n > 0 {
			all = append(all, ranked{list[i].String(), n})
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "children of " + topText(all)
}
