package nodeconditions_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeconditions"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is a Node behind an API server, as far as the patcher can see it.
type cluster struct {
	start time.Time

	mu sync.Mutex
	// before is called for each request; its error is the answer.
	before func(ctx context.Context, request string) error
	// deaf: the answers to patches are lost.
	deaf bool
	// uid is the Node's; empty: there is none.
	uid    string
	bootID string
	// answerUID, if set, is the UID in the answers to patches, whose own UID
	// nobody looks at.
	answerUID  string
	conditions []condition.NodeCondition
	requests   []string
	patches    []apiserver.Patch
	times      []time.Duration
}

func apiError(kind apiserver.Kind, code int) *apiserver.Error {
	return &apiserver.Error{Kind: kind, Code: code, Remedy: "remedy of " + kind.String()}
}

// note notes a request; the ones that are answered by an error end in !.
func (c *cluster) note(ctx context.Context, request string) error {
	c.mu.Lock()
	before := c.before
	c.mu.Unlock()
	if before != nil {
		if err := before(ctx, request); err != nil {
			c.add(request + " !")
			return err
		}
	}
	c.add(request)
	return nil
}

func (c *cluster) add(request string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, request)
	c.times = append(c.times, time.Since(c.start))
}

func (c *cluster) Node(ctx context.Context, name string) (*apiserver.Node, error) {
	if err := c.note(ctx, "GET "+name); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.uid == "" {
		return nil, apiError(apiserver.NotFound, 404)
	}
	return &apiserver.Node{UID: c.uid, BootID: c.bootID, Conditions: slices.Clone(c.conditions)}, nil
}

func (c *cluster) PatchConditions(ctx context.Context, patch apiserver.Patch) (string, error) {
	if err := c.note(ctx, told(patch)); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.uid == "":
		return "", apiError(apiserver.NotFound, 404)
	case c.uid != patch.UID && c.answerUID == "":
		return "", apiError(apiserver.UIDChanged, 422)
	}
	c.patches = append(c.patches, patch)
	for _, one := range patch.Conditions {
		c.remove(one.Type)
		c.conditions = append(c.conditions, condition.NodeCondition{
			Type: one.Type, Status: one.Status, Reason: one.Reason, Message: one.Message,
			LastTransitionTime: one.LastTransitionTime, LastHeartbeatTime: patch.Heartbeat.Truncate(time.Second),
		})
	}
	for _, name := range patch.Delete {
		c.remove(name)
	}
	switch {
	case c.deaf:
		return "", apiError(apiserver.Unreachable, 0)
	case c.answerUID != "":
		return c.answerUID, nil
	}
	return c.uid, nil
}

func (c *cluster) remove(conditionType string) {
	c.conditions = slices.DeleteFunc(c.conditions, func(one condition.NodeCondition) bool { return one.Type == conditionType })
}

// told is a patch in one line.
func told(patch apiserver.Patch) string {
	line := "PATCH " + patch.Node
	for _, one := range patch.Conditions {
		line += " " + one.Type + "=" + string(one.Status)
	}
	for _, name := range patch.Delete {
		line += " -" + name
	}
	return line
}

// create makes the Node anew.
func (c *cluster) create(uid string, conditions ...condition.NodeCondition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uid, c.conditions = uid, conditions
}

// answer sets what is called for each request.
func (c *cluster) answer(before func(context.Context, string) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before = before
}

// reboot sets what the kubelet says is its boot.
func (c *cluster) reboot(bootID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bootID = bootID
}

// standing returns the conditions as they stand.
func (c *cluster) standing() []condition.NodeCondition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.conditions)
}

// answerAs sets the UID in the answers to patches.
func (c *cluster) answerAs(uid string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answerUID = uid
}

// patched returns the accepted patches so far.
func (c *cluster) patched() []apiserver.Patch {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.patches)
}

// at returns when the requests came.
func (c *cluster) at() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.times)
}

// all returns the requests so far.
func (c *cluster) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// forget forgets the requests so far.
func (c *cluster) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests, c.times, c.patches = nil, nil, nil
}

// shown is a condition as it stands on the Node.
func (c *cluster) shown(conditionType string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.conditions {
		if one.Type == conditionType {
			return fmt.Sprintf("%s %s %q since %s", one.Status, one.Reason, one.Message, one.LastTransitionTime.Sub(c.start).Round(time.Second))
		}
	}
	return ""
}

