package integration

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// fileKills is how often the agent is killed.
func fileKills() int {
	if os.Getenv("OTELNPD_SOAK") == "1" {
		return 300
	}
	return 20
}

// A log is written at 50,000 lines a second and rotated by Debian's logrotate, while the
// agent is killed at random instants: every line is told, under its own uid.
func TestFilelog(t *testing.T) {
	for name, directives := range map[string]string{
		"create":       "create 0644\ncompress\ndelaycompress",
		"copytruncate": "copytruncate\ncompress",
		"dateext":      "copytruncate\ncompress\ndelaycompress\ndateext\ndateformat -%Y%m%d-%s",
	} {
		t.Run(name, func(t *testing.T) {
			r := newFileRig(t, directives)
			if name == "dateext" {
				r.pause = 1100 * time.Millisecond // names have whole seconds
			}
			r.storm(t)
			r.requireAll(t, strings.Contains(directives, "copytruncate"))
		})
	}
}

// fileRig is a log, who writes and rotates it, and an agent that lives several times.
type fileRig struct {
	path     string
	settings agent.Settings
	rotate   *servers.Logrotate
	writer   *fileWriter
	agents   []*agent.Agent

	pause     time.Duration // between two rotations, at least
	rotations int
}

const markedReason = "Marked"

func newFileRig(t *testing.T, directives string) *fileRig {
	t.Helper()
	r := &fileRig{pause: 200 * time.Millisecond, path: filepath.Join(t.TempDir(), "app.log"), settings: agent.NewSettings(t).Durable(t)}
	r.settings.Node, r.settings.Packs = "node-1", ""
	r.settings.Filelog = "{include: ['" + r.path + "'], format: syslog}"
	r.settings.Rules = "rules: [{id: marked, pattern: 'MARK \\d+;', reason: " + markedReason + "}]"
	r.rotate = servers.NewLogrotate(t, r.path, directives)
	r.writer = &fileWriter{path: r.path}
	return r
}

func (r *fileRig) live(t *testing.T) *agent.Agent {
	t.Helper()
	a := agent.Start(t, binary, r.settings)
	r.agents = append(r.agents, a)
	return a
}

// storm kills the agent again and again while the log is written and rotated.
func (r *fileRig) storm(t *testing.T) {
	t.Helper()
	seed := stormSeed(t)
	t.Logf("OTELNPD_STORM_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	require.NoError(t, r.writer.open()) // a log that is missing is not ready
	a := r.live(t)
	a.WaitReady(t, a.Ready())
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var errWrite, errRotate error
	running.Go(func() { errWrite = r.writer.run(ctx) })
	running.Go(func() { errRotate = r.rotateAtRandom(ctx, rand.New(rand.NewPCG(seed, 1))) })
	killAtRandom(t, a, fileKills(), func() time.Duration { return time.Duration(random.IntN(800)) * time.Millisecond },
		func() *agent.Agent { return r.live(t) })
	stop()
	running.Wait()
	require.NoError(t, errWrite)
	require.NoError(t, errRotate)
}

func (r *fileRig) rotateAtRandom(ctx context.Context, random *rand.Rand) error {
	for between(ctx, random, r.pause, r.pause+time.Second) {
		if err := r.rotate.Rotate(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		r.rotations++
		r.writer.waitReopened(ctx)
	}
	return nil
}

// requireAll compares what was told with what is in the files, which logrotate keeps.
func (r *fileRig) requireAll(t *testing.T, truncates bool) {
	t.Helper()
	onDisk := markedOnDisk(t, r.path)
	begun := time.Now()
	var told map[int]string
	var missing []int
	complete := func() bool {
		told, missing = r.told(t), nil
		for number := range onDisk {
			if told[number] == "" {
				missing = append(missing, number)
			}
		}
		return len(missing) == 0
	}
	require.Eventually(t, complete, 5*time.Minute, 500*time.Millisecond, "%d lines are in the files and were not told", len(missing))
	written := r.writer.marked()
	t.Logf("%d lines in %s (%.0f a second), %d kills, %d rotations; %d marked, %d of them in the files, %d told, the rest %s after the end",
		r.writer.lines, r.writer.took.Round(time.Millisecond), float64(r.writer.lines)/r.writer.took.Seconds(), fileKills(), r.rotations,
		len(written), len(onDisk), len(told), time.Since(begun).Round(time.Millisecond))
	if truncates { // what is in no file was written between a copy and the truncation after it
		return
	}
	require.Len(t, onDisk, len(written))
	for _, one := range written {
		want := agent.FileProblemUID("node-1", machineID(t), r.path, one.first, 0, one.offset, "marked")
		require.Equal(t, want, told[one.number], "line %d at %d", one.number, one.offset)
	}
}

// told are the marked lines that the agents have told, with their uids: each has one.
func (r *fileRig) told(t *testing.T) map[int]string {
	t.Helper()
	told, numbers := map[int]string{}, map[string]int{}
	for _, a := range r.agents {
		for _, event := range a.Console.Events(t, agent.Problem(markedReason, "MARK ")) {
			_, text, _ := strings.Cut(event.Message, "MARK ")
			number, err := strconv.Atoi(strings.TrimSuffix(text, ";"))
			require.NoError(t, err, event.Message)
			require.Equal(t, number, orElse(numbers[event.UID], number), "two lines were told as %s", event.UID)
			require.Equal(t, event.UID, orElse(told[number], event.UID), "line %d was told as two", number)
			told[number], numbers[event.UID] = event.UID, number
		}
	}
	return told
}

func orElse[T comparable](value, other T) T {
	var zero T
	if value == zero {
		return other
	}
	return value
}

// markedOnDisk are the marked lines in the log and in what logrotate made of it.
func markedOnDisk(t *testing.T, path string) map[int]bool {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	found := map[int]bool{}
	for _, file := range files {
		for line := range strings.Lines(readUnpacked(t, file)) {
			_, text, _ := strings.Cut(line, "MARK ")
			if text, ok := strings.CutSuffix(strings.TrimSuffix(text, "\n"), ";"); ok { // else it is torn by a truncation
				number, err := strconv.Atoi(text)
				require.NoError(t, err, "%s: %q", file, line)
				found[number] = true
			}
		}
	}
	return found
}
