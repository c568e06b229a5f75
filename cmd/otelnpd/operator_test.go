package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/operator"
)

// served is what stands behind the socket: an agent that does as it is told.
type served struct {
	socket   string
	mu       sync.Mutex
	rules    []operator.Rule // what is changed by orders, mu guards
	reloaded operator.Reloaded
	refused  error
	note     string
	slow     time.Duration // how long an order takes
}

var silencedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// serve lets commands speak with an operator socket.
func serve(t *testing.T) *served {
	t.Helper()
	s := &served{socket: filepath.Join(t.TempDir(), "otelnpd.sock"), rules: []operator.Rule{
		{ID: "kernel/docker-hung", Condition: "KernelDeadlock", Reason: "DockerHung", Mode: "enforce", SilencedSince: silencedAt, SilencedUntil: silencedAt.Add(time.Hour)},
		{ID: "kernel/ext4-error", Reason: "Ext4Error", Mode: "observe"},
	}}
	server, err := operator.Listen(operator.ServerConfig{
		Path: s.socket, Rules: func() []operator.Rule { return s.rules }, Silence: s.silence, Unsilence: s.unsilence,
		Views: func() []pipeline.ConditionView {
			return []pipeline.ConditionView{{Condition: pipeline.Condition{Type: "KernelDeadlock", Reason: "DockerHung"}}}
		},
		Clear: func(_ context.Context, conditionType, _ string) (operator.Cleared, error) {
			return operator.Cleared{Condition: pipeline.Condition{Type: conditionType, Status: pipeline.ConditionFalse}, Causes: 2, Note: s.note}, nil
		},
		Reload: func(context.Context, string) (operator.Reloaded, error) { return s.reloaded, s.refused },
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Shutdown(context.Background())) })
	return s
}

func (s *served) find(id string) (*operator.Rule, error) {
	for i := range s.rules {
		if s.rules[i].ID == id {
			return &s.rules[i], nil
		}
	}
	return nil, fmt.Errorf("%w: %s", operator.ErrUnknownRule, id)
}

// silenced are the ids of rules that are silenced.
func (s *served) silenced() (ids []string) {
	for _, rule := range s.rules {
		if !rule.SilencedUntil.IsZero() {
			ids = append(ids, rule.ID)
		}
	}
	return ids
}

func (s *served) silence(_ context.Context, id string, silence time.Duration, _ string) (operator.Silenced, error) {
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	rule, err := s.find(id)
	if err != nil {
		return operator.Silenced{}, err
	}
	rule.SilencedSince, rule.SilencedUntil = silencedAt, silencedAt.Add(silence)
	return operator.Silenced{Rule: id, Until: rule.SilencedUntil, Note: s.note}, nil
}

func (s *served) unsilence(_ context.Context, id, _ string) (operator.Unsilenced, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rule, err := s.find(id)
	if err != nil {
		return operator.Unsilenced{}, err
	}
	was := !rule.SilencedUntil.IsZero()
	rule.SilencedSince, rule.SilencedUntil = time.Time{}, time.Time{}
	return operator.Unsilenced{Rule: id, Silenced: was, Note: s.note}, nil
}

func TestRulesList(t *testing.T) {
	s := serve(t)
	got := otelnpd(t, "", "rules", "list", "--socket", s.socket)
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, ""+
		"ID                  CONDITION       REASON      MODE     SILENCED UNTIL\n"+
		"kernel/docker-hung  KernelDeadlock  DockerHung  enforce  2026-01-02T04:04:05Z\n"+
		"kernel/ext4-error   -               Ext4Error   observe  -\n", got.stdout)

	got = otelnpd(t, "", "rules", "list", "--output", "json", "--socket", s.socket)
	require.JSONEq(t, `[
		{"id": "kernel/docker-hung", "condition": "KernelDeadlock", "reason": "DockerHung", "mode": "enforce",
			"silenced_since": "2026-01-02T03:04:05Z", "silenced_until": "2026-01-02T04:04:05Z"},
		{"id": "kernel/ext4-error", "reason": "Ext4Error", "mode": "observe"}]`, got.stdout)

	s.rules = []operator.Rule{{ID: "a\x1b[2J", Reason: "b\nc"}}
	require.Contains(t, otelnpd(t, "", "rules", "list", "--socket", s.socket).stdout, `a\x1b[2J`)
	s.rules = nil
	require.Equal(t, "[]\n", otelnpd(t, "", "rules", "list", "--output", "json", "--socket", s.socket).stdout)
}

