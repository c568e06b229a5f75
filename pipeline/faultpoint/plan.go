package faultpoint

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// fault is what happens at a point.
type fault struct {
	point string
	// at is the time of reaching the point at which it happens, from 1 on.
	at int
	// stall is how long to block; 0: kill.
	stall time.Duration
}

// parse reads a plan: NAME[:N][=stall:DURATION] and more, separated by commas.
func parse(plan string) ([]fault, error) {
	if plan == "" {
		return nil, nil
	}
	var faults []fault
	for entry := range strings.SplitSeq(plan, ",") {
		f, err := parseFault(entry)
		if err != nil {
			return nil, fmt.Errorf("%q in %s=%q: %w", entry, Variable, plan, err)
		}
		faults = append(faults, f)
	}
	return faults, nil
}

func parseFault(entry string) (fault, error) {
	where, action, hasAction := strings.Cut(entry, "=")
	point, count, counted := strings.Cut(where, ":")
	f := fault{point: point, at: 1}
	if point == "" {
		return fault{}, errors.New("a point's name is missing")
	}
	if counted {
		var err error
		if f.at, err = strconv.Atoi(count); err != nil || f.at < 1 {
			return fault{}, fmt.Errorf("%q is no count: write 1 or more", count)
		}
	}
	if !hasAction {
		return f, nil
	}
	duration, ok := strings.CutPrefix(action, "stall:")
	if !ok {
		return fault{}, fmt.Errorf("%q is no action: write stall:DURATION, or nothing to kill", action)
	}
	var err error
	if f.stall, err = time.ParseDuration(duration); err != nil || f.stall <= 0 {
		return fault{}, fmt.Errorf("%q is no duration: write one like 10s", duration)
	}
	return f, nil
}
