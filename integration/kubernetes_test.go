package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// The exporter kubernetes on a real apiserver, whose RBAC lets the agent do what
// system:node-problem-detector may. All run beside each other, each with a Node and
// lines of its own.
func TestKubernetes(t *testing.T) {
	s := kubernetesTests{k: servers.StartKubernetes(t), log: kernellog.Open(t), stopped: servers.StartKubernetes(t)}
	t.Run("idle it sends heartbeats alone", s.idle)
	t.Run("with nothing to tell it writes no state", s.quiet)
	t.Run("ordinary lines are written down now and then", s.ordinaryLines)
	t.Run("problems end as Events and conditions", s.problems)
	t.Run("a line can make several Events", s.severalRules)
	t.Run("hostile texts are harmless", s.hostileTexts)
	t.Run("a long text is cut", s.longText)
	t.Run("a kill keeps a true condition", s.kill)
	t.Run("a condition of an older boot ends", s.olderBoot)
	t.Run("an apiserver that is down loses nothing", s.outage)
	t.Run("a kill in the middle of a patch", s.killInPatch)
	t.Run("faults lose and repeat nothing", s.faults)
	t.Run("a Node made anew is told everything", s.nodeMadeAnew)
	t.Run("another writer is overruled", s.otherWriter)
	t.Run("a rotated token", s.rotatedToken)
	t.Run("a rotated CA", s.rotatedCA)
	t.Run("a deleted Event comes back whole", s.deletedEvent)
	t.Run("a burst is bounded and accounted for", s.burst)
	t.Run("a burst catches up", s.burstCatchesUp)
	t.Run("a busy kubelet beside it", s.kubelet)
	t.Run("an operator's silence", s.silence)
	t.Run("what a reload takes out", s.takenOut)
	t.Run("no such Node", s.noNode)
	t.Run("no credentials", s.noCredentials)
	t.Run("no rights", s.noRights)
	t.Run("uninstall leaves nothing", s.uninstall)
	t.Run("uninstall from all Nodes", s.uninstallEverywhere)
	t.Run("from node-problem-detector and back", s.npdThereAndBack)
	t.Run("node-problem-detector's command line", s.npdCommandLine)
	t.Run("node-problem-detector's flags", s.npdFlags)
	t.Run("node-problem-detector waits for the Node", s.npdWaits)
}

// The two simulated problems of the README, by the kernel pack.
func (s kubernetesTests) problems(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t)
	r.settings.Packs, r.settings.Conditions, r.settings.Rules = "kernel", "", ""
	a := r.start(t)
	before := r.waitCondition(t, "False", noDeadlock)
	require.Equal(t, "kernel has no deadlock", before.Message)
	require.Equal(t, "KubeletReady", r.k.Node(t, r.settings.Node).Condition("Ready").Reason)

	written := time.Now().Truncate(time.Second)
	task := "docker:" + strings.ReplaceAll(r.tag, "x", "")
	oopsLine := "kernel: BUG: unable to handle kernel NULL pointer dereference at " + r.tag
	hungLine := "kernel: INFO: task " + task + " blocked for more than 120 seconds."
	s.log.Write(t, oopsLine)
	s.log.Write(t, hungLine)

	now := r.waitCondition(t, "True", dockerHung)
	require.Equal(t, hungLine, now.Message)
	require.WithinRange(t, now.LastTransitionTime, written, time.Now())
	require.WithinRange(t, now.LastHeartbeatTime, written, time.Now())

	oops := r.waitEvents(t, "KernelOops", 1)
	hung := r.waitEvents(t, "TaskHung", 1)
	turned := r.waitEvents(t, dockerHung, 1)
	requireEvent(t, r, oops, oopsLine, a.Console.WaitFor(t, "oops", agent.Problem("KernelOops", r.tag)).UID)
	requireEvent(t, r, hung, hungLine, a.Console.WaitFor(t, "hung", agent.Problem("TaskHung", task)).UID)
	requireEvent(t, r, turned, fmt.Sprintf("Node condition KernelDeadlock is now: True, reason: DockerHung, message: %q", hungLine),
		a.Console.WaitFor(t, deadlock, agent.Turned(deadlock, "True", dockerHung)).UID)
	// The Event has the line's time. The kernel's clock may be up to a second ahead
	// of the wall clock, which no condition's time is.
	require.WithinRange(t, turned[0].FirstTimestamp, now.LastTransitionTime, now.LastTransitionTime.Add(time.Second))
	for _, c := range r.watch.Seen(t) {
		require.Equal(t, "KubeletReady", c.Condition("Ready").Reason)
	}
}