func TestRulesSilence(t *testing.T) {
	s := serve(t)
	got := otelnpd(t, "", "rules", "silence", "kernel/ext4-error", "--for", "2h", "--socket", s.socket)
	require.Equal(t, result{0, "kernel/ext4-error is silenced until 2026-01-02T05:04:05Z\n", ""}, got)
	got = otelnpd(t, "", "rules", "unsilence", "kernel/ext4-error", "--socket", s.socket)
	require.Equal(t, result{0, "kernel/ext4-error is no longer silenced\n", ""}, got)
	s.note = "the state could not be written: disk full\x1b[2J"
	got = otelnpd(t, "", "rules", "unsilence", "kernel/ext4-error", "--socket", s.socket)
	require.Equal(t, result{0, "kernel/ext4-error was not silenced\n", `Note: the state could not be written: disk full\x1b[2J` + "\n"}, got)
	got = otelnpd(t, "", "rules", "silence", "kernel/ext4-error", "--for", "30m", "--socket", s.socket)
	require.Equal(t, `Note: the state could not be written: disk full\x1b[2J`+"\n", got.stderr)
}

func TestRulesSilenceMany(t *testing.T) {
	s := serve(t)
	s.rules = []operator.Rule{{ID: "kernel/a", Condition: "A"}, {ID: "kernel/b", Condition: "B"}, {ID: "disk/a", Condition: "A"}, {ID: "disk/c"}}
	rules := func(args ...string) result {
		return otelnpd(t, "", append(append([]string{"rules"}, args...), "--socket", s.socket)...)
	}

	const until = " is silenced until 2026-01-02T05:04:05Z\n"
	require.Equal(t, result{0, "disk/a" + until + "kernel/a" + until, ""}, rules("silence", "--condition", "A", "--for", "2h"))
	require.Equal(t, []string{"kernel/a", "disk/a"}, s.silenced())
	require.Equal(t, result{0, "disk/c" + until + "kernel/a" + until + "kernel/b" + until, ""}, rules("silence", "kernel/*", "disk/c", "kernel/a", "--for", "2h"))
	require.Equal(t, result{0, "kernel/b is no longer silenced\n", ""}, rules("unsilence", "--condition", "B"))
	require.Equal(t, result{0, "no such rule is silenced\n", ""}, rules("unsilence", "--condition", "B"))
	require.Equal(t, result{0, "kernel/a is no longer silenced\n", ""}, rules("unsilence", "kernel/*"))
	require.Equal(t, 3, strings.Count(rules("list", "--silenced").stdout, "\n"), "a head, disk/a and disk/c")

	s.note = "the state could not be written"
	require.Equal(t, result{0, "disk/a is no longer silenced\ndisk/c is no longer silenced\n", "Note: the state could not be written\n"},
		rules("unsilence", "--all"))
	require.Equal(t, "[]\n", rules("list", "--silenced", "--output", "json").stdout)
}

// manyRules are rules of the condition Many, of which the first ones are silenced.
func manyRules(rules, silenced int) (many []operator.Rule) {
	for i := range rules {
		rule := operator.Rule{ID: fmt.Sprintf("many/%04d", i), Condition: "Many"}
		if i < silenced {
			rule.SilencedSince, rule.SilencedUntil = silencedAt, silencedAt.Add(time.Hour)
		}
		many = append(many, rule)
	}
	return many
}

// --timeout is for each answer: a disk that is slow serves as many as are asked for.
func TestRulesSilenceMoreThanAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const rules = 5*64 + 1 // of which 64 are asked for at once: six times a second are more than --timeout
	s.rules, s.slow = manyRules(rules, 0), time.Second
	got := otelnpd(t, "", "rules", "silence", "--condition", "Many", "--for", "1h", "--timeout", "5s", "--socket", s.socket)
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, rules, strings.Count(got.stdout, "is silenced until"))
	require.Len(t, s.silenced(), rules)
}

// More than can be silenced is refused before any is.
func TestRulesSilenceTooMany(t *testing.T) {
	s := serve(t)
	s.rules = manyRules(1030, 6)
	got := otelnpd(t, "", "rules", "silence", "many/*", "--for", "2h", "--socket", s.socket)
	require.Equal(t, result{1, "", "Error: 1030 rules would be silenced, and no more than 1024 can be: silence fewer, or list them under processors.rules.disable\n"}, got)
	require.Len(t, s.silenced(), 6)
	got = otelnpd(t, "", "rules", "silence", "many/000*", "many/1*", "--for", "2h", "--socket", s.socket)
	require.Zero(t, got.code, got.stderr)
	require.Len(t, s.silenced(), 40)
}

