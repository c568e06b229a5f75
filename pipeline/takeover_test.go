package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// reload builds graphs of parts that keep and inherit, one in place of the other.
type reload struct {
	t     *testing.T
	board *pipeline.StatusBoard
	clock *pipelinetest.Clock

	mu   sync.Mutex
	log  []string
	made map[string]*part // the newest of each name
	fail string           // name of the part whose Start fails
}

// setting is a part's configuration.
type setting struct{ Value string }

func (setting) Validate() error { return nil }

// part is a receiver, processor or exporter.
type part struct {
	r         *reload
	name      string // with the value of its configuration
	report    func(pipeline.Status)
	next      pipeline.Consumer
	sink      *pipelinetest.Sink // an exporter's
	kept      string             // what it was given
	metrics   bool               // an exporter's: the metrics pipeline names it
	inherited string
	ctx       context.Context //nolint:containedctx // a receiver's, for the test that sends
	cancel    context.CancelFunc
}

func newReload(t *testing.T) *reload {
	t.Helper()
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(0, 0), Boot: time.Hour})
	return &reload{t: t, clock: clock, board: pipeline.NewStatusBoard(clock), made: map[string]*part{}}
}

func (r *reload) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *reload) taken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	log := r.log
	r.log = nil
	return log
}

func (r *reload) part(s pipeline.Settings, config pipeline.Config, next pipeline.Consumer) *part {
	p := &part{r: r, name: s.ID.String(), report: s.Report, next: next, metrics: s.ExportsMetrics}
	if c, ok := config.(setting); ok {
		p.name += "=" + c.Value
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	if next == nil {
		p.sink = &pipelinetest.Sink{}
	}
	r.made[s.ID.String()] = p
	return p
}

func (p *part) Start(context.Context) error {
	p.r.note("start %s", p.name)
	if p.name == p.r.fail {
		return errors.New("no such thing")
	}
	p.report(pipeline.Status{State: pipeline.ComponentOK})
	return nil
}

func (p *part) Shutdown(ctx context.Context) error {
	p.r.note("stop %s%s", p.name, map[bool]string{true: " at once"}[ctx.Err() != nil])
	if ctx.Err() != nil {
		p.cancel()
	}
	return nil
}

func (p *part) Consume(ctx context.Context, batch []pipeline.Record) error {
	if p.sink != nil {
		return p.sink.Consume(ctx, batch)
	}
	return p.next.Consume(ctx, batch)
}

func (p *part) Keep() pipeline.Encode {
	return func() ([]byte, error) { return []byte(p.name), nil }
}

func (p *part) Resume(kept []byte) error {
	p.kept = string(kept)
	if p.kept == "broken" {
		return errors.New("cannot read it")
	}
	return nil
}

func (p *part) Inherit(from pipeline.Component) {
	if old, ok := from.(*part); ok {
		p.inherited = old.name
	}
}

// build makes a graph. Components are written TYPE[/NAME][=VALUE].
func (r *reload) build(previous *pipeline.Graph, pipelines ...string) *pipeline.Graph {
	r.t.Helper()
	graph, err := r.tryBuild(previous, pipelines...)
	require.NoError(r.t, err)
	return graph
}

func (r *reload) tryBuild(previous *pipeline.Graph, pipelines ...string) (*pipeline.Graph, error) {
	config := pipeline.GraphConfig{
		Receivers: map[pipeline.ID]pipeline.Config{}, Processors: map[pipeline.ID]pipeline.Config{}, Exporters: map[pipeline.ID]pipeline.Config{},
	}
	for _, text := range pipelines { // NAME: receivers | processors | exporters
		name, stages, _ := strings.Cut(text, ": ")
		parts := strings.Split(stages, "|")
		list := func(i int, into map[pipeline.ID]pipeline.Config) (list []pipeline.ID) {
			for word := range strings.FieldsSeq(parts[i]) {
				text, value, _ := strings.Cut(word, "=")
				id, err := pipeline.ParseID(text)
				require.NoError(r.t, err)
				into[id] = setting{Value: value}
				list = append(list, id)
			}
			return list
		}
		config.Pipelines = append(config.Pipelines,
			wired(name, list(0, config.Receivers), list(1, config.Processors), list(2, config.Exporters)))
	}
	settings := pipelinetest.Settings(r.t, "agent")
	settings.Clock = r.clock
	return pipeline.BuildGraph(r.factories(), config, pipeline.GraphSettings{
		Settings: settings, Meters: noop.NewMeterProvider(), Board: r.board, Previous: previous,
	})
}

func (r *reload) factories() pipeline.Factories {
	return pipeline.Factories{
		Receivers: map[string]pipeline.ReceiverFactory{"in": {Type: "in",
			Create: func(s pipeline.Settings, c pipeline.Config, next pipeline.Consumer) (pipeline.Component, error) {
				return r.part(s, c, next), nil
			}}},
		Processors: map[string]pipeline.ProcessorFactory{"mid": {Type: "mid",
			Create: func(s pipeline.Settings, c pipeline.Config, next pipeline.Consumer) (pipeline.Processor, error) {
				return r.part(s, c, next), nil
			}}},
		Exporters: map[string]pipeline.ExporterFactory{"out": {Type: "out",
			Create: func(s pipeline.Settings, c pipeline.Config) (pipeline.Exporter, error) {
				return r.part(s, c, nil), nil
			}}},
	}
}

// started builds a first graph and starts it.
func (r *reload) started(pipelines ...string) *pipeline.Graph {
	r.t.Helper()
	graph := r.build(nil, pipelines...)
	require.NoError(r.t, graph.Start(r.t.Context()))
	r.taken()
	return graph
}

func (r *reload) send(receiver string, lines ...string) {
	r.t.Helper()
	require.NoError(r.t, r.made[receiver].next.Consume(r.made[receiver].ctx, pipelinetest.Lines(receiver, 1, lines...)))
}

func (r *reload) statuses() (list []string) {
	for _, status := range r.board.All() {
		list = append(list, status.Kind+" "+status.ID+" "+status.State.String())
	}
	return list
}

func TestWhatIsUnchangedGoesOn(t *testing.T) {
	r := newReload(t)
	old := r.started("a: in | mid=1 | out", "b: in | | out/2")
	in, out := r.made["in"], r.made["out"]
	next := r.build(old, "a: in | mid=2 | out", "c: in | mid=2 | out/3")
	require.Same(t, in, r.made["in"], "nothing is made anew")
	require.Same(t, out, r.made["out"])
	r.send("in", "before")
	swapped := false
	require.NoError(t, next.TakeOver(t.Context(), old, time.Minute, func(succeed, observe func()) {
		succeed()
		observe()
		swapped = true
		r.note("swap")
	}))
	require.True(t, swapped)
	log := r.taken()
	require.Equal(t, []string{"start out/3=", "start mid=2", "start mid=2", "swap", "stop mid=1", "stop out/2="}, log)
	require.NotContains(t, r.statuses(), "exporter out/2 ok")
	r.send("in", "after")
	require.Equal(t, []string{"before", "after"}, out.sink.Lines())
	require.Equal(t, []string{"after"}, r.made["out/3"].sink.Lines())
	require.NoError(t, next.Shutdown(t.Context()))
}

func TestWhatChangedHandsOver(t *testing.T) {
	r := newReload(t)
	old := r.started("a: in=1 in/gone | mid=1 | out=1 out/gone")
	oldIn, oldOut := r.made["in"], r.made["out"]
	next := r.build(old, "a: in=2 in/new | mid=2 | out=2 out/new")
	require.NoError(t, next.TakeOver(t.Context(), old, time.Minute, func(succeed, observe func()) { succeed(); observe(); r.note("swap") }))
	require.Equal(t, []string{
		"start out/new=", "stop in=1 at once", "stop in/gone= at once", "stop out=1 at once",
		"start out=2", "start mid=2", "swap", "start in=2", "start in/new=", "stop mid=1", "stop out/gone=",
	}, r.taken(), "no stage gets a batch before it has started; what is gone has time to deliver")
	for name, kept := range map[string]string{"in": "in=1", "mid": "mid=1", "out": "out=1", "in/new": "", "out/new": ""} {
		require.Equal(t, kept, r.made[name].kept, name)
	}
	require.Equal(t, "mid=1", r.made["mid"].inherited)
	require.ErrorIs(t, oldIn.next.Consume(oldIn.ctx, pipelinetest.Lines("in", 1, "late")), context.Canceled, "the old one sends nothing more")

	oldOut.report(pipeline.Status{State: pipeline.ComponentDegraded, Reason: "late"})
	require.Equal(t, []string{
		"receiver in ok", "receiver in/new ok", "processor mid ok", "exporter out ok", "exporter out/new ok",
	}, r.statuses(), "the new ones' alone")
	r.send("in", "x")
	require.Equal(t, []string{"x"}, r.made["out"].sink.Lines())
	require.Empty(t, oldOut.sink.Lines())
	require.NoError(t, next.Shutdown(t.Context()))
}

func TestAnAddedExporterThatFailsLeavesTheOldGraph(t *testing.T) {
	r := newReload(t)
	old := r.started("a: in=1 | mid | out")
	in, out := r.made["in"], r.made["out"]
	next := r.build(old, "a: in=2 | mid | out out/bad out/good")
	r.fail = "out/bad="
	err := next.TakeOver(t.Context(), old, time.Minute, func(_, _ func()) { t.Error("swapped") })
	require.ErrorContains(t, err, "start exporter out/bad: no such thing")
	require.Equal(t, []string{"start out/bad=", "stop out/bad="}, r.taken())
	require.Equal(t, []string{"receiver in ok", "processor mid ok", "exporter out ok"}, r.statuses())
	require.NoError(t, in.next.Consume(in.ctx, pipelinetest.Lines("in", 1, "x")))
	require.Equal(t, []string{"x"}, out.sink.Lines())

	r.fail = ""
	again := r.build(old, "a: in=3 | mid | out")
	require.NoError(t, again.TakeOver(t.Context(), old, time.Minute, func(succeed, observe func()) { succeed(); observe() }), "the next reload works")
	require.Equal(t, "in=1", r.made["in"].kept)
	r.send("in", "y")
	require.Equal(t, []string{"x", "y"}, out.sink.Lines())
	require.NoError(t, again.Shutdown(t.Context()))
}

func TestWhatFailsAtTheBorderIsToldAndTheRestRuns(t *testing.T) {
	r := newReload(t)
	old := r.started("a: in | mid | out=1")
	next := r.build(old, "a: in | mid | out=2")
	r.fail = "out=2"
	swapped := false
	err := next.TakeOver(t.Context(), old, time.Minute, func(succeed, observe func()) { succeed(); observe(); swapped = true })
	require.ErrorContains(t, err, "start exporter out: no such thing")
	require.True(t, swapped)
	r.send("in", "x")
	require.Equal(t, []string{"x"}, r.made["out"].sink.Lines())
	require.NoError(t, next.Shutdown(t.Context()))
}

func TestAStalledPipelineLeavesTheOldGraph(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReload(t)
		old := r.started("a: in | mid=1 | out", "b: in/2 | | out/2")
		in, out := r.made["in"], r.made["out"]
		release, sent := make(chan struct{}), make(chan error)
		out.sink.Gate = func(context.Context) error { <-release; return nil }
		go func() { sent <- in.next.Consume(in.ctx, pipelinetest.Lines("in", 1, "slow")) }()
		synctest.Wait()
		next := r.build(old, "a: in | mid=2 | out out/new", "b: in/2=x | | out/2")
		require.ErrorIs(t, next.TakeOver(t.Context(), old, time.Minute, func(_, _ func()) { t.Error("swapped") }), pipeline.ErrStalled)
		require.Equal(t, []string{"start out/new=", "stop out/new="}, r.taken())
		require.NotContains(t, r.statuses(), "exporter out/new ok")
		require.ErrorIs(t, old.Hold(time.Second, func() {}), pipeline.ErrStalled)
		close(release)
		require.NoError(t, <-sent)
		require.NoError(t, in.next.Consume(in.ctx, pipelinetest.Lines("in", 1, "next")))
		require.Equal(t, []string{"slow", "next"}, out.sink.Lines())
		require.NoError(t, old.Hold(time.Second, func() {}))
		require.NoError(t, old.Shutdown(t.Context()))
	})
}

