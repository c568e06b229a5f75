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
	"strings"
	"syscall"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/health"
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

// Dial connects to the agent's socket once, to see that it is there: to the first
// of the paths where an agent answers. Its errors are ErrNotRunning and
// ErrNotAllowed, with what to do and which paths were tried.
func Dial(paths ...string) (*Client, error) {
	var errs []error
	for _, path := range paths {
		conn, err := dial(context.Background(), path)
		if err == nil {
			return newClient(path), conn.Close()
		}
		errs = append(errs, err)
	}
	return nil, tried(paths, errs)
}

func newClient(path string) *Client {
	c := &Client{path: path}
	c.http = &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, c.path) },
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Path is the socket that answers.
func (c *Client) Path() string { return c.path }

// tried says what was wrong with the paths: of a socket that is there more can be
// said than of one that is not.
func tried(paths []string, errs []error) error {
	for _, err := range errs {
		if !errors.Is(err, fs.ErrNotExist) {
			if len(paths) > 1 {
				return fmt.Errorf("%w (tried: %s)", err, strings.Join(paths, ", "))
			}
			return err
		}
	}
	return fmt.Errorf("%w: there is no socket %s; is the agent running on this host, in this container? If its service.socket is another one, pass --socket",
		ErrNotRunning, strings.Join(paths, " and no "))
}

func dial(ctx context.Context, path string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: the socket %s is gone: %w", ErrNotRunning, path, fs.ErrNotExist)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: nobody answers on %s, the agent has died; start it again", ErrNotRunning, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: %s is closed to you; run this as root", ErrNotAllowed, path)
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

// Rules returns every rule, and which are silenced.
func (c *Client) Rules(ctx context.Context) ([]Rule, error) {
	var rules []Rule
	if err := c.ask(ctx, http.MethodGet, pathRules, nil, &rules); err != nil {
		return nil, err
	}
	return rules, nil
}

// Silence keeps a rule from having any effect for a time. It returns once that is
// durable, or Silenced.Note says why it is not.
func (c *Client) Silence(ctx context.Context, rule string, silence time.Duration) (Silenced, error) {
	var answer Silenced
	request := wireSilence{Rule: rule, For: silence.String(), RequestID: rand.Text()}
	if err := c.ask(ctx, http.MethodPost, pathSilence, request, &answer); err != nil {
		return Silenced{}, fmt.Errorf("silence %s: %w", rule, err)
	}
	return answer, nil
}

// Unsilence ends the silence of a rule, as Silence begins it.
func (c *Client) Unsilence(ctx context.Context, rule string) (Unsilenced, error) {
	var answer Unsilenced
	request := wireUnsilence{Rule: rule, RequestID: rand.Text()}
	if err := c.ask(ctx, http.MethodPost, pathUnsilence, request, &answer); err != nil {
		return Unsilenced{}, fmt.Errorf("unsilence %s: %w", rule, err)
	}
	return answer, nil
}

// Reload has the agent read its configuration again. The error ErrReloadRefused
// has a line for each thing that is wrong with it.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	var answer Reloaded
	if err := c.ask(ctx, http.MethodPost, pathReload, wireReload{RequestID: rand.Text()}, &answer); err != nil {
		return Reloaded{}, fmt.Errorf("reload: %w", err)
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
		return refusal(path, response, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	return nil
}