// requireEvent requires one Warning of the agent, with all fields.
func requireEvent(t *testing.T, r *rig, events []servers.Event, message, uid string) {
	t.Helper()
	require.Len(t, events, 1)
	e := events[0]
	require.Equal(t, message, e.Message)
	require.Equal(t, "Warning", e.Type)
	require.Equal(t, 1, e.Count)
	require.Regexp(t, `^[0-9a-f]{32}$`, uid)
	require.Equal(t, r.settings.Node+"."+uid, e.Metadata.Name)
	require.Equal(t, "default", e.Metadata.Namespace)
	require.Equal(t, "otelnpd", e.Source.Component)
	require.Equal(t, r.settings.Node, e.Source.Host)
	require.Equal(t, "otelnpd", e.ReportingComponent)
	require.Equal(t, r.settings.Node, e.ReportingInstance)
	require.Equal(t, []string{"v1", "Node", r.settings.Node, "", r.k.Node(t, r.settings.Node).UID}, []string{
		e.InvolvedObject.APIVersion, e.InvolvedObject.Kind, e.InvolvedObject.Name, e.InvolvedObject.Namespace, e.InvolvedObject.UID})
	require.Equal(t, e.FirstTimestamp, e.LastTimestamp)
	require.WithinDuration(t, time.Now(), e.FirstTimestamp, time.Minute)
	require.Zero(t, e.EventTime)
}

func (s kubernetesTests) severalRules(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t)
	r.settings.Rules = strings.Replace(r.settings.Rules, "rules: [", fmt.Sprintf(
		`rules: [{id: first, pattern: '%s both', reason: First, severity: info}, {id: second, pattern: '%[1]s both', reason: Second},
		{id: third, pattern: '%[1]s both', condition: %s, reason: %s},`, r.tag, deadlock, dockerHung), 1)
	r.start(t)
	s.log.Write(t, r.tag+" both")
	require.Equal(t, []string{"Normal", r.tag + " both"}, typeAndMessage(r.waitEvents(t, "First", 1)))
	require.Equal(t, []string{"Warning", r.tag + " both"}, typeAndMessage(r.waitEvents(t, "Second", 1)))
	r.waitCondition(t, "True", dockerHung)
	require.Equal(t, []string{"Warning", `Node condition KernelDeadlock is now: True, reason: DockerHung, message: "` + r.tag + ` both"`},
		typeAndMessage(r.waitEvents(t, dockerHung, 1)))
}

func typeAndMessage(events []servers.Event) []string {
	return []string{events[0].Type, events[0].Message}
}

// Texts that would do harm to a terminal or to a formatter, through the kernel.
func (s kubernetesTests) hostileTexts(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t)
	r.start(t)
	for _, text := range []string{
		"100% of %s %d %!v(MISSING) %%", "ansi \x1b[31mred\x1b[0m \x1b]0;title\a", "bytes \xff\xfe\x80 end",
		"bidi \u202eevil\u202c", `back\slash \x41 "quoted" {brace}`, "ümläut 漢字 🙂",
	} {
		r.problem(t, text)
	}
	r.requireProblems(t, "100% of %s %d %!v(MISSING) %%", "ansi [31mred[0m ]0;title", "bytes \uFFFD\uFFFD\uFFFD end",
		"bidi evil", `back\slash \x41 "quoted" {brace}`, "ümläut 漢字 🙂")

	r.hang(t, "red\x1b[31m\xff%s")
	shown := r.waitCondition(t, "True", dockerHung).Message
	require.True(t, utf8.ValidString(shown), "%q", shown)
	require.NotContains(t, shown, "\x1b")
	require.Contains(t, shown, "[31m")
	require.True(t, strings.HasPrefix(shown, "task red") && strings.HasSuffix(shown, "%s is hung"), "%q", shown)
	require.NotContains(t, r.waitEvents(t, dockerHung, 1)[0].Message, "\x1b")
}

// Ten lines of 1,000 bytes, as long as the kernel takes, in one message.
func (s kubernetesTests) longText(t *testing.T) {
	t.Parallel()
	r := s.rigOnNode(t)
	// The windows have room for what other tests write between two of the lines.
	pattern := `(?s)` + r.tag + ` first.*` + r.tag + ` last[^\n]*`
	r.settings.Rules = fmt.Sprintf(`rules: [
		{id: long, pattern: '%[1]s', reason: LongStory, window: {lines: 300}},
		{id: lasting, pattern: '%[1]s', reason: LongStory, window: {lines: 300}, condition: %[2]s}]`, pattern, deadlock)
	a := r.start(t)
	require.NoError(t, s.log.WriteMany(10, func(buffer []byte, i int) []byte {
		word := map[int]string{0: " first ", 9: " last "}[i]
		return append(append(append(buffer, r.tag...), word...), strings.Repeat("ü", 450)...)
	}))
	shown := r.waitCondition(t, "True", "LongStory").Message
	a.Console.WaitFor(t, "the story", agent.Problem("LongStory", r.tag))
	events := r.waitEvents(t, "LongStory", 2)
	require.Len(t, events, 2)
	require.True(t, strings.HasPrefix(shown, r.tag+" first ü"), "%q", shown)
	require.True(t, utf8.ValidString(shown), "%q", shown)
	require.InDelta(t, 4096, len(shown), 3)
	for _, e := range events {
		require.Contains(t, e.Message, r.tag+" first ü")
		require.True(t, utf8.ValidString(e.Message) && strings.HasSuffix(e.Message, "…"), "%q", e.Message)
		require.InDelta(t, 1024, len(e.Message), 3)
	}
}
