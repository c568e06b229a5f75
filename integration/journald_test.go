package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// journalKills is how often the agent is killed.
func journalKills() int {
	if os.Getenv("OTELNPD_SOAK") == "1" {
		return 200
	}
	return 20
}

// A systemd-journald is written to, rotated and vacuumed, while the agent is killed at
// random instants.
func TestJournald(t *testing.T) {
	s := kubernetesTests{k: servers.StartKubernetes(t)}
	t.Run("what is removed was read", func(t *testing.T) {
		t.Parallel()
		r := s.journalOnNode(t)
		r.storm(t)
		r.settle(t)
		r.requireProof(t)
	})
	t.Run("what is removed may not be read", func(t *testing.T) {
		t.Parallel()
		r := s.journalOnNode(t)
		r.reckless = true
		r.storm(t)
		r.settle(t)
		r.requireGapsTold(t)
	})
}

// journalRig is a journal, who writes, rotates and vacuums it, and an agent that lives
// several times.
type journalRig struct {
	*lives
	journald *servers.Journald
	// reckless removes what the agent may not have read.
	reckless bool

	mu      sync.Mutex // over what follows
	written int        // entries of the watched identifier
	others  int
	found   map[entryPlace]string // those that are or were in the files: what they are of

	rotations, vacuums, removed int
}

// entryPlace is where in the journal an entry is.
type entryPlace struct {
	series   string
	sequence uint64
}

// The writers, with how many entries a second they write. All write the same.
const (
	watched            = "kubelet"
	watchedPerSecond   = 400
	unwatchedPerSecond = 600
)

func (s kubernetesTests) journalOnNode(t *testing.T) *journalRig {
	t.Helper()
	r := &journalRig{journald: servers.StartJournald(t), found: map[entryPlace]string{}}
	r.lives = &lives{rig: s.rigOnNode(t, eventsWithoutBound)}
	r.settings = r.settings.Durable(t)
	r.settings.Journald = "{directories: ['" + r.journald.Directory + "'], identifiers: [" + watched + "]}"
	return r
}

// storm kills the agent again and again while the journal is written, rotated and
// vacuumed.
func (r *journalRig) storm(t *testing.T) {
	t.Helper()
	seed := stormSeed(t)
	t.Logf("OTELNPD_STORM_SEED=%d", seed)
	begun := time.Now()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	parts := []func(*rand.Rand) error{
		func(random *rand.Rand) error { return r.writeAtRate(ctx, random, watched, watchedPerSecond) },
		func(random *rand.Rand) error { return r.writeAtRate(ctx, random, "containerd", unwatchedPerSecond) },
		func(random *rand.Rand) error { return r.writeAtRate(ctx, random, "sshd", unwatchedPerSecond) },
		func(random *rand.Rand) error { return r.rotateAndVacuum(ctx, random) },
	}
	errs := make([]error, len(parts))
	for i, part := range parts {
		running.Go(func() { errs[i] = part(rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	random := rand.New(rand.NewPCG(seed, 99))
	live := func() *agent.Agent { return r.live(t, binary) }
	killAtRandom(t, live(), journalKills(), func() time.Duration { return lifeTime(random) }, live)
	stop()
	running.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	took := time.Since(begun)
	t.Logf("%d kills in %s; %d entries, %.0f a second, %d of them watched; %d rotations, %d vacuums, which removed %d files",
		journalKills(), took.Round(time.Second), r.written+r.others, float64(r.written+r.others)/took.Seconds(), r.written,
		r.rotations, r.vacuums, r.removed)
}

// writeAtRate writes entries of a few series under an identifier until ctx is over.
func (r *journalRig) writeAtRate(ctx context.Context, random *rand.Rand, identifier string, perSecond float64) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	begun := time.Now()
	for written := 0; ctx.Err() == nil; <-ticker.C {
		for ; written < int(time.Since(begun).Seconds()*perSecond); written++ {
			if err := r.send(identifier, fmt.Sprintf("disk sd%c", 'a'+random.IntN(8))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *journalRig) send(identifier, what string) error {
	r.mu.Lock()
	if identifier == watched {
		r.written++
	} else {
		r.others++
	}
	r.mu.Unlock()
	return r.journald.Send("MESSAGE="+r.tag+" problem "+what, "PRIORITY=3", "SYSLOG_IDENTIFIER="+identifier)
}

// rotateAndVacuum rotates again and again and removes what the agent is done with.
func (r *journalRig) rotateAndVacuum(ctx context.Context, random *rand.Rand) error {
	for between(ctx, random, 50*time.Millisecond, 800*time.Millisecond) {
		if err := r.rotate(ctx, random); err != nil {
			return err
		}
	}
	return nil
}

// rotate rotates, and removes half of the time. Who is reckless holds the agent
// meanwhile, so that it falls behind.
func (r *journalRig) rotate(ctx context.Context, random *rand.Rand) error {
	if a := r.current(); r.reckless && a != nil {
		_ = a.TrySignal(unix.SIGSTOP) // or it was killed
		defer func() { _ = a.TrySignal(unix.SIGCONT) }()
		between(ctx, random, 50*time.Millisecond, 200*time.Millisecond)
	}
	if err := r.journald.Rotate(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	r.rotations++
	if random.IntN(2) == 0 {
		return nil
	}
	return r.vacuum(ctx, random)
}

// vacuum removes archived files once the agent's state says that it has read on behind
// them, and will begin there in its next life. Who is reckless waits for a state alone:
// without one an agent cannot know that there was more.
func (r *journalRig) vacuum(ctx context.Context, random *rand.Rand) error {
	if err := r.collect(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	files := r.journald.Archived()
	last, err := r.journald.LastArchived(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	until := last.Sequence
	if r.reckless {
		until = 0
	}
	for r.keptPosition() <= until {
		if !between(ctx, random, 20*time.Millisecond, 40*time.Millisecond) {
			return nil
		}
	}
	how := []string{"--vacuum-files=1", "--vacuum-size=1K"}[random.IntN(2)]
	if err := r.journald.Vacuum(context.WithoutCancel(ctx), how); err != nil {
		return err
	}
	r.vacuums++
	r.removed += len(files) - len(r.journald.Archived())
	return nil
}

var keptCursor = regexp.MustCompile(`"cursor":\s*"s=[0-9a-f]+;i=([0-9a-f]+);`)

// keptPosition is the number of the entry that the agent's state says was read last; 0:
// there is none.
func (r *journalRig) keptPosition() uint64 {
	content, _ := os.ReadFile(filepath.Join(r.settings.StateDir, "state.json"))
	match := keptCursor.FindSubmatch(content)
	if match == nil {
		return 0
	}
	position, _ := strconv.ParseUint(string(match[1]), 16, 64) // it is a number
	return position
}

// collect notes the watched entries that are in the files.
func (r *journalRig) collect(ctx context.Context) error {
	entries, err := r.journald.Entries(ctx, "SYSLOG_IDENTIFIER="+watched)
	if err != nil {
		return err
	}
	for _, e := range entries {
		r.found[entryPlace{e.Series, e.Sequence}] = strings.TrimPrefix(e.Message, r.tag+" problem ")
	}
	return nil
}
