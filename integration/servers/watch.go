package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// How long to wait for what takes a moment, and how often to look.
const (
	patience = 30 * time.Second
	tick     = 20 * time.Millisecond
)

// NodeWatch records every state of a Node that was ever visible. It goes on where it
// was when the server comes back. It is safe for concurrent use.
type NodeWatch struct {
	mu      sync.Mutex
	seen    []NodeSeen
	err     error
	changed chan struct{}
}

// NodeSeen is a state of a Node.
type NodeSeen struct {
	// At is when this process was told.
	At time.Time
	Node
	// Deleted tells that the Node is gone; Node is its last state.
	Deleted bool
}

// WatchNode records what becomes of a Node, which may not exist yet, until the test
// ends.
func (k *Kubernetes) WatchNode(t testing.TB, name string) *NodeWatch {
	t.Helper()
	selector := nodesPath + "?fieldSelector=" + url.QueryEscape("metadata.name="+name)
	var list struct {
		Metadata metadata
		Items    []nodeObject
	}
	k.admin(t, http.MethodGet, selector, "", nil, http.StatusOK, &list)
	w := &NodeWatch{changed: make(chan struct{})}
	for _, item := range list.Items {
		w.note(NodeSeen{At: time.Now(), Node: item.node()})
	}
	ctx, stop := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { w.run(ctx, k, selector+"&watch=true&resourceVersion=", list.Metadata.ResourceVersion) })
	t.Cleanup(func() {
		stop()
		watching.Wait()
	})
	return w
}

// errWatch is an answer that a watch cannot go on after.
var errWatch = errors.New("the watch has a gap")

// run watches again and again from the version where the connection ended.
func (w *NodeWatch) run(ctx context.Context, k *Kubernetes, path, version string) {
	for ctx.Err() == nil {
		var err error
		if version, err = w.watch(ctx, k, path, version); errors.Is(err, errWatch) {
			w.mu.Lock()
			w.err = err
			w.mu.Unlock()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(tick): // the server is down, or has ended the watch
		}
	}
}

func (w *NodeWatch) watch(ctx context.Context, k *Kubernetes, path, version string) (last string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.URL+path+version, http.NoBody)
	if err != nil {
		return version, err
	}
	request.Header.Set("Authorization", "Bearer "+Admin)
	response, err := k.client.Do(request)
	if err != nil {
		return version, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusGone {
		return version, fmt.Errorf("%w: version %s is gone", errWatch, version)
	}
	if response.StatusCode != http.StatusOK {
		return version, errors.New(response.Status)
	}
	return w.read(response.Body, version)
}

// read takes the events of one connection. The format is that of a watch in JSON:
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
func (w *NodeWatch) read(stream io.Reader, version string) (last string, err error) {
	decoder := json.NewDecoder(stream)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			return version, err
		}
		if event.Type == "ERROR" {
			return version, fmt.Errorf("%w: %s", errWatch, event.Object)
		}
		var object nodeObject
		if err := json.Unmarshal(event.Object, &object); err != nil {
			return version, fmt.Errorf("%w: %q: %w", errWatch, event.Object, err)
		}
		version = object.Metadata.ResourceVersion
		w.note(NodeSeen{At: time.Now(), Node: object.node(), Deleted: event.Type == "DELETED"})
	}
}

func (w *NodeWatch) note(state NodeSeen) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, state)
	close(w.changed)
	w.changed = make(chan struct{})
}

// look returns what was seen so far, and a channel that is closed when more comes.
func (w *NodeWatch) look(t testing.TB) ([]NodeSeen, <-chan struct{}) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NoError(t, w.err)
	return slices.Clip(w.seen), w.changed
}

// Seen returns all that was seen so far.
func (w *NodeWatch) Seen(t testing.TB) []NodeSeen {
	t.Helper()
	seen, _ := w.look(t)
	return seen
}

// Last returns the newest state; the zero value where there is none. It can be
// called from any goroutine.
func (w *NodeWatch) Last() NodeSeen {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return NodeSeen{}
	}
	return w.seen[len(w.seen)-1]
}

// WaitFor returns the first state that matches and that was seen after the first
// `after` ones, and fails the test where none comes within half a minute.
func (w *NodeWatch) WaitFor(t testing.TB, what string, after int, match func(NodeSeen) bool) NodeSeen {
	t.Helper()
	return w.WaitWithin(t, what, patience, after, match)
}

// WaitWithin is WaitFor with another patience.
func (w *NodeWatch) WaitWithin(t testing.TB, what string, within time.Duration, after int, match func(NodeSeen) bool) NodeSeen {
	t.Helper()
	deadline := time.After(within)
	for looked := after; ; {
		seen, changed := w.look(t)
		for ; looked < len(seen); looked++ {
			if match(seen[looked]) {
				return seen[looked]
			}
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "never seen on the Node: "+what, "within %s; the last of %d states: %+v",
				within, len(seen), seen[max(0, len(seen)-3):])
		}
	}
}

// Is matches a Node that shows a condition with a status and a reason.
func Is(conditionType, status, reason string) func(NodeSeen) bool {
	return func(seen NodeSeen) bool {
		c := seen.Condition(conditionType)
		return !seen.Deleted && c.Status == status && c.Reason == reason
	}
}

// Statuses returns the statuses that a condition has gone through, each once in a
// row; "" stands for a Node without the condition, "deleted" for no Node.
func (w *NodeWatch) Statuses(t testing.TB, conditionType string) []string {
	t.Helper()
	var statuses []string
	for _, seen := range w.Seen(t) {
		status := seen.Condition(conditionType).Status
		if seen.Deleted {
			status = "deleted"
		}
		if len(statuses) == 0 || statuses[len(statuses)-1] != status {
			statuses = append(statuses, status)
		}
	}
	return statuses
}

// EverAfter returns whether a condition has ever had a status after it had another.
func (w *NodeWatch) EverAfter(t testing.TB, conditionType, had, status string) bool {
	t.Helper()
	after := false
	for _, s := range w.Statuses(t, conditionType) {
		if after && s == status {
			return true
		}
		after = after || s == had
	}
	return false
}
