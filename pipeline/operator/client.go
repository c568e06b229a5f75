package operator

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/health"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// maxAnswerBytes bounds what the client reads of an answer: 4,096 causes of
// 4 KiB each, and their framing.
const maxAnswerBytes = 32 << 20

// dialTimeout bounds the connection; the answer is bounded by the caller's ctx.
const dialTimeout = 5 * time.Second

// Client asks the agent behind a socket. It is safe for concurrent use and
// holds nothing open between requests.
type Client struct {
	path string
	http *http.Client
}

// Dial connects to the agent's socket once, to see that it is there. Its errors
// are ErrNotRunning and ErrNotAllowed, with what to do.
func Dial(path string) (*Client, error) {
	c := &Client{path: path}
	c.http = &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	conn, err := c.dial(context.Background())
	if err != nil {
		return nil, err
	}
	return c, conn.Close()
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", c.path)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no socket %s; is the agent running on this host, in this container? If its service.socket is another one, pass --socket", ErrNotRunning, c.path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: nobody answers on %s, the agent has died; start it again", ErrNotRunning, c.path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: %s is closed to you; run this as root", ErrNotAllowed, c.path)
	default:
		return nil, fmt.Errorf("connect to the agent: %w", err)
	}
}

// Health returns the agent's health.
func (c *Client) Health(ctx context.Context) (health.Report, error) {
	var report health.Report
	err := c.ask(ctx, http.MethodGet, pathHealth, nil, &report)
	return report, err
}

// Conditions returns every condition with all that holds it.
func (c *Client) Conditions(ctx context.Context) ([]pipeline.ConditionView, error) {
	var views []pipeline.ConditionView
	if err := c.ask(ctx, http.MethodGet, pathConditions, nil, &views); err != nil {
		return nil, err
	}
	return views, nil
}

// Clear ends all causes of a condition type. It returns once that is durable,
// or Cleared.Note says why it is not.
func (c *Client) Clear(ctx context.Context, conditionType string) (Cleared, error) {
	var answer Cleared
	request := wireClear{Type: conditionType, RequestID: rand.Text()}
	if err := c.ask(ctx, http.MethodPost, pathClear, request, &answer); err != nil {
		return Cleared{}, fmt.Errorf("clear %s: %w", conditionType, err)
	}
	return answer, nil
}

func (c *Client) ask(ctx context.Context, method, path string, body, answer any) error {
	var send io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
		send = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://otelnpd"+path, send)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("ask the agent: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return refusal(response, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	return nil
}

// refusal makes an error of an answer that is none.
func refusal(response *http.Response, text []byte) error {
	var told wireError
	if err := json.Unmarshal(text, &told); err != nil || told.Error == "" {
		return fmt.Errorf("the agent answered %s; are agent and command of the same version?", response.Status)
	}
	return &Refusal{code: response.StatusCode, message: terminal.Text(told.Error)}
}

// Refusal is what the agent said instead of doing as it was asked. It is
// ErrNotAllowed or ErrUnknownCondition where it was for that.
type Refusal struct {
	code    int
	message string
}

// Error is the agent's words, safe to show on a terminal.
func (r *Refusal) Error() string { return r.message }

// Is tells what the refusal was for.
func (r *Refusal) Is(target error) bool {
	return (r.code == http.StatusForbidden && target == ErrNotAllowed) ||
		(r.code == http.StatusNotFound && target == ErrUnknownCondition)
}