// An agent that hangs is not asked about every rule.
func TestRulesSilenceEndsWithAnAgentThatHangs(t *testing.T) {
	socket := takesAndNeverAnswers(t)
	var ids []string
	for _, rule := range manyRules(200, 0) {
		ids = append(ids, rule.ID)
	}
	got := otelnpd(t, "", append([]string{"rules", "unsilence", "--timeout", "200ms", "--socket", socket}, ids...)...)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "unsilence many/0000: ")
	told := regexp.MustCompile(`\n(\d+) more rules were not asked for\n$`).FindStringSubmatch(got.stderr)
	require.NotNil(t, told, got.stderr)
	left, err := strconv.Atoi(told[1])
	require.NoError(t, err)
	require.GreaterOrEqual(t, left, 200-64, "no more are asked for than at once; on a busy machine the first is too late for some of those")
}

// What is in order is done, whatever is wrong with the rest.
func TestRulesSilenceSome(t *testing.T) {
	s := serve(t)
	got := otelnpd(t, "", "rules", "silence", "kernel/none", "kernel/ext4-error", "--for", "2h", "--socket", s.socket)
	require.Equal(t, 1, got.code)
	require.Equal(t, "kernel/ext4-error is silenced until 2026-01-02T05:04:05Z\n", got.stdout)
	require.Contains(t, got.stderr, "silence kernel/none: ")
}

func TestRulesSilenceRefused(t *testing.T) {
	s := serve(t)
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"no such rule: ext4-error; did you mean kernel/ext4-error?", []string{"silence", "ext4-error", "--for", "2h"}},
		{"no such rule: ext4-error; did you mean kernel/ext4-error?", []string{"unsilence", "ext4-error"}},
		{`required flag(s) "for" not set`, []string{"silence", "kernel/ext4-error"}},
		{`"soon" is no duration: write one such as 2h or 30m`, []string{"silence", "kernel/ext4-error", "--for", "soon"}},
		{"1000h0m0s is out of range: write 1s to 744h", []string{"silence", "kernel/ext4-error", "--for", "1000h"}},
		{"write rules' IDs or --condition TYPE; otelnpd rules list shows them", []string{"silence", "--for", "2h"}},
		{"write rules' IDs or --condition TYPE", []string{"unsilence"}},
		{`"kernel/[" is no glob: syntax error in pattern`, []string{"unsilence", "kernel/["}},
		{`"ext4*" names no rule; otelnpd rules list shows all`, []string{"silence", "ext4*", "--for", "2h"}},
		{`no rule acts on a condition KernelDedlock; did you mean "KernelDeadlock"?`, []string{"silence", "--condition", "KernelDedlock", "--for", "2h"}},
	} {
		got := otelnpd(t, "", append(append([]string{"rules"}, tt.args...), "--socket", s.socket)...)
		require.Equal(t, 1, got.code, tt.args)
		require.Contains(t, got.stderr, tt.want)
		require.Empty(t, got.stdout)
	}
}

func TestRulesAreCompleted(t *testing.T) {
	s := serve(t)
	complete := func(args ...string) string {
		return otelnpd(t, "", append([]string{"__complete", "rules"}, args...)...).stdout
	}
	require.Equal(t, "kernel/docker-hung\tDockerHung\nkernel/ext4-error\tExt4Error\n:4\n", complete("silence", "--for", "1h", "--socket", s.socket, ""))
	require.Equal(t, "kernel/docker-hung\tDockerHung\n:4\n", complete("unsilence", "--socket", s.socket, ""))
	require.Equal(t, "kernel/ext4-error\tExt4Error\n:4\n", complete("silence", "--for", "1h", "--socket", s.socket, "kernel/docker-hung", ""))
	require.Equal(t, ":4\n", complete("unsilence", "--socket", s.socket, "kernel/docker-hung", ""))
	require.Equal(t, "KernelDeadlock\tDockerHung\n:4\n", complete("silence", "--for", "1h", "--socket", s.socket, "--condition", ""))
	require.Equal(t, ":4\n", complete("silence", "--for", "1h", "--socket", s.socket+".none", ""))
	require.Equal(t, "30m\n2h\n24h\n:4\n", complete("silence", "a", "--for", ""))
}

func TestConditionsAreCompleted(t *testing.T) {
	s := serve(t)
	complete := func(args ...string) string {
		return otelnpd(t, "", append([]string{"__complete", "conditions", "clear"}, args...)...).stdout
	}
	require.Equal(t, "KernelDeadlock\tDockerHung\n:4\n", complete("--socket", s.socket, ""))
	require.Equal(t, ":4\n", complete("--socket", s.socket, "KernelDeadlock", ""))
	require.Equal(t, ":4\n", complete("--socket", s.socket+".none", ""))
}

