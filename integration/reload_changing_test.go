package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// changing is an agent whose configuration changes again and again, in all ways: what
// changes, who asks, and how the file is written.
type changing struct {
	*agent.Agent

	steps             int
	changes, refusals int // that there should be
}

// next makes one reload, and returns when it is over. Each tenth is refused.
func (c *changing) next(t *testing.T) {
	t.Helper()
	c.steps++
	switch c.steps % 10 {
	case 0:
		c.refused(t)
	case 5:
		c.change()
		c.writeSlowly(t, c.YAML())
		c.waitChange(t)
	default:
		c.change()
		require.NoError(t, c.Save(c.Config))
		c.ask(t, 0)
		c.waitChange(t)
	}
}

// change changes a rule, the exporters console and status or the receiver, in turn.
func (c *changing) change() {
	switch c.steps % 4 {
	case 0:
		const more = "rules: [{id: other, pattern: 'other pattern', reason: Other},"
		if rules, has := strings.CutPrefix(c.Rules, more); has {
			c.Rules = "rules: [" + rules
		} else {
			c.Rules = more + strings.TrimPrefix(c.Rules, "rules: [")
		}
	case 1:
		toggle(&c.ConsoleKeys, ", color: never")
	case 2:
		toggle(&c.KmsgKeys, ", min_severity: debug")
	case 3:
		toggle(&c.StatusKeys, ", pprof: true")
	}
}

func toggle(keys *string, more string) {
	if *keys == more {
		more = ""
	}
	*keys = more
}

// writeSlowly writes the file in place, one half after the other, and lets the agent
// find out.
func (c *changing) writeSlowly(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(c.Config, []byte(text[:len(text)/2]), 0o600))
	require.NoError(t, os.WriteFile(c.Config, []byte(text), 0o600))
}

// refused makes a reload that fails: half a file, or one with an error.
func (c *changing) refused(t *testing.T) {
	t.Helper()
	was := c.YAML()
	bad := was[:len(was)/2]
	if c.steps%20 == 0 {
		bad = strings.Replace(was, "rules: [", "rules: [{id: bad, pattern: '(', reason: Bad},", 1)
	}
	require.NoError(t, os.WriteFile(c.Config, []byte(bad), 0o600))
	before := c.reloads(t, "failure")
	c.refusals++
	c.ask(t, 1)
	require.Eventually(t, func() bool { return c.reloads(t, "failure") > before }, patience, tick, "step %d", c.steps)
	require.Equal(t, c.changes, c.reloads(t, "success"))
	require.Zero(t, c.Sum(t, "otelnpd_config_last_reload_successful", nil))
}

// ask asks the agent, by a signal or as an operator, to read its configuration.
func (c *changing) ask(t *testing.T, wantExit int) {
	t.Helper()
	if c.steps%2 == 0 && c.steps%20 != 0 {
		c.Signal(t, syscall.SIGHUP)
		return
	}
	result := agent.Run(t, binary, "", "reload", "--socket", c.Socket)
	require.Equal(t, wantExit, result.ExitCode, "%s%s", result.Stdout, result.Stderr)
}

// waitChange waits until the change has been taken on.
func (c *changing) waitChange(t *testing.T) {
	t.Helper()
	c.changes++
	require.Eventually(t, func() bool { return c.reloads(t, "success") >= c.changes }, patience, tick, "step %d", c.steps)
}

func (c *changing) reloads(t *testing.T, outcome string) int {
	t.Helper()
	return int(c.Sum(t, "otelnpd_config_reloads_total", map[string]string{"outcome": outcome}))
}

// requireReloads requires that each change was taken on once, and that what was refused
// has left nothing behind. A file that stands as it is for a second may be read, and
// refused, once more.
func (c *changing) requireReloads(t *testing.T) {
	t.Helper()
	require.Equal(t, c.changes, c.reloads(t, "success"))
	require.GreaterOrEqual(t, c.reloads(t, "failure"), c.refusals)
	require.NotContains(t, c.MetricsText(t), `rule="bad"`)
}
