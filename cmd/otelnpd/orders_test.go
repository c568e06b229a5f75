package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Orders to an agent that keeps nothing are carried out, and the operator hears that
// they do not last.
func TestOrdersInMemorySayThatTheyDoNotLast(t *testing.T) {
	a := startAgent(t, func(config string) string {
		return strings.Replace(config, "service:\n", "service:\n  state_dir: none\n", 1)
	})
	a.end(t)
	a.state = "none"
	a.start(t)
	a.write(t, "6,1,1000000,-;Linux version 6.12.0\n"+hungLine)
	eventually(t, "the condition", func() bool { return strings.Contains(a.stdout.String(), `"DockerHung"`) })
	for _, order := range []string{"conditions clear KernelDeadlock", "rules silence kernel/docker-hung --for 1h"} {
		got := otelnpd(t, "", append(strings.Fields(order), "--socket", a.socket)...)
		require.Zero(t, got.code, got.stderr)
		require.NotEmpty(t, got.stdout)
		require.Equal(t, "Note: "+noteMemory+"\n", got.stderr, order)
	}
	got := otelnpd(t, "", "rules", "unsilence", "kernel/docker-hung", "--socket", a.socket)
	require.Equal(t, result{0, "kernel/docker-hung is no longer silenced\n", ""}, got, "a restart does that too")
	a.end(t)
}

func TestWhatIsNotKnownIsSaidOnce(t *testing.T) {
	a := startAgent(t)
	for order, want := range map[string]string{
		"conditions clear KernelDedlock":            `clear KernelDedlock: no such condition; did you mean "KernelDeadlock"?`,
		"rules silence kernel/docker-hang --for 1h": "silence kernel/docker-hang: no such rule; did you mean kernel/docker-hung?",
		"rules unsilence docker-hung":               "unsilence docker-hung: no such rule; did you mean kernel/docker-hung?",
	} {
		got := otelnpd(t, "", append(strings.Fields(order), "--socket", a.socket)...)
		require.Equal(t, result{1, "", "Error: " + want + "\n"}, got)
	}
	a.end(t)
}
