package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// silencing is an agent on a Node, of whose rules some are silenced: hung and problem,
// but never mark, whose lines tell how far it has come.
type silencing struct {
	*rig
	*agent.Agent

	marks int
}

// What an operator silences makes no Event and sets no condition, over a kill too,
// until he or the time ends that. It lets go of nothing that is held.
func (s kubernetesTests) silence(t *testing.T) {
	t.Parallel()
	q := &silencing{rig: s.rigOnNode(t, "heartbeat_period: 1s")}
	q.rig.settings = q.rig.settings.Durable(t)
	q.rig.settings.Rules = strings.Replace(q.rig.settings.Rules, "rules: [",
		fmt.Sprintf("rules: [{id: mark, pattern: '^%s mark (?P<n>.+)$', reason: Mark, message: 'mark {n}'},", q.tag), 1)
	q.Agent = q.rig.start(t)
	q.waitCondition(t, "False", noDeadlock)

	q.silence(t, "hung", time.Hour)
	q.silence(t, "problem", time.Hour)
	q.hang(t, "silenced")
	q.problem(t, "silenced")
	q.requireSilence(t)
	before := q.silences(t)

	q.command(t, "rules", "unsilence", "mark", "--socket", q.Socket) // answered once all is on disk
	q.Kill(t)
	q.hang(t, "while-it-is-dead")
	q.problem(t, "while it is dead")
	q.Agent = q.rig.start(t)
	q.requireSilence(t)
	for rule, until := range q.silences(t) {
		require.WithinDuration(t, before[rule], until, 2*time.Second, "the end of the silence of %s has moved", rule)
	}

	q.unsilence(t, "hung")
	q.unsilence(t, "problem")
	q.requireNoSilence(t)
	q.hang(t, "heard")
	q.problem(t, "heard")
	require.Equal(t, "task heard is hung", q.waitCondition(t, "True", dockerHung).Message)
	q.requireProblems(t, "heard")
	require.Len(t, q.waitEvents(t, dockerHung, 1), 1)

	result := agent.Run(t, binary, "", "rules", "silence", "--condition", deadlock, "--for", "1h", "--socket", q.Socket)
	require.Regexp(t, `^hung is silenced until 20\d\d-`, result.Stdout, result.Stderr)
	q.waitHeartbeats(t, 2) // it holds on to what is
	require.Equal(t, "True", q.k.Node(t, q.Node).Condition(deadlock).Status)
	result = agent.Run(t, binary, "", "rules", "unsilence", "--all", "--socket", q.Socket)
	require.Equal(t, agent.Result{Stdout: "hung is no longer silenced\n"}, result)
	q.expires(t)
	require.Equal(t, []string{"", "False", "True"}, q.watch.Statuses(t, deadlock))
}

// silence silences a rule by the command.
func (q *silencing) silence(t *testing.T, rule string, lasting time.Duration) {
	t.Helper()
	result := agent.Run(t, binary, "", "rules", "silence", rule, "--for", lasting.String(), "--socket", q.Socket)
	require.Zero(t, result.ExitCode, result.Stderr)
	require.Empty(t, result.Stderr, "it is on disk")
	require.Regexp(t, `^`+rule+` is silenced until 20\d\d-`, result.Stdout)
}

func (q *silencing) unsilence(t *testing.T, rule string) {
	t.Helper()
	result := agent.Run(t, binary, "", "rules", "unsilence", rule, "--socket", q.Socket)
	require.Equal(t, agent.Result{Stdout: rule + " is no longer silenced\n"}, result)
}

// mark writes a line of a rule that is heard, and waits until it is told: all before
// it has been judged.
func (q *silencing) mark(t *testing.T) {
	t.Helper()
	q.marks++
	text := fmt.Sprint("mark ", q.marks)
	q.log.Write(t, q.tag+" "+text)
	q.Console.WaitFor(t, text, func(e agent.Event) bool { return e.Message == text })
	require.Eventually(t, func() bool {
		for _, e := range q.events(t, "Mark") {
			if e.Message == text {
				return true
			}
		}
		return false
	}, patience, tick)
}