func TestABuildThatFailsChangesNothing(t *testing.T) {
	r := newReload(t)
	old := r.started("a: in | mid | out")
	_, err := r.tryBuild(old, "a: in | nope | out")
	require.ErrorContains(t, err, "no processor of type nope")
	r.send("in", "x")
	require.Equal(t, []string{"x"}, r.made["out"].sink.Lines())
	require.Empty(t, r.taken())
	require.NoError(t, old.Shutdown(t.Context()))
}

func TestKeptByName(t *testing.T) {
	r := newReload(t)
	graph := r.build(nil, "a: in | mid | out", "b: in | mid | out/2")
	require.EqualError(t, graph.Resume(map[string][]byte{"receiver in": []byte("p"), "exporter gone": []byte("x"), "conditions": []byte("c")}),
		"what the exporter gone had kept is dropped, for it is not in the configuration any more")
	require.Equal(t, "p", r.made["in"].kept)
	require.ErrorContains(t, graph.Resume(map[string][]byte{"exporter out": []byte("broken")}), "resume exporter out: cannot read it")
	kept := graph.Keep()
	names := make([]string, 0, len(kept))
	for name, encode := range kept {
		text, err := encode()
		require.NoError(t, err)
		require.NotEmpty(t, text)
		names = append(names, name)
	}
	slices.Sort(names)
	require.Equal(t, []string{"exporter out", "exporter out/2", "processor logs/a mid", "processor logs/b mid", "receiver in"}, names)
}

