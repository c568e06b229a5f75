package operator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/health"
	"github.com/otelnpd/otelnpd/pipeline/operator"
)

const childVariable = "OTELNPD_TEST_OPERATOR_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		os.Exit(child(path))
	}
	goleak.VerifyTestMain(m)
}

// child asks for health and prints what it hears.
func child(path string) int {
	client, err := operator.Dial(path)
	if err == nil {
		_, err = client.Health(context.Background())
	}
	fmt.Println(err, errors.Is(err, operator.ErrNotAllowed))
	return 0
}

// agent is what the server under test asks.
type agent struct {
	mu       sync.Mutex
	log      bytes.Buffer
	requests []string // TYPE REQUEST_ID
	views    []pipeline.ConditionView
	clear    func(conditionType string) (operator.Cleared, error)
}

var (
	since  = time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
	report = health.Assess("1.2.3", []pipeline.ComponentStatus{{
		Status: pipeline.Status{State: pipeline.ComponentDegraded, Reason: "permission denied", Remedy: "run as root"},
		Kind:   pipeline.KindReceiver, ID: "kmsg", Since: since,
	}}, []string{"logs/kernel"})
	deadlock = pipeline.Condition{
		Type: "KernelDeadlock", Status: pipeline.ConditionTrue, State: pipeline.StateProblem,
		Reason: "DockerHung", Message: "task docker:7 blocked", LastTransitionTime: since,
	}
)

func (a *agent) config(path string) operator.ServerConfig {
	return operator.ServerConfig{
		Path:   path,
		Health: func() health.Report { return report },
		Views:  func() []pipeline.ConditionView { return a.views },
		Clear: func(_ context.Context, conditionType, requestID string) (operator.Cleared, error) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.requests = append(a.requests, conditionType+" "+requestID)
			return a.clear(conditionType)
		},
		Logger: slog.New(slog.NewTextHandler(&a.log, nil)),
	}
}

func socketPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "run", "otelnpd.sock")
}

func listen(t *testing.T, a *agent) (path string) {
	t.Helper()
	path = socketPath(t)
	server, err := operator.Listen(a.config(path))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Shutdown(context.Background())) })
	return path
}

func dial(t *testing.T, path string) *operator.Client {
	t.Helper()
	client, err := operator.Dial(path)
	require.NoError(t, err)
	return client
}

func TestHealth(t *testing.T) {
	got, err := dial(t, listen(t, &agent{})).Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, report, got)
}

func TestConditionsCrossTheSocketWhole(t *testing.T) {
	views := []pipeline.ConditionView{
		{Condition: deadlock, Causes: []pipeline.ActiveCause{
			{
				Cause: pipeline.Cause{Rule: "kernel/docker-hung", Instance: "docker", Reason: "DockerHung", Message: "a\x1b\nb"},
				UID:   pipeline.CauseUID("test", "1"), State: pipeline.StateProblem, Since: since, Last: since.Add(time.Minute), Restored: true,
			},
			{Cause: pipeline.Cause{Reason: "EarlierCauses"}, State: pipeline.StateUnknown, Since: since, Last: since},
		}},
		{Condition: pipeline.Condition{Type: "DiskReady", Status: pipeline.ConditionTrue, State: pipeline.StateOK, Reason: "Ok", LastTransitionTime: since}},
	}
	got, err := dial(t, listen(t, &agent{views: views})).Conditions(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(views, got))
}

func TestNoConditions(t *testing.T) {
	got, err := dial(t, listen(t, &agent{})).Conditions(t.Context())
	require.NoError(t, err)
	require.Empty(t, got)
}

func TestClear(t *testing.T) {
	want := operator.Cleared{Condition: deadlock, Causes: 2, Note: "state is degraded: disk full"}
	a := &agent{clear: func(string) (operator.Cleared, error) { return want, nil }}
	client := dial(t, listen(t, a))
	for range 2 {
		got, err := client.Clear(t.Context(), "KernelDeadlock")
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
	}
	require.Len(t, a.requests, 2)
	require.NotEqual(t, a.requests[0], a.requests[1], "each request has an id of its own")
	require.Regexp(t, `^KernelDeadlock [0-9A-Z]{26}$`, a.requests[0])
	require.Contains(t, a.log.String(), fmt.Sprintf("condition=KernelDeadlock request_id=%s causes=2 uid=%d pid=%d",
		strings.Fields(a.requests[0])[1], os.Getuid(), os.Getpid()))
}

func TestClearRefused(t *testing.T) {
	a := &agent{clear: func(conditionType string) (operator.Cleared, error) {
		if conditionType == "Broken" {
			return operator.Cleared{}, errors.New("shutting down\x1b[2J")
		}
		return operator.Cleared{}, fmt.Errorf("%w: %s; there are DiskReady, KernelDeadlock", operator.ErrUnknownCondition, conditionType)
	}}
	client := dial(t, listen(t, a))
	_, err := client.Clear(t.Context(), "KernelDedlock")
	require.ErrorIs(t, err, operator.ErrUnknownCondition)
	require.EqualError(t, err, "clear KernelDedlock: no such condition: KernelDedlock; there are DiskReady, KernelDeadlock")
	_, err = client.Clear(t.Context(), "Broken")
	require.EqualError(t, err, `clear Broken: shutting down\x1b[2J`)
	require.NotErrorIs(t, err, operator.ErrUnknownCondition)
	_, err = client.Clear(t.Context(), "two words")
	require.ErrorContains(t, err, `type "two words": write letters, digits and punctuation only`)
	require.Len(t, a.requests, 2, "a bad name is not passed on")
}

