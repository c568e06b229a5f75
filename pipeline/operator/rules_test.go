package operator_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/operator"
)

var rules = []operator.Rule{
	{ID: "kernel/ext4-error", Reason: "Ext4Error", Mode: "enforce"},
	{ID: "kernel/ext4-warning", Reason: "Ext4Warning", Mode: "observe"},
	{
		ID: "kernel/docker-hung", Condition: "KernelDeadlock", Reason: "DockerHung", Mode: "enforce",
		SilencedSince: since, SilencedUntil: since.Add(2 * time.Hour),
	},
}

// rulesAgent has the rules above and notes what it is asked.
func rulesAgent(t *testing.T) (*agent, string) {
	t.Helper()
	a := &agent{}
	config := a.config(socketPath(t))
	config.Rules = func() []operator.Rule { return rules }
	known := func(rule string) error {
		if !strings.HasPrefix(rule, "kernel/") {
			return fmt.Errorf("%w: %s", operator.ErrUnknownRule, rule)
		}
		return nil
	}
	config.Silence = func(_ context.Context, rule string, silence time.Duration, requestID string) (operator.Silenced, error) {
		a.requests = append(a.requests, fmt.Sprintf("silence %s %s %s", rule, silence, requestID))
		return operator.Silenced{Rule: rule, Until: since.Add(silence), Note: "not on disk"}, known(rule)
	}
	config.Unsilence = func(_ context.Context, rule, requestID string) (operator.Unsilenced, error) {
		a.requests = append(a.requests, fmt.Sprintf("unsilence %s %s", rule, requestID))
		return operator.Unsilenced{Rule: rule, Silenced: true}, known(rule)
	}
	serveConfig(t, config)
	return a, config.Path
}

func serveConfig(t *testing.T, config operator.ServerConfig) {
	t.Helper()
	server, err := operator.Listen(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Shutdown(context.Background())) })
}

func TestRules(t *testing.T) {
	_, path := rulesAgent(t)
	got, err := dial(t, path).Rules(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(rules, got))

	code, answer := raw(t, path, http.MethodGet, "/v1/rules", "")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, answer, `{"id":"kernel/ext4-error","reason":"Ext4Error","mode":"enforce"},`)
	require.Contains(t, answer, `"condition":"KernelDeadlock","reason":"DockerHung","mode":"enforce",`+
		`"silenced_since":"2026-01-02T03:04:05.0000006Z","silenced_until":"2026-01-02T05:04:05.0000006Z"}`)
}

func TestNoRules(t *testing.T) {
	config := (&agent{}).config(socketPath(t))
	config.Rules = func() []operator.Rule { return nil }
	serveConfig(t, config)
	_, answer := raw(t, config.Path, http.MethodGet, "/v1/rules", "")
	require.JSONEq(t, "[]", answer)
}

func TestSilence(t *testing.T) {
	a, path := rulesAgent(t)
	client := dial(t, path)
	silenced, err := client.Silence(t.Context(), "kernel/docker-hung", 2*time.Hour)
	require.NoError(t, err)
	require.Equal(t, operator.Silenced{Rule: "kernel/docker-hung", Until: since.Add(2 * time.Hour), Note: "not on disk"}, silenced)
	unsilenced, err := client.Unsilence(t.Context(), "kernel/docker-hung")
	require.NoError(t, err)
	require.Equal(t, operator.Unsilenced{Rule: "kernel/docker-hung", Silenced: true}, unsilenced)

	require.Len(t, a.requests, 2)
	require.Regexp(t, `^silence kernel/docker-hung 2h0m0s [0-9A-Z]{26}$`, a.requests[0])
	require.Regexp(t, `^unsilence kernel/docker-hung [0-9A-Z]{26}$`, a.requests[1])
	who := fmt.Sprintf("uid=%d pid=%d", os.Getuid(), os.Getpid())
	require.Regexp(t, `"an operator silenced a rule" rule=kernel/docker-hung request_id=\S+ until=2026-01-02T05:04:05\S+ `+who, a.log.String())
	require.Regexp(t, `"an operator ended the silence of a rule" rule=kernel/docker-hung request_id=\S+ silenced=true `+who, a.log.String())
}

func TestUnknownRule(t *testing.T) {
	_, path := rulesAgent(t)
	client := dial(t, path)
	for written, want := range map[string]string{
		"kernl/ext4-error": "did you mean kernel/ext4-error?",
		"EXT4":             "did you mean kernel/ext4-error or kernel/ext4-warning?",
		"docker-hung":      "did you mean kernel/docker-hung?",
		"unrelated":        "otelnpd rules list shows all",
	} {
		_, err := client.Silence(t.Context(), written, time.Hour)
		require.ErrorIs(t, err, operator.ErrUnknownRule)
		require.NotErrorIs(t, err, operator.ErrUnknownCondition)
		require.EqualError(t, err, "silence "+written+": no such rule: "+written+"; "+want)
		_, err = client.Unsilence(t.Context(), written)
		require.ErrorIs(t, err, operator.ErrUnknownRule)
		require.ErrorContains(t, err, want)
	}
}