// bubbleClock is the clock of a synctest bubble that began an hour after the boot.
type bubbleClock struct {
	start time.Time
	mu    sync.Mutex
	step  time.Duration
}

func (c *bubbleClock) Now() pipeline.Instant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return pipeline.Instant{Wall: time.Now().Add(c.step), Boot: time.Since(c.start) + time.Hour}
}

func (c *bubbleClock) stepWall(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step += by
}

func storeConfig() *condition.Config {
	return &condition.Config{
		Hash: "one",
		Types: []condition.Type{
			{Name: "Deadlock", HealthyReason: "NoDeadlock", HealthyMessage: "none"},
			{Name: "Ready", HealthyReason: "Fine", Reserved: true},
			{Name: "Slow", HealthyReason: "Fast", HealthyMessage: "fast"},
		},
		Rules: []condition.Rule{
			{ID: "hung", Condition: "Deadlock", Reason: "TaskHung", Source: "kernel"},
			{ID: "kubelet", Condition: "Ready", Reason: "KubeletDown", Source: "kernel"},
			{ID: "slow", Condition: "Slow", Reason: "SlowIO", Clear: condition.Clear{By: condition.ClearByTTL, TTL: 10 * time.Second}},
		},
	}
}

var reasons = map[string]string{"hung": "TaskHung", "kubelet": "KubeletDown", "slow": "SlowIO"}

// lab is an agent's real condition store and its patcher.
type lab struct {
	*condition.Store
	*cluster
	t       *testing.T
	patcher *nodeconditions.Patcher
	config  nodeconditions.Config
	options nodeconditions.Options
	clock   *bubbleClock
	boot    pipeline.Boot
	// declared is what the store judges by, kept what it goes on from, and write what
	// writes it down; they may be nil.
	declared *condition.Config
	kept     []byte
	write    func(ctx context.Context)
	logs     *pipelinetest.Output
	lines    uint64
	cancel   context.CancelFunc
	ended    chan struct{}
	stopped  bool

	noted struct {
		sync.Mutex
		statuses []string
		uids     []string
		patched  []pipeline.Condition
	}
}

// newCluster has a Node node-1 of UID uid-1.
func newCluster() *cluster {
	return &cluster{start: time.Now(), uid: "uid-1", bootID: pipelinetest.BootID}
}

// newLab is an agent that has not started.
func newLab(t *testing.T, c *cluster, change ...func(*lab)) *lab {
	t.Helper()
	l := &lab{
		t: t, cluster: c, clock: &bubbleClock{start: c.start}, logs: &pipelinetest.Output{}, ended: make(chan struct{}),
		declared: storeConfig(),
		boot:     pipeline.Boot{ID: pipelinetest.BootID, Start: c.start.Add(-time.Hour)},
		config:   nodeconditions.Config{Write: true, WaitInterval: 5 * time.Second, WaitTimeout: 5 * time.Minute, HeartbeatPeriod: 5 * time.Minute},
	}
	logger := slog.New(slog.NewTextHandler(l.logs, nil))
	l.options = nodeconditions.Options{
		ID: pipeline.ID{Type: "kubernetes"}, API: c, Clock: l.clock, Logger: logger, Node: "node-1",
		Meter: noop.NewMeterProvider().Meter("test"), Run: t.TempDir(), NodeSeen: l.noteUID, Status: l.noteStatus,
	}
	for _, f := range change {
		f(l)
	}
	l.options.Boot = l.boot
	l.Store = condition.NewStore(condition.Options{
		Clock: l.clock, Boot: l.boot, Node: "node-1", Logger: logger, ExpectSeed: l.config.Write, Sync: l.write,
	})
	if l.kept != nil {
		require.NoError(t, l.Resume(l.kept))
	}
	require.NoError(t, l.Configure(l.declared))
	if l.options.Conditions == nil {
		l.options.Conditions = l
	}
	var err error
	l.patcher, err = nodeconditions.New(l.config, l.options)
	require.NoError(t, err)
	return l
}