// requireSilence requires that the agent says of both rules that they are silenced, and
// nobody anything else.
func (q *silencing) requireSilence(t *testing.T) {
	t.Helper()
	q.mark(t)
	q.waitHeartbeats(t, 2)
	require.Equal(t, []string{"", "False"}, q.watch.Statuses(t, deadlock))
	require.Empty(t, q.events(t, "Problem"))
	require.Empty(t, q.events(t, dockerHung))
	require.Empty(t, q.Console.Events(t, agent.Problem("Problem", "")))
	require.Empty(t, q.Console.Events(t, agent.Turned(deadlock, "True", dockerHung)))
	require.Equal(t, "False", q.Conditions(t)[deadlock].Status)
	_, page := agent.Get(t, "http://"+q.Status+"/healthz?verbose")
	for _, rule := range []string{"hung", "problem"} {
		of := map[string]string{"rule": rule}
		require.Contains(t, page, "\nrule "+rule+" is silenced until ")
		require.InDelta(t, 1, q.Sum(t, "otelnpd_rules_silenced", of), 0)
		require.InDelta(t, 1, q.Sum(t, "otelnpd_rules_silenced_problems_total", of), 0, "each life has one")
		require.InDelta(t, 1, q.Sum(t, "otelnpd_rules_matches_total", of), 0, "each life has one")
	}
	require.Zero(t, q.Sum(t, "problem_counter", map[string]string{"reason": "Problem"}))
	require.Zero(t, q.Sum(t, "problem_counter", map[string]string{"reason": dockerHung}))
	require.Len(t, q.silences(t), 2)
}

func (q *silencing) requireNoSilence(t *testing.T) {
	t.Helper()
	require.Empty(t, q.silences(t))
	_, page := agent.Get(t, "http://"+q.Status+"/healthz?verbose")
	require.NotContains(t, page, "silenced")
	require.Zero(t, q.Sum(t, "otelnpd_rules_silenced", nil))
}

// silences are the ends of the silences, as `rules list` tells them.
func (q *silencing) silences(t *testing.T) map[string]time.Time {
	t.Helper()
	result := agent.Run(t, binary, "", "rules", "list", "--output", "json", "--socket", q.Socket)
	require.Zero(t, result.ExitCode, result.Stderr)
	var rules []struct {
		ID            string
		SilencedUntil time.Time `json:"silenced_until"`
	}
	require.NoError(t, json.Unmarshal([]byte(result.Stdout), &rules))
	require.GreaterOrEqual(t, len(rules), 3)
	until := map[string]time.Time{}
	for _, rule := range rules {
		if !rule.SilencedUntil.IsZero() {
			until[rule.ID] = rule.SilencedUntil
		}
	}
	return until
}

// expires lets a silence come to its end by itself. On a machine so busy that the line
// may have been written after that, a longer one is tried.
func (q *silencing) expires(t *testing.T) {
	t.Helper()
	heard := []string{"heard"}
	for lasting := 2 * time.Second; ; lasting *= 2 {
		begun := time.Now()
		q.silence(t, "problem", lasting)
		text := fmt.Sprint("within ", lasting)
		q.problem(t, text)
		if time.Since(begun) < lasting-time.Second { // the kernel's clock may be ahead
			break
		}
		require.Less(t, lasting, time.Minute)
		q.mark(t) // whether it is told is not known
		if len(q.Console.Events(t, agent.Problem("Problem", text))) > 0 {
			heard = append(heard, text)
		}
	}
	require.Eventually(t, func() bool { return q.Sum(t, "otelnpd_rules_silenced", nil) == 0 }, 2*time.Minute, tick)
	q.requireNoSilence(t)
	q.problem(t, "after its end")
	q.requireProblems(t, append(heard, "after its end")...)
}
