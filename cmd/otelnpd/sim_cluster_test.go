package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/exporters/kubernetes"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// simCluster is what an API server holds: the Node's conditions, and Events.
type simCluster struct {
	world *simWorld

	mu      sync.Mutex
	chance  *rand.Rand
	mode    string // up, down, flaky, slow
	node    map[string]condition.NodeCondition
	events  map[string]apiserver.Event
	patches []simPatch // since the last look
}

// simPatch is a condition as it was written.
type simPatch struct {
	condition pipeline.Condition
	deleted   string
	life      int
	sure      bool // the process hears of it
}

func newSimCluster(w *simWorld, seed uint64) *simCluster {
	return &simCluster{
		world: w, chance: rand.New(rand.NewPCG(seed, 2)), mode: "up",
		node: map[string]condition.NodeCondition{}, events: map[string]apiserver.Event{},
	}
}

func (c *simCluster) setMode(mode string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mode = mode
}

func (c *simCluster) takePatches() []simPatch {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.patches
	c.patches = nil
	return taken
}

func (c *simCluster) conditions() map[string]condition.NodeCondition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.node)
}

func (c *simCluster) allEvents() map[string]apiserver.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.events)
}

// has tells which conditions the Node has.
func (c *simCluster) has() map[string]bool {
	types := map[string]bool{}
	for name := range c.conditions() {
		types[name] = true
	}
	return types
}

// simAPI is the cluster as one process reaches it.
type simAPI struct{ life *simLife }

var _ kubernetes.API = simAPI{}

func unreachable(text string) error {
	return &apiserver.Error{Kind: apiserver.Unreachable, Err: errors.New(text)}
}

// call carries a request out, or not, and answers, or not.
func (a simAPI) call(ctx context.Context, apply func(c *simCluster)) error {
	c := a.life.world.cluster
	c.mu.Lock()
	mode, dice := c.mode, c.chance.IntN(6)
	c.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if mode == "down" || (mode == "flaky" && dice < 2) {
		return unreachable("connection refused")
	}
	lives, last := a.life.effect()
	if !lives || (last && dice%2 == 0) {
		return unreachable("the process is gone")
	}
	c.mu.Lock()
	apply(c)
	c.mu.Unlock()
	switch {
	case last:
		return unreachable("the process is gone")
	case mode == "flaky" && dice == 2:
		return unreachable("the answer was lost")
	case mode == "slow":
		select {
		case <-time.After(time.Duration(dice) * 1500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

const simNodeUID = "uid-of-node-1"

// Node reads the Node.
func (a simAPI) Node(ctx context.Context, name string) (*apiserver.Node, error) {
	node := &apiserver.Node{UID: simNodeUID, BootID: a.life.world.bootID()}
	err := a.call(ctx, func(c *simCluster) {
		for _, one := range c.node {
			node.Conditions = append(node.Conditions, one)
		}
	})
	if err != nil {
		return nil, err
	}
	if name != simNode {
		a.life.world.fail("the Node %q was read", name)
	}
	slices.SortFunc(node.Conditions, func(x, y condition.NodeCondition) int { return strings.Compare(x.Type, y.Type) })
	a.life.world.mu.Lock()
	a.life.nodeRead = true
	a.life.world.mu.Unlock()
	return node, nil
}

// PatchConditions merges conditions by their type.
func (a simAPI) PatchConditions(ctx context.Context, patch apiserver.Patch) (string, error) {
	a.checkEarly()
	if a.life.world.sabotage == healthyOnNode {
		for i := range patch.Conditions {
			patch.Conditions[i].Status = pipeline.ConditionFalse
		}
	}
	err := a.call(ctx, func(c *simCluster) {
		fmt.Fprintf(a.life.world.logs, "PATCH %s %+v\n", a.life.world.stamp().age, patch)
		for _, name := range patch.Delete {
			delete(c.node, name)
			c.patches = append(c.patches, simPatch{deleted: name, life: a.life.world.lives})
		}
		for _, one := range patch.Conditions {
			c.node[one.Type] = condition.NodeCondition{
				Type: one.Type, Status: one.Status, Reason: one.Reason, Message: one.Message,
				LastTransitionTime: one.LastTransitionTime, LastHeartbeatTime: patch.Heartbeat.UTC().Truncate(time.Second),
			}
			c.patches = append(c.patches, simPatch{condition: one, life: a.life.world.lives, sure: c.mode == "up"})
		}
	})
	return simNodeUID, err
}

// checkEarly sees to it that nothing is patched before the Node was read and the
// backlog judged.
func (a simAPI) checkEarly() {
	a.life.world.mu.Lock()
	read := a.life.nodeRead
	a.life.world.mu.Unlock()
	select {
	case <-a.life.agent.store.Settled():
	default:
		a.life.world.fail("the Node was patched before the backlog had been judged")
	}
	if !read {
		a.life.world.fail("the Node was patched before it was read")
	}
}

// WriteEvent makes an Event or writes over it.
func (a simAPI) WriteEvent(ctx context.Context, event *apiserver.Event) error {
	err := a.call(ctx, func(c *simCluster) { c.events[event.Name] = *event })
	if err != nil && a.life.cutOff() {
		return nil // nobody hears the answer; so the dead end soon
	}
	return err
}

// simConsole is the standard output. What was written before the process is killed
// stays, a torn line too.
type simConsole struct{ life *simLife }

func (c *simConsole) Write(text []byte) (int, error) {
	lives, last := c.life.effect()
	if !lives {
		return len(text), nil
	}
	w := c.life.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if last {
		text = text[:len(text)/2]
	}
	w.console = append(w.console, text...)
	return len(text), nil
}

// simTold is a line of the console.
type simTold struct {
	told

	Rule string `json:"rule"`
}

// consoleLines reads what is whole on the console.
func (w *simWorld) consoleLines() (all []simTold) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range bytes.Lines(w.console) {
		// Before a whole line may stand one that was torn.
		for start := bytes.LastIndex(line, []byte(`{"time":`)); start >= 0; start = -1 {
			var one simTold
			if json.Unmarshal(line[start:], &one) == nil {
				all = append(all, one)
			}
		}
	}
	return all
}
