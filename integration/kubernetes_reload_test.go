package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// A rule that a reload takes out lets go of its condition, and says so. A condition
// that it takes out leaves the Node, and nothing else does.
func (s kubernetesTests) takenOut(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t, "heartbeat_period: 1s")
	r.settings = r.settings.Durable(t)
	const other, otherReason = "OtherTrouble", "Troubled"
	declared, rules := r.settings.Conditions, r.settings.Rules
	r.settings.Conditions = strings.Replace(declared, "{", "{"+other+": {healthy: {reason: NoTrouble, message: none}}, ", 1)
	r.settings.Rules = strings.Replace(rules, "rules: [", fmt.Sprintf(
		`rules: [{id: trouble, pattern: '^%s trouble', condition: %s, reason: %s},`, r.tag, other, otherReason), 1)
	a := r.start(t)
	r.hang(t, "docker")
	s.log.Write(t, r.tag+" trouble")
	r.waitCondition(t, "True", dockerHung)
	was := r.watch.WaitFor(t, other, 0, servers.Is(other, "True", otherReason)).Condition(other)

	r.settings.Rules = strings.Replace(r.settings.Rules, "{id: hung, ", "{id: healer, ", 1)
	r.settings.Rules = strings.Replace(r.settings.Rules, r.tag+" hung", r.tag+" never", 1)
	r.settings.Rules = strings.Replace(r.settings.Rules, dockerHung, "Never", 1)
	r.reload(t, a, "rules removed: hung")
	now := r.waitCondition(t, "False", "RuleRemoved")
	require.Contains(t, now.Message, "hung")
	require.Len(t, r.waitEvents(t, "RuleRemoved", 1), 1)
	require.Equal(t, "RuleRemoved", a.Conditions(t)[deadlock].Reason)

	r.settings.Conditions = strings.Replace(r.settings.Conditions, declared[1:len(declared)-1], "", 1)
	r.settings.Rules = strings.Replace(r.settings.Rules, "condition: "+deadlock+", ", "", 1)
	r.reload(t, a, "conditions removed: "+deadlock)
	r.watch.WaitFor(t, "the Node without the condition", len(r.watch.Seen(t))-1, func(seen servers.NodeSeen) bool {
		return seen.Condition(deadlock).Type == ""
	})
	r.waitHeartbeats(t, 2)
	require.Equal(t, []string{"", "False", "True", "False", ""}, r.watch.Statuses(t, deadlock))
	require.NotContains(t, a.Conditions(t), deadlock)
	require.Zero(t, strings.Count(a.MetricsText(t), `problem_gauge{reason="Never"`))
	is := r.k.Node(t, r.settings.Node)
	require.Equal(t, "KubeletReady", is.Condition("Ready").Reason)
	require.Equal(t, was.LastTransitionTime, is.Condition(other).LastTransitionTime)
	require.Equal(t, "True", is.Condition(other).Status)
}

// reload lets the agent read the settings as they are now, and waits until it has told
// the difference: by the command, or in its log where it has seen before the command
// that the file has changed.
func (r *rig) reload(t testing.TB, a *agent.Agent, difference string) {
	t.Helper()
	require.NoError(t, r.settings.Save(r.settings.Config))
	result := agent.Run(t, binary, "", "reload", "--socket", r.settings.Socket)
	require.Zero(t, result.ExitCode, "%s%s", result.Stdout, result.Stderr)
	require.Eventually(t, func() bool { return strings.Contains(result.Stdout+a.Log(), difference) }, patience, tick, difference)
}
