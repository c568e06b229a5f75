package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/faultproxy"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// TestDurable is the proof that a kill at any instant loses nothing, tells nothing
// wrong, and counts nothing twice.
func TestDurable(t *testing.T) {
	s := kubernetesTests{k: servers.StartKubernetes(t), log: kernellog.Open(t)}
	t.Run("storm", s.storm)
	t.Run("beside each other", func(t *testing.T) {
		t.Run("a death at every fault point", s.faultPoints)
		t.Run("reloads leave nothing behind", s.flat)
		t.Run("a state of an older schema", s.upgrade)
		t.Run("a state of a newer schema", s.downgrade)
		t.Run("back to an older version and on again", s.rollback)
	})
}

// stormKills is how often the agent is killed.
func stormKills() int {
	if os.Getenv("OTELNPD_SOAK") == "1" {
		return 1000
	}
	return 30
}

// storm is what goes on around an agent that is killed again and again.
type storm struct {
	*lives
	seed uint64

	running sync.WaitGroup
	mu      sync.Mutex
	errs    []error
	reloads int
}

// stormSeed is OTELNPD_STORM_SEED, or another one each time.
func stormSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("OTELNPD_STORM_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return seed
}

func (s kubernetesTests) storm(t *testing.T) {
	st := &storm{lives: s.livesOnNode(t, "heartbeat_period: 1s"), seed: stormSeed(t)}
	t.Logf("OTELNPD_STORM_SEED=%d", st.seed)
	st.tellCollector(t)
	begun := time.Now()
	a := st.live(t, binary)
	st.waitState(t)
	ctx, stop := context.WithCancel(t.Context())
	defer st.running.Wait()
	defer stop()
	for i, part := range []func(context.Context, *rand.Rand) error{st.problems, st.conditions, st.reload, st.disturb} {
		random := rand.New(rand.NewPCG(st.seed, uint64(i)))
		st.running.Go(func() {
			if err := part(ctx, random); err != nil && ctx.Err() == nil {
				st.mu.Lock()
				defer st.mu.Unlock()
				st.errs = append(st.errs, err)
			}
		})
	}
	random := rand.New(rand.NewPCG(st.seed, 99))
	killAtRandom(t, a, stormKills(), func() time.Duration { return lifeTime(random) }, func() *agent.Agent { return st.live(t, binary) })
	stop()
	st.running.Wait()
	require.Empty(t, st.errs)
	st.proxy.Set()
	st.settle(t)
	t.Logf("%d kills and %d reloads in %s: %s", stormKills(), st.reloads, time.Since(begun).Round(time.Second), st.summary(t))
	st.requireProof(t)
}

// killAtRandom kills an agent so many times, each time after a lifetime, and lets the next
// one live.
func killAtRandom(t *testing.T, a *agent.Agent, kills int, lifetime func() time.Duration, live func() *agent.Agent) {
	t.Helper()
	for kill := range kills {
		select {
		case <-time.After(lifetime()):
		case <-a.Exited():
			require.FailNow(t, "the agent has ended by itself", "in life %d: %s", kill, a.Log())
		}
		a.Kill(t)
		a = live()
	}
}

// lifeTime is how long the next life lasts: often into its start, else up to some
// seconds.
func lifeTime(random *rand.Rand) time.Duration {
	if random.IntN(4) == 0 {
		return time.Duration(random.IntN(250)) * time.Millisecond
	}
	return 250*time.Millisecond + time.Duration(random.IntN(2500))*time.Millisecond
}

