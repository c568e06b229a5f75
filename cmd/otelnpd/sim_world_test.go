package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing/synctest"
	"time"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

// simNode is the node's name.
const simNode = "node-1"

// simWorld is a node with its clocks, its kernel log and its disk, the cluster, the
// console, and the agent on it. It lives in a bubble of testing/synctest: the
// goroutine of the test lets things happen, and looks once all others wait.
type simWorld struct {
	sabotage sabotage
	runDir   string
	logs     io.Writer
	chance   *rand.Rand // of the disk after power losses
	oracle   *simOracle

	mu       sync.Mutex
	begun    time.Time     // of the bubble
	slept    time.Duration // suspends, all together
	sleptOff time.Duration // those of earlier boots
	stepped  time.Duration // of the wall clock, in all
	boots    int
	bootAt   time.Duration // on the node's own time
	ring     simRing
	fans     map[string]string // what each is: stopped, slow, well
	disk     *statetest.Disk
	diskFree func() // lets a disk go that hangs; nil: it does not
	diskMode string
	diskBad  time.Duration // when the disk was bad last
	cluster  *simCluster
	console  []byte
	variant  int
	alive    *simLife // nil: no agent runs
	lives    int
	fault    error // the first thing that was wrong
}

// simLife is one process of the agent.
type simLife struct {
	world    *simWorld
	agent    *agent
	fuse     int  // effects until it is killed; 0: it is not to be
	dead     bool // cut off from the world
	nodeRead bool
	since    time.Duration
}

func newSimWorld(seed uint64, dir string, logs io.Writer) *simWorld {
	w := &simWorld{
		runDir: filepath.Join(dir, strconv.FormatUint(seed, 10)), logs: logs, chance: rand.New(rand.NewPCG(seed, 1)),
		begun: time.Now(), bootAt: -100 * time.Second, disk: statetest.NewDisk(), fans: map[string]string{"f0": "well", "f1": "well"},
	}
	w.ring = simRing{size: []int{10_000, 10_000, 10_000, 12}[seed%4], batch: 1 + int(seed/4%3)}
	w.cluster = newSimCluster(w, seed)
	w.oracle = newSimOracle(w)
	return w
}

// fail notes the first fault.
func (w *simWorld) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault == nil {
		w.fault = fmt.Errorf(format, args...)
	}
}

// age is the node's own time: it goes on during suspends and over boots.
func (w *simWorld) age() time.Duration { return time.Since(w.begun) + w.slept }

func (w *simWorld) bootID() string { return "boot-" + strconv.Itoa(w.boots) }

// Now implements [pipeline.Clock].
func (w *simWorld) Now() pipeline.Instant {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now()
}

func (w *simWorld) now() pipeline.Instant {
	age := w.age()
	return pipeline.Instant{
		Wall: w.begun.Add(age + w.stepped), Boot: age - w.bootAt, Raw: age - w.bootAt - (w.slept - w.sleptOff),
	}
}

// effect tells a process that something of it is about to be seen from outside:
// whether it still lives, and whether it is killed right after that.
func (l *simLife) effect() (lives, last bool) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	if l.dead {
		return false, false
	}
	if l.fuse > 0 {
		l.fuse--
		last = l.fuse == 0
		l.dead = last
	}
	return true, last
}

// light lets the process live for so many effects more.
func (l *simLife) light(effects int) {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	l.fuse = effects
}

// fused tells whether the process is to be killed soon.
func (l *simLife) fused() bool {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.fuse > 0
}

func (l *simLife) cutOff() bool {
	l.world.mu.Lock()
	defer l.world.mu.Unlock()
	return l.dead
}

