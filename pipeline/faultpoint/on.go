//go:build faultpoints

package faultpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Variable is the environment variable that says what happens where.
const Variable = "OTELNPD_FAULTPOINTS"

type action struct {
	kill  int // at which time; 0: never
	stall time.Duration
}

var plan = sync.OnceValue(func() map[string]action {
	actions, err := parse(os.Getenv(Variable))
	if err != nil {
		fmt.Fprintln(os.Stderr, Variable+":", err)
	}
	return actions
})

var reached struct {
	mu    sync.Mutex
	times map[string]int
}

// Reach does what the environment says of the point.
func Reach(point string) {
	planned, ok := plan()[point]
	if !ok {
		return
	}
	time.Sleep(planned.stall)
	reached.mu.Lock()
	defer reached.mu.Unlock()
	if reached.times == nil {
		reached.times = map[string]int{}
	}
	reached.times[point]++
	if reached.times[point] == planned.kill {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it arrives
	}
}

func parse(text string) (map[string]action, error) {
	actions := map[string]action{}
	for part := range strings.SplitSeq(text, ",") {
		point, what, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			continue
		}
		kind, value, _ := strings.Cut(what, ":")
		var planned action
		var err error
		switch kind {
		case "kill":
			if planned.kill = 1; value != "" {
				planned.kill, err = strconv.Atoi(value)
			}
		case "stall":
			planned.stall, err = time.ParseDuration(value)
		default:
			err = fmt.Errorf("%q: write kill or stall", part)
		}
		if err != nil {
			return nil, err
		}
		actions[point] = planned
	}
	return actions, nil
}