// A shell does not hang with an agent that does.
func TestCompletionDoesNotWaitLong(t *testing.T) {
	socket := takesAndNeverAnswers(t)
	begun := time.Now()
	for _, args := range [][]string{{"rules", "silence", "--for", "1h"}, {"rules", "unsilence"}, {"conditions", "clear"}} {
		got := otelnpd(t, "", append(append([]string{"__complete"}, args...), "--socket", socket, "")...)
		require.Equal(t, ":4\n", got.stdout, args)
	}
	require.Less(t, time.Since(begun), 3*answerTimeout, "it waits for less than a command does")
}

func TestConditionsClearTellsTheNote(t *testing.T) {
	s := serve(t)
	s.note = "the state could not be written"
	got := otelnpd(t, "", "conditions", "clear", "KernelDeadlock", "--socket", s.socket)
	require.Equal(t, result{0, "KernelDeadlock is False; causes cleared: 2\n", "Note: the state could not be written\n"}, got)
}

func TestReloadTellsWhatIsDifferent(t *testing.T) {
	s := serve(t)
	got := otelnpd(t, "", "reload", "--socket", s.socket)
	require.Equal(t, result{0, "the configuration has not changed\n", ""}, got)

	s.reloaded = operator.Reloaded{
		Changed: true,
		Summary: operator.Summary{
			RulesAdded: []string{"a", "b"}, RulesRemoved: []string{"c"}, RulesChanged: []string{"d"},
			ConditionsAdded: []string{"E"}, ConditionsRemoved: []string{"F"}, ConditionsChanged: []string{"G"},
			ComponentsAdded: []string{"exporter console"}, ComponentsRemoved: []string{"exporter status"}, ComponentsChanged: []string{"receiver kmsg"},
			Service: []string{"telemetry.logs.level"},
		},
		Warnings: []string{"otelnpd.yaml:1:2: odd"}, Note: "take heed",
	}
	got = otelnpd(t, "", "reload", "--socket", s.socket)
	require.Equal(t, result{
		0, `the new configuration runs
  rules added: a, b
  rules removed: c
  rules changed: d
  conditions added: E
  conditions removed: F
  conditions changed: G
  added: exporter console
  removed: exporter status
  changed: receiver kmsg
  service: telemetry.logs.level
`, "Warning: otelnpd.yaml:1:2: odd\nNote: take heed\n",
	}, got)

	got = otelnpd(t, "", "reload", "--output", "json", "--socket", s.socket)
	require.Zero(t, got.code)
	require.Contains(t, got.stdout, `"rules_added": [`)
}

func TestReloadRefused(t *testing.T) {
	s := serve(t)
	s.refused = operator.RefuseReload(errors.New("otelnpd.yaml:1:1: one\notelnpd.yaml:2:2: two"))
	got := otelnpd(t, "", "reload", "--socket", s.socket)
	require.Equal(t, result{
		1, "", "Error: reload: the configuration is refused and the one before runs on:\notelnpd.yaml:1:1: one\notelnpd.yaml:2:2: two\n",
	}, got)
	require.Contains(t, otelnpd(t, "", "reload", "otelnpd.yaml").stderr, `"otelnpd.yaml" is too much`)
}

// The summary on the wire is the difference between two configurations.
func TestSummaryIsADifference(t *testing.T) {
	difference := config.Difference{RulesAdded: []string{"a"}, Service: []string{"node"}}
	require.Equal(t, operator.Summary{RulesAdded: []string{"a"}, Service: []string{"node"}}, operator.Summary(difference))
}

func TestWhereTheSocketIs(t *testing.T) {
	path := config.DefaultService().Socket
	t.Setenv(stateDirVariable, "")
	require.Equal(t, []string{path, "/var/lib/otelnpd/otelnpd.sock"}, socketPaths(path))
	t.Setenv(stateDirVariable, "/state")
	require.Equal(t, []string{path, "/state/otelnpd.sock"}, socketPaths(path))
	require.Equal(t, []string{"/run/other.sock"}, socketPaths("/run/other.sock"), "who names one wants no other")
	t.Setenv(stateDirVariable, "none")
	require.Equal(t, []string{path}, socketPaths(path))
}

// takesAndNeverAnswers is an agent that hangs.
func takesAndNeverAnswers(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "otelnpd.sock")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	return socket
}