// start starts an agent on what there is.
func (w *simWorld) start() {
	w.mu.Lock()
	life := &simLife{world: w, since: w.age()}
	w.disk = w.disk.Kill()
	if w.sabotage == conditionsLost {
		dropConditions(w.disk)
	}
	disk := w.disk
	disk.Before(func(statetest.Operation) error {
		if lives, last := life.effect(); !lives || last {
			return errCutOff
		}
		return nil
	})
	w.alive = life
	w.lives++
	now := w.now()
	boot := pipeline.Boot{ID: w.bootID(), Start: now.Wall.Add(-now.Boot)}
	w.mu.Unlock()
	w.oracle.begin(disk.File("state.json") == nil, w.cluster.has())
	w.setDisk(w.diskMode)
	fmt.Fprintf(w.logs, "START life %d at %s on %s\n", w.lives, w.stamp().age, disk.File("state.json"))
	made, err := newAgent(agentOptions{
		config: w.load(), logger: slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		clock: w, boot: boot, node: simNode, console: consoleTarget{writer: &simConsole{life}},
		cluster: simAPI{life}, extraReceivers: []pipeline.ReceiverFactory{newSimSource(life), newSimFans(life)},
		stateDir: "/state", stateDirChosen: true, disk: disk,
		load: func() (*config.Config, []string, error) { return w.load(), nil, nil },
	})
	if err != nil {
		w.fail("make the agent: %w", err)
		return
	}
	life.agent = made
	if err := made.start(context.Background()); err != nil && !life.cutOff() {
		w.fail("start the agent: %w", err)
	}
}

var errCutOff = errors.New("the process is gone")

func (w *simWorld) load() *config.Config {
	loaded, err := config.Parse(simConfig(w.variant, w.runDir), "sim.yaml", simFactories())
	if err != nil {
		panic(err) // the simulation's own file
	}
	return loaded
}

// kill cuts the agent off from the world, and then lets it end without effect.
func (w *simWorld) kill() {
	life := w.alive
	if life == nil {
		return
	}
	w.mu.Lock()
	life.dead = true
	w.mu.Unlock()
	w.checkPatches()
	w.oracle.kill()
	w.end()
}

// stop ends the agent in order.
func (w *simWorld) stop() {
	life := w.alive
	if life == nil {
		return
	}
	if err := life.agent.shutdown(); err != nil && w.cluster.mode == "up" && w.diskMode == "ok" && !life.cutOff() {
		w.fail("shut down: %w", err)
	}
	if w.diskMode == "ok" && !life.cutOff() {
		w.oracle.firm(w.stamp())
	}
	w.end()
}

// end waits until nothing is left of the agent.
func (w *simWorld) end() {
	life := w.alive
	w.setDisk(w.diskMode) // what hangs is let go
	if life.agent != nil {
		_ = life.agent.shutdown()
	}
	synctest.Wait()
	w.alive = nil
	w.oracle.doubtFans()
	w.checkState()
}

// checkState reads the state file as the next process will.
func (w *simWorld) checkState() {
	data := w.disk.File("state.json")
	if data == nil {
		return
	}
	if _, err := state.Decode(data); err != nil {
		w.fail("the state file after life %d cannot be read: %w", w.lives, err)
	}
}

// reboot begins another boot. The kernel's log and /run are gone.
func (w *simWorld) reboot(powerLoss bool) {
	if powerLoss {
		w.disk = w.disk.PowerOff(w.chance.IntN)
	}
	w.oracle.pass(w.stamp())
	w.checkPatches()
	time.Sleep(30 * time.Second)
	w.mu.Lock()
	w.boots++
	w.bootAt = w.age()
	w.sleptOff = w.slept
	w.mu.Unlock()
	w.ring.clear()
	_ = os.RemoveAll(w.runDir)
	w.oracle.boot(w.stamp())
	time.Sleep(5 * time.Second)
}

// setDisk makes the disk ok, full, or hang.
func (w *simWorld) setDisk(mode string) {
	if w.diskFree != nil {
		w.diskFree()
		w.diskFree = nil
	}
	if mode == "" {
		mode = "ok"
	}
	if mode != "ok" || w.diskMode != "ok" {
		w.diskBad = w.age()
	}
	w.diskMode = mode
	w.disk.Fail(statetest.Write, nil)
	switch mode {
	case "full":
		w.disk.Fail(statetest.Write, errDiskFull)
	case "stall":
		if w.alive != nil {
			w.diskFree = w.disk.Hold(statetest.SyncFile)
		}
	}
}

var errDiskFull = errors.New("no space left on device")

// simStamp is an instant of the node, on all its clocks.
type simStamp struct {
	age  time.Duration
	wall time.Time
	boot time.Duration
}

func (w *simWorld) stamp() simStamp {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	return simStamp{age: w.age(), wall: now.Wall, boot: now.Boot}
}

// dropConditions takes the conditions out of the state.
func dropConditions(disk *statetest.Disk) {
	document, err := state.Decode(disk.File("state.json"))
	if err != nil {
		return
	}
	delete(document.Sections, conditionsSection)
	if data, err := state.Encode(document); err == nil {
		disk.Put("state.json", data)
	}
}
