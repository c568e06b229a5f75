package checks

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// tree is a recorded host: files of /proc and /sys, and a clock.
type tree struct {
	dir   string
	clock *pipelinetest.Clock
	kept  pipelinetest.Kept
	boot  string
}

// newTree unpacks recordings, the later ones over the earlier: files in
// testdata/NAME.txt, each under a line "-- path --", or "-- path -> target --" for a
// symbolic link.
func newTree(t testing.TB, names ...string) *tree {
	t.Helper()
	tr := &tree{
		dir: t.TempDir(), boot: pipelinetest.BootID,
		clock: pipelinetest.NewClock(pipeline.Instant{Wall: time.Date(2026, 11, 29, 7, 0, 0, 0, time.UTC), Boot: time.Hour}),
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		require.NoError(t, err)
		_, rest, _ := strings.Cut(string(text), "\n-- ")
		for part := range strings.SplitSeq(rest, "\n-- ") {
			head, content, _ := strings.Cut(part, " --\n")
			head = strings.TrimSuffix(head, " --")
			if path, target, isLink := strings.Cut(head, " -> "); isLink {
				tr.link(t, path, target)
				continue
			}
			tr.write(t, head, content+"\n")
		}
	}
	return tr
}

func (tr *tree) path(path string) string { return filepath.Join(tr.dir, path) }

func (tr *tree) write(t testing.TB, path, content string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(tr.path(path)), 0o755))
	content = strings.ReplaceAll(content, "HOST", tr.dir)
	require.NoError(t, os.WriteFile(tr.path(path), []byte(strings.TrimRight(content, "\n")+"\n"), 0o644))
}

func (tr *tree) link(t testing.TB, path, target string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(tr.path(path)), 0o755))
	require.NoError(t, os.Symlink(target, tr.path(path)))
}

func (tr *tree) remove(t testing.TB, paths ...string) {
	t.Helper()
	for _, path := range paths {
		require.NoError(t, os.RemoveAll(tr.path(path)))
	}
}

// settings are those of a receiver that watches the recorded host.
func (tr *tree) settings(t testing.TB) pipeline.Settings {
	t.Helper()
	settings := pipelinetest.Settings(t, "checks")
	settings.Host = pipeline.Host{Root: tr.dir, Proc: tr.path("proc"), Sys: tr.path("sys"), Run: tr.path("run")}
	settings.Clock, settings.Keeping, settings.Boot.ID = tr.clock, tr.kept.Keeping(), tr.boot
	return settings
}

// all is the configuration with every check on, but for what this machine cannot
// tell without more.
func all() *Config {
	config := DefaultConfig()
	for _, one := range config.entries() {
		one.base.Enabled = one.name != "dns" && one.name != "unexpected_reboot"
	}
	return config
}

// checkOf makes one of the checks, as the receiver does.
func checkOf(t testing.TB, config *Config, settings pipeline.Settings, name string) check.Check {
	t.Helper()
	return checkOn(t, config, newSystem(settings), name)
}

func checkOn(t testing.TB, config *Config, s *system, name string) check.Check {
	t.Helper()
	require.NoError(t, config.Validate())
	for _, one := range config.entries() {
		if one.name == name {
			return one.open(config.Interval, s)
		}
	}
	t.Fatalf("there is no check %s", name)
	return check.Check{}
}

// look runs a check once on the recorded host.
func (tr *tree) look(t testing.TB, config *Config, name string) check.Report {
	t.Helper()
	return checkOn(t, config, tr.system(t), name).Run(t.Context())
}

// told shows a report, a line a finding: rule instance state: message.
func told(report check.Report) (lines []string) {
	for _, one := range report.Findings {
		state := one.State.String()
		if one.Between {
			state = "between"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", strings.TrimPrefix(one.Rule, rulePrefix), cmp.Or(one.Instance, "-"), state, one.Message))
	}
	slices.Sort(lines)
	return lines
}