// raw sends a request as no client of ours would.
func raw(t *testing.T, path, method, target, body string) (code int, answer string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://otelnpd"+target, strings.NewReader(body))
	require.NoError(t, err)
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(text)
}

func TestBadRequests(t *testing.T) {
	a := &agent{clear: func(string) (operator.Cleared, error) { return operator.Cleared{}, nil }}
	path := listen(t, a)
	const target = "/v1/conditions/clear"
	for name, tt := range map[string]struct {
		method, target, body string
		code                 int
		answer               string
	}{
		"no JSON":         {"POST", target, "clear it", 400, "read the request"},
		"empty":           {"POST", target, "", 400, "send {"},
		"no type":         {"POST", target, `{"request_id": "1"}`, 400, "type has 0 bytes"},
		"no request id":   {"POST", target, `{"type": "X"}`, 400, "request_id has 0 bytes"},
		"unknown key":     {"POST", target, `{"type": "X", "request_id": "1", "force": true}`, 400, "force"},
		"more than one":   {"POST", target, `{"type": "X", "request_id": "1"} {}`, 400, "more than one"},
		"a huge id":       {"POST", target, `{"type": "X", "request_id": "` + strings.Repeat("1", 400) + `"}`, 400, "request_id has 400 bytes"},
		"a huge body":     {"POST", target, `{"type": "` + strings.Repeat("X", 5000) + `", "request_id": "1"}`, 400, "too large"},
		"control in type": {"POST", target, `{"type": "X\u0000", "request_id": "1"}`, 400, "letters, digits"},
		"GET of a clear":  {"GET", target, "", 405, ""},
		"other path":      {"GET", "/v2/healthz", "", 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, answer := raw(t, path, tt.method, tt.target, tt.body)
			require.Equal(t, tt.code, code, answer)
			require.Contains(t, answer, tt.answer)
		})
	}
	require.Empty(t, a.requests)
}

// Two clients in the agent's language: a curl of an operator must do as well.
func TestWire(t *testing.T) {
	path := listen(t, &agent{views: []pipeline.ConditionView{{Condition: deadlock, Causes: []pipeline.ActiveCause{}}}})
	code, answer := raw(t, path, http.MethodGet, "/v1/conditions", "")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `[{"type": "KernelDeadlock", "status": "True", "state": "problem", "reason": "DockerHung",
		"message": "task docker:7 blocked", "last_transition_time": "2026-01-02T03:04:05.0000006Z", "causes": []}]`, answer)
}

func TestStrangerIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs root in CI")
		t.Skip("only root can be somebody else")
	}
	path := listen(t, &agent{})
	for name, tt := range map[string]struct {
		mode os.FileMode
		want string
	}{
		"by the socket's mode":        {0o600, "is closed to you; run this as root true\n"},
		"and by the agent without it": {0o666, "only root and the agent's own user may do this: you are uid 65534, the agent is uid 0; try sudo true\n"},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.Chmod(path, tt.mode))
			require.Contains(t, runAs(t, 65534, path), tt.want)
		})
	}
	require.NoError(t, os.Chmod(path, 0o600))
	require.Equal(t, "<nil> false\n", runAs(t, 0, path))
}

// runAs runs this test as another user's operator. The binary and the socket
// must be where that user can reach them.
func runAs(t *testing.T, uid uint32, path string) string {
	t.Helper()
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	self, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	binary := filepath.Join(filepath.Dir(path), "operator.test")
	require.NoError(t, os.WriteFile(binary, self, 0o755))
	command := exec.CommandContext(t.Context(), binary)
	command.Env = []string{childVariable + "=" + path}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	output, err := command.Output()
	require.NoError(t, err)
	return string(output)
}

func TestShutdown(t *testing.T) {
	path := socketPath(t)
	server, err := operator.Listen((&agent{}).config(path))
	require.NoError(t, err)
	client := dial(t, path)
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoFileExists(t, path)
	_, err = client.Health(t.Context())
	require.ErrorIs(t, err, operator.ErrNotRunning)
}

func TestShutdownCutsOffAClearThatHangs(t *testing.T) {
	reached := make(chan struct{})
	config := (&agent{}).config(socketPath(t))
	config.Clear = func(ctx context.Context, _, _ string) (operator.Cleared, error) {
		close(reached)
		<-ctx.Done()
		return operator.Cleared{}, ctx.Err()
	}
	server, err := operator.Listen(config)
	require.NoError(t, err)
	client := dial(t, config.Path)
	cleared := make(chan error, 1)
	go func() {
		_, err := client.Clear(context.Background(), "KernelDeadlock")
		cleared <- err
	}()
	<-reached
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, server.Shutdown(ctx), context.Canceled)
	require.ErrorContains(t, <-cleared, "ask the agent")
}
