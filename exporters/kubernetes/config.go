package kubernetes

import (
	"errors"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeevents"
	"github.com/otelnpd/otelnpd/pipeline"
)

// Config is the configuration of the Kubernetes exporter.
type Config struct {
	// APIServer says how kube-apiserver is reached.
	APIServer apiserver.Config `yaml:"apiserver"`
	// Wait says how the Node is waited for.
	Wait WaitConfig `yaml:"wait"`
	// HeartbeatPeriod is the time between two patches of the Node without a change,
	// give or take a tenth; 1s or more.
	HeartbeatPeriod time.Duration `yaml:"heartbeat_period"`
	// NodeConditions tells whether the Node's conditions are written; only one exporter
	// can.
	NodeConditions bool `yaml:"node_conditions"`
	// DroppedConditions says what becomes of conditions on the Node that a reload no
	// longer declares: `delete` removes them, `leave` leaves them as they are and
	// forgets them.
	DroppedConditions DroppedConditions `yaml:"dropped_conditions"`
	// Events says which Events are written.
	Events nodeevents.Config `yaml:"events"`
}

// WaitConfig says how the Node is waited for until it is first seen.
type WaitConfig struct {
	// Interval is the time between two tries to read the Node until it is first seen,
	// give or take a tenth; 100ms or more.
	Interval time.Duration `yaml:"interval"`
	// Timeout is after how long without the Node a warning is logged; it is tried on.
	Timeout time.Duration `yaml:"timeout"`
}

// DroppedConditions is what becomes of conditions that are no longer declared.
type DroppedConditions string

// The choices.
const (
	// DropDelete removes them from the Node.
	DropDelete DroppedConditions = "delete"
	// DropLeave leaves them as they are, and forgets them.
	DropLeave DroppedConditions = "leave"
)

// Words are the choices.
func (DroppedConditions) Words() []string {
	return []string{string(DropDelete), string(DropLeave)}
}

// The shortest times that can be configured: an API server serves thousands of
// nodes.
const (
	minWaitInterval    = 100 * time.Millisecond
	minHeartbeatPeriod = time.Second
)

// DefaultConfig writes conditions and Events, with the times of
// node-problem-detector.
func DefaultConfig() *Config {
	return &Config{
		APIServer:         apiserver.DefaultConfig(),
		Wait:              WaitConfig{Interval: 5 * time.Second, Timeout: 5 * time.Minute},
		HeartbeatPeriod:   5 * time.Minute,
		NodeConditions:    true,
		DroppedConditions: DropDelete,
		Events:            nodeevents.DefaultConfig(),
	}
}

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	var idle, negative error
	if !c.NodeConditions && !c.Events.Enabled {
		idle = errors.New("is false, and so is events.enabled: the exporter would do nothing; turn one of them on, or leave the exporter out")
	}
	if c.Wait.Timeout < 0 {
		negative = fmt.Errorf("%s is negative: write 0 or more, for example 5m", c.Wait.Timeout)
	}
	return errors.Join(
		pipeline.At("apiserver", c.APIServer.Validate()),
		pipeline.At("wait.interval", atLeast(c.Wait.Interval, minWaitInterval, "5s")),
		pipeline.At("wait.timeout", negative),
		pipeline.At("heartbeat_period", atLeast(c.HeartbeatPeriod, minHeartbeatPeriod, "5m")),
		pipeline.At("node_conditions", idle),
		pipeline.At("dropped_conditions", pipeline.CheckWord(c.DroppedConditions)),
		pipeline.At("events", c.Events.Validate()),
	)
}

func atLeast(d, least time.Duration, example string) error {
	if d < least {
		return fmt.Errorf("%s is too short: write %s or more, for example %s", d, least, example)
	}
	return nil
}

// Exclusive names what only one exporter can have: two that write one Node's
// conditions would each undo what the other does.
func (c *Config) Exclusive() string {
	if c.NodeConditions {
		return "the Node's conditions"
	}
	return ""
}
