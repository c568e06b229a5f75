package integration

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/manual"
)

// The two commands of the README, in a fresh clone: what `make run` builds prints the
// problems that the page simulates, in the page's words, until Ctrl-C. OTELNPD_SOAK=1 does
// it without anything in Go's caches, and runs `make test` too, which takes minutes.
func TestReadme(t *testing.T) {
	requireRoot(t)
	d := newDocumentation(t)
	page, err := os.ReadFile(filepath.Join(d.root, "README.md"))
	require.NoError(t, err)
	require.Regexp(t, `(?m)^\$ make run\b`, string(page))
	require.Regexp(t, `(?m)^\$ make test\b`, string(page))
	soak := os.Getenv("OTELNPD_SOAK") != ""
	var shell *manual.Shell
	if soak {
		shell = d.emptyCaches(t)
	} else {
		shell = d.clone(t)
	}
	kernellog.Open(t).Overwrite(t)
	doReadme(t, shell, 10*time.Minute, append([]manual.Step{
		{Command: "set -m; make run & set +m"}, // a group of its own, as at a terminal
		{Command: "until curl -sf http://127.0.0.1:20256/healthz; do sleep 0.2; done"},
	}, simulated(t, string(page)))...)
	doReadme(t, shell, time.Minute,
		manual.Step{Command: "kill -INT -- -$!; wait $! || true", Output: []manual.Expected{{Text: "…shutting down…"}}},
		manual.Step{Command: "! curl -s http://127.0.0.1:20256/healthz"},
	)
	if soak {
		doReadme(t, shell, time.Hour, manual.Step{Command: "make test"})
	}
}

func doReadme(t *testing.T, shell *manual.Shell, within time.Duration, steps ...manual.Step) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), within)
	defer stop()
	if err := shell.Do(ctx, &manual.Page{Name: "README.md", Steps: steps}); err != nil {
		t.Fatal(err)
	}
}

var (
	simulation = regexp.MustCompile(`^# (echo .* > /dev/kmsg)`)
	shown      = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\S+( (?:ERROR|WARN|INFO) .*)`)
)

// simulated is the page's simulation of problems, in one step with all that the console
// is to show of it.
func simulated(t *testing.T, page string) manual.Step {
	t.Helper()
	var step manual.Step
	var commands []string
	for i, line := range strings.Split(page, "\n") {
		if found := simulation.FindStringSubmatch(line); found != nil {
			step.Line = i + 1
			commands = append(commands, found[1])
		}
		if found := shown.FindStringSubmatch(line); found != nil {
			step.Output = append(step.Output, manual.Expected{Line: i + 1, Text: "…" + found[1]})
		}
	}
	require.NotEmpty(t, commands, "the page simulates no problem by `# echo … > /dev/kmsg`")
	require.NotEmpty(t, step.Output, "the page does not show what the console prints")
	step.Command = strings.Join(commands, "\n")
	return step
}