// between waits between two times, and tells whether the storm goes on.
func between(ctx context.Context, random *rand.Rand, least, most time.Duration) bool {
	timer := time.NewTimer(least + time.Duration(random.Int64N(int64(most-least))))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// problems writes lines of a few series, and such that are their own.
func (st *storm) problems(ctx context.Context, random *rand.Rand) error {
	for i := 0; between(ctx, random, 10*time.Millisecond, 50*time.Millisecond); i++ {
		what := fmt.Sprintf("disk sd%c", 'a'+random.IntN(8))
		if random.IntN(4) == 0 {
			what = fmt.Sprintf("number %d", i)
		}
		if err := st.writeProblem(what); err != nil {
			return err
		}
	}
	return nil
}

// conditions makes episodes: lines, and a clear once everybody has been told.
func (st *storm) conditions(ctx context.Context, random *rand.Rand) error {
	for {
		task, err := st.begin()
		if err != nil {
			return err
		}
		for range random.IntN(4) {
			if !between(ctx, random, 10*time.Millisecond, 400*time.Millisecond) {
				return nil
			}
			if err := st.writeHung("again"); err != nil {
				return err
			}
		}
		lastLine := time.Now()
		if !st.waitShown(ctx, random, task) || !waitSecond(ctx, lastLine) || !st.clearEpisode(ctx, random) {
			return nil
		}
		if !between(ctx, random, 1200*time.Millisecond, 2*time.Second) { // Conditions have whole seconds
			return nil
		}
	}
}

// waitShown waits until an episode is in the state, and half of the time on the
// Node too: before that, a clear is one of lines that nobody was told of. It tells
// whether the storm goes on.
func (st *storm) waitShown(ctx context.Context, random *rand.Rand, task string) bool {
	text := "task " + task + " is hung"
	onNode := random.IntN(2) == 0
	for between(ctx, random, 100*time.Millisecond, 200*time.Millisecond) {
		if st.stateHolds(text) && (!onNode || st.watch.Last().Condition(deadlock).Message == text) {
			return between(ctx, random, 300*time.Millisecond, 400*time.Millisecond)
		}
	}
	return false
}

// waitSecond waits for a second after that of a line. The Node has whole seconds: of
// a line and a clear in one, an agent that was killed before it has written either
// down cannot tell which was first, and shows the problem again.
func waitSecond(ctx context.Context, line time.Time) bool {
	const ahead = 500 * time.Millisecond // the stamps of lines may be
	next := line.Add(ahead).Truncate(time.Second).Add(time.Second)
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// clearEpisode clears for the operator until it is answered.
func (st *storm) clearEpisode(ctx context.Context, random *rand.Rand) bool {
	st.change(func(e *episode) { e.clearing = time.Now() })
	for {
		output, err := exec.CommandContext(ctx, binary, "conditions", "clear", deadlock, "--socket", st.settings.Socket).Output()
		if err == nil {
			st.change(func(e *episode) {
				e.cleared, e.answered = time.Now(), !strings.Contains(string(output), "causes cleared: 0")
			})
			return true
		}
		if !between(ctx, random, 10*time.Millisecond, 50*time.Millisecond) {
			return false
		}
	}
}

// reload changes the configuration: a rule that no line matches comes and goes, and
// the exporters are made anew. It is taken on by the change itself, by SIGHUP or by
// the operator.
func (st *storm) reload(ctx context.Context, random *rand.Rand) error {
	rules, kubernetes, otlp := st.settings.Rules, st.settings.Kubernetes, st.settings.OTLP
	for i := 1; between(ctx, random, 100*time.Millisecond, 800*time.Millisecond); i++ {
		st.lives.mu.Lock()
		st.settings.Rules, st.settings.Kubernetes, st.settings.OTLP = rules, kubernetes, otlp
		if random.IntN(2) == 0 {
			st.settings.Rules = strings.Replace(rules, "rules: [", fmt.Sprintf("rules: [{id: other%d, pattern: '^%s other', reason: Other},", i, st.tag), 1)
		}
		if random.IntN(2) == 0 {
			st.settings.Kubernetes = strings.Replace(kubernetes, "heartbeat_period: 1s", "heartbeat_period: 2s", 1)
		}
		if random.IntN(2) == 0 {
			st.settings.OTLP = strings.Replace(otlp, "{", "{probe_interval: 1s, ", 1)
		}
		err := st.settings.Save(st.settings.Config)
		st.lives.mu.Unlock()
		if err != nil {
			return err
		}
		st.ask(ctx, random)
		st.reloads++
	}
	return nil
}

// ask asks the agent, if it has come far enough to know SIGHUP, to read its
// configuration again.
func (st *storm) ask(ctx context.Context, random *rand.Rand) {
	a := st.current()
	connection, err := (&net.Dialer{}).DialContext(ctx, "unix", st.settings.Socket)
	if err != nil || a == nil {
		return
	}
	_ = connection.Close()
	switch random.IntN(3) {
	case 0:
		_ = a.TrySignal(syscall.SIGHUP)
	case 1:
		_ = exec.CommandContext(ctx, binary, "reload", "--socket", st.settings.Socket).Run()
	}
}

// disturb makes the API server fail, cut and hang now and then.
func (st *storm) disturb(ctx context.Context, random *rand.Rand) error {
	faults := []faultproxy.Fault{
		{Cut: faultproxy.CutBefore}, {Cut: faultproxy.CutAfter}, {Cut: faultproxy.CutBody}, {Delay: 300 * time.Millisecond},
		faultproxy.Failing(503), faultproxy.Throttled(),
	}
	for between(ctx, random, 500*time.Millisecond, 3*time.Second) {
		st.proxy.Set(faults[random.IntN(len(faults))])
		between(ctx, random, 100*time.Millisecond, time.Second)
		st.proxy.Set()
	}
	return nil
}