func TestBadSilences(t *testing.T) {
	a, path := rulesAgent(t)
	for body, want := range map[string]string{
		`{"rule": "r", "for": "soon", "request_id": "1"}`:                                       `for: \"soon\" is no duration: write one such as 2h or 30m`,
		`{"rule": "r", "for": "", "request_id": "1"}`:                                           "is no duration",
		`{"rule": "r", "for": "0s", "request_id": "1"}`:                                         "0s is out of range: write 1s to 744h",
		`{"rule": "r", "for": "-2h", "request_id": "1"}`:                                        "out of range",
		`{"rule": "r", "for": "745h", "request_id": "1"}`:                                       "processors.rules.disable",
		`{"rule": "r", "for": "` + strings.Repeat("1h", 100) + `", "request_id": "1"}`:          "too long a text",
		`{"rule": "", "for": "x", "request_id": ""}`:                                            "rule has 0 bytes: write 1 to 316\\nfor: ",
		`{"rule": "r", "for": 7200, "request_id": "1"}`:                                         "read the request",
		`{"rule": "r", "for": "2h", "request_id": "1", "until": "2h"}`:                          "until",
		`{"rule": "` + strings.Repeat("r", 5000) + `", "for": "2h", "request_id": "1"}`:         "too large",
		`{"rule": "r", "for": "2h", "request_id": "1"}{"rule":"s","for":"2h","request_id":"1"}`: "more than one",
	} {
		code, answer := raw(t, path, http.MethodPost, "/v1/rules/silence", body)
		require.Equal(t, http.StatusBadRequest, code, body)
		require.Contains(t, answer, want, body)
	}
	for _, body := range []string{`{"rule": "r"}`, `{"request_id": "1"}`, `{"rule": "r", "for": "2h", "request_id": "1"}`, ``} {
		code, answer := raw(t, path, http.MethodPost, "/v1/rules/unsilence", body)
		require.Equal(t, http.StatusBadRequest, code, "%s: %s", body, answer)
	}
	require.Empty(t, a.requests)
}

// An agent of which nothing of that can be asked, such as one of a version that
// did not know it yet.
func TestWhatIsNotServed(t *testing.T) {
	client := dial(t, listen(t, &agent{}))
	_, errRules := client.Rules(t.Context())
	_, errSilence := client.Silence(t.Context(), "r", time.Hour)
	_, errUnsilence := client.Unsilence(t.Context(), "r")
	_, errReload := client.Reload(t.Context())
	for _, err := range []error{errRules, errSilence, errUnsilence, errReload} {
		require.ErrorContains(t, err, "the agent answered 404 Not Found; are agent and command of the same version?")
		require.NotErrorIs(t, err, operator.ErrUnknownRule)
	}
}

func TestReload(t *testing.T) {
	want := operator.Reloaded{
		Changed: true,
		Summary: operator.Summary{
			RulesAdded: []string{"a"}, RulesRemoved: []string{"b"}, RulesChanged: []string{"c"},
			ConditionsAdded: []string{"D"}, ConditionsRemoved: []string{"E"}, ConditionsChanged: []string{"F"},
			ComponentsAdded: []string{"exporter g"}, ComponentsRemoved: []string{"exporter h"}, ComponentsChanged: []string{"exporter i"},
			Service: []string{"telemetry.logs.level"},
		},
		Warnings: []string{"odd"}, Note: "restart for service.node",
	}
	a := &agent{}
	config := a.config(socketPath(t))
	var failure error
	config.Reload = func(_ context.Context, requestID string) (operator.Reloaded, error) {
		a.requests = append(a.requests, requestID)
		return want, failure
	}
	serveConfig(t, config)
	client := dial(t, config.Path)
	got, err := client.Reload(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))
	require.Contains(t, a.log.String(), fmt.Sprintf("request_id=%s uid=%d pid=%d", a.requests[0], os.Getuid(), os.Getpid()))

	failure = operator.RefuseReload(errors.New("otelnpd.yaml:2:3: unknown key \x1b[2J\notelnpd.yaml:4:5: no such pack"))
	code, answer := raw(t, config.Path, http.MethodPost, "/v1/reload", `{"request_id": "1"}`)
	require.Equal(t, http.StatusUnprocessableEntity, code, answer)
	_, err = client.Reload(t.Context())
	require.ErrorIs(t, err, operator.ErrReloadRefused)
	require.EqualError(t, err, "reload: the configuration is refused and the one before runs on:\n"+
		"otelnpd.yaml:2:3: unknown key \\x1b[2J\notelnpd.yaml:4:5: no such pack")

	failure = errors.New("shutting down")
	_, err = client.Reload(t.Context())
	require.EqualError(t, err, "reload: shutting down")
	require.NotErrorIs(t, err, operator.ErrReloadRefused)

	code, answer = raw(t, config.Path, http.MethodPost, "/v1/reload", "")
	require.Equal(t, http.StatusBadRequest, code)
	require.Contains(t, answer, "send {")
}

// What is not there takes no room: a configuration that has not changed.
func TestReloadOfNothing(t *testing.T) {
	config := (&agent{}).config(socketPath(t))
	config.Reload = func(context.Context, string) (operator.Reloaded, error) { return operator.Reloaded{}, nil }
	serveConfig(t, config)
	_, answer := raw(t, config.Path, http.MethodPost, "/v1/reload", `{"request_id": "1"}`)
	require.JSONEq(t, `{"changed": false}`, answer)
}