// TestNoBatchIsSplitBetweenGraphs reloads again and again under load: each batch goes
// through all pipelines of one graph, once, or is refused and sent again by the
// receiver's successor.
func TestNoBatchIsSplitBetweenGraphs(t *testing.T) {
	const rounds = 60
	r := newReload(t)
	config := func(round int) []string {
		return []string{fmt.Sprintf("a: in in/2=%d | mid=%d | out/a", round/2, round), fmt.Sprintf("b: in in/2=%d | mid=%d | out/b", round/2, round)}
	}
	graph := r.started(config(0)...)
	a, b := r.made["out/a"], r.made["out/b"]
	var ended, senders sync.WaitGroup
	stop := make(chan struct{})
	want := map[string]*int{"in": new(int), "in/2": new(int)}
	send := func(p *part, id string) {
		for n := want[id]; ; {
			select {
			case <-stop:
				return
			default:
			}
			batch := pipelinetest.Lines(id, uint64(*n), fmt.Sprint(id, " ", *n))
			if pipeline.Send(p.ctx, p.next, batch, func() { *n++ }) != nil {
				return
			}
		}
	}
	unchanged, changing := r.made["in"], r.made["in/2"]
	senders.Go(func() { send(unchanged, "in") })
	begin := func(p *part) { ended.Go(func() { send(p, "in/2") }) }
	begin(changing)
	for round := range rounds {
		next := r.build(graph, config(round+1)...)
		require.NoError(t, next.TakeOver(t.Context(), graph, 10*time.Second, func(succeed, observe func()) { succeed(); observe() }))
		if r.made["in/2"] != changing { // where the old one had come to
			ended.Wait()
			changing = r.made["in/2"]
			begin(changing)
		}
		graph = next
	}
	for id := range want { // on a machine under load a sender may not have come to its turn
		b.sink.WaitFor(t, "a line of "+id, func(records []pipeline.Record) bool {
			return slices.ContainsFunc(records, func(r pipeline.Record) bool { return r.Receiver == id })
		})
	}
	close(stop)
	senders.Wait()
	ended.Wait()
	require.NoError(t, graph.Shutdown(t.Context()))
	for id, n := range want {
		for _, sink := range []*pipelinetest.Sink{a.sink, b.sink} {
			count := 0
			for _, record := range sink.Records() {
				if record.Receiver == id {
					require.Equal(t, fmt.Sprint(id, " ", count), string(record.Body), "in order, each once")
					count++
				}
			}
			require.Equal(t, *n, count)
			require.Positive(t, count)
		}
	}
}