// NotePatched notes what the store is told.
func (l *lab) NotePatched(c pipeline.Condition) {
	l.noted.Lock()
	l.noted.patched = append(l.noted.patched, c)
	l.noted.Unlock()
	l.Store.NotePatched(c)
}

func (l *lab) noteUID(uid string) {
	l.noted.Lock()
	defer l.noted.Unlock()
	l.noted.uids = append(l.noted.uids, uid)
}

// noteStatus notes a status if it is another one.
func (l *lab) noteStatus(err error) {
	l.noted.Lock()
	defer l.noted.Unlock()
	status := "ok"
	if err != nil {
		status = err.Error()
	}
	if n := len(l.noted.statuses); n == 0 || l.noted.statuses[n-1] != status {
		l.noted.statuses = append(l.noted.statuses, status)
	}
}

// told returns what the store was told to be on the Node.
func (l *lab) told() []pipeline.Condition {
	l.noted.Lock()
	defer l.noted.Unlock()
	return slices.Clone(l.noted.patched)
}

func (l *lab) statuses() string {
	l.noted.Lock()
	defer l.noted.Unlock()
	return strings.Join(l.noted.statuses, ", ")
}

func (l *lab) uids() []string {
	l.noted.Lock()
	defer l.noted.Unlock()
	return slices.Clone(l.noted.uids)
}

// begin starts the agent with the backlog of one receiver to come.
func (l *lab) begin() {
	l.t.Helper()
	l.ExpectBacklogs([]string{"kmsg"})
	l.publish()
	require.NoError(l.t, l.Start(l.t.Context()))
	l.run()
}

// publish makes the patcher hear of transitions, as the exporter does.
func (l *lab) publish() {
	l.Publish(l.t.Context(), []pipeline.Consumer{pipeline.ConsumerFunc(func(_ context.Context, batch []pipeline.Record) error {
		for i := range batch {
			if !batch[i].Transition.Provisional {
				l.patcher.Changed()
			}
		}
		return nil
	})})
}

func (l *lab) run() {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.t.Cleanup(l.stop)
	go func() {
		defer close(l.ended)
		l.patcher.Run(ctx)
	}()
	synctest.Wait()
}

// settle starts the agent, with an empty backlog.
func (l *lab) settle() {
	l.t.Helper()
	l.begin()
	l.endBacklog()
}

func (l *lab) endBacklog() {
	l.t.Helper()
	l.apply(&pipeline.Record{EventName: pipeline.EventBacklogEnd, Receiver: "kmsg"})
}

// stop ends the patcher and the store's timers.
func (l *lab) stop() {
	l.t.Helper()
	if l.stopped {
		return
	}
	l.stopped = true
	l.cancel()
	<-l.ended
	l.patcher.Close()
	require.NoError(l.t, l.Shutdown(context.Background()))
}

func (l *lab) apply(record *pipeline.Record) {
	l.t.Helper()
	_, err := l.Apply(l.t.Context(), record)
	require.NoError(l.t, err)
	synctest.Wait()
}

// match tells the store of a rule's match, now.
func (l *lab) match(rule string) { l.matchSaying(rule, "message of "+rule) }

func (l *lab) matchSaying(rule, message string) {
	l.t.Helper()
	l.lines++
	now := l.clock.Now()
	at := pipeline.Place{Scope: l.boot.ID, Source: "kmsg", Position: l.lines}
	l.apply(&pipeline.Record{
		EventName: pipeline.EventProblem, Time: now.Wall, Boot: pipeline.BootTime{ID: l.boot.ID, At: now.Boot}, Receiver: "kmsg", Place: at,
		Problem: &pipeline.Problem{
			UID: pipeline.ProblemUID("node-1", at, rule), Rule: rule, Reason: reasons[rule], Message: message, State: pipeline.StateProblem, Count: 1,
		},
	})
}

func (l *lab) clear(conditionType string) {
	l.t.Helper()
	l.lines++
	require.NoError(l.t, l.Clear(l.t.Context(), conditionType, fmt.Sprint("request-", l.lines)))
	synctest.Wait()
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// fail answers each request of a verb by err.
func fail(verb string, err error) func(context.Context, string) error {
	return func(_ context.Context, request string) error {
		if strings.HasPrefix(request, verb) {
			return err
		}
		return nil
	}
}
