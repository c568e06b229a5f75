//go:build faultpoints

package faultpoint

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// armed is the plan of this process and how often its points were reached. It is
// the package's one variable: a point has nothing else at hand, and builds for
// users do not have it.
var armed = sync.OnceValue(func() *counter { //nolint:gochecknoglobals // see above
	faults, err := parse(os.Getenv(Variable))
	if err != nil {
		panic(fmt.Sprintf("faultpoint: %v", err)) //nolint:forbidigo // a test must notice
	}
	return &counter{faults: faults, reached: map[string]int{}}
})

type counter struct {
	faults []fault

	mu      sync.Mutex
	reached map[string]int
}

// Reach does what is planned for this time of reaching the point.
func Reach(point string) {
	c := armed()
	if len(c.faults) == 0 {
		return
	}
	n := c.count(point)
	for _, f := range c.faults {
		if f.point == point && f.at == n {
			f.happen()
		}
	}
}

func (c *counter) count(point string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reached[point]++
	return c.reached[point]
}

func (f fault) happen() {
	if f.stall > 0 {
		time.Sleep(f.stall)
		return
	}
	if err := unix.Kill(os.Getpid(), unix.SIGKILL); err != nil {
		panic(fmt.Sprintf("faultpoint: kill at %s: %v", f.point, err)) //nolint:forbidigo // a test must notice
	}
	select {} // nothing more may happen here, however late the signal comes
}
