package nodeevents

import (
	"context"
	"errors"
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
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// bubbleClock is the clock of a synctest bubble.
type bubbleClock struct{ began time.Time }

func (c bubbleClock) Now() pipeline.Instant {
	return pipeline.Instant{Wall: time.Now(), Boot: time.Hour + time.Since(c.began)}
}

// server keeps Events as the API server does: by name.
type server struct {
	mu     sync.Mutex
	answer func(*apiserver.Event) error // nil: all is accepted
	delay  time.Duration
	events map[string]*apiserver.Event
	tries  []string // MESSAGE xCOUNT @SECONDS
	began  time.Time

	statuses []error // what the recorder says of it
}

func (s *server) write(ctx context.Context, event *apiserver.Event) error {
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
		return &apiserver.Error{Kind: apiserver.Unreachable, Err: ctx.Err()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries = append(s.tries, fmt.Sprintf("%s x%d @%d", event.Message, event.Count, int(time.Since(s.began).Seconds())))
	if s.answer != nil {
		if err := s.answer(event); err != nil {
			return err
		}
	}
	s.events[event.Name] = new(*event)
	return nil
}

func (s *server) status(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statuses = append(s.statuses, err)
}

// said returns what the recorder has said.
func (s *server) said() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.statuses)
}

func (s *server) last() error {
	said := s.said()
	return said[len(said)-1]
}

// answers makes the server give an answer to every request.
func (s *server) answers(kind apiserver.Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = func(*apiserver.Event) error {
		return &apiserver.Error{Kind: kind, Err: errors.New("the server says no")}
	}
	if kind == 0 {
		s.answer = nil
	}
}

// has are the Events, as MESSAGE xCOUNT.
func (s *server) has() map[string]int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	has := map[string]int32{}
	for _, event := range s.events {
		has[event.Message] += event.Count
	}
	return has
}

// theTries returns the tries since the last call.
func (s *server) theTries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	tries := s.tries
	s.tries = nil
	return tries
}

// stand is a recorder in a bubble, and what is around it.
type stand struct {
	*Recorder
	*server

	t       *testing.T // of the bubble
	config  Config
	options Options
	reader  sdkmetric.Reader
	log     pipelinetest.Output
	next    int
	stop    func() // ends Run and waits for it
}

// inBubble runs f beside a recorder that runs.
func inBubble(t *testing.T, config Config, f func(s *stand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stand{t: t, config: config, server: &server{events: map[string]*apiserver.Event{}, began: time.Now()}}
		s.options = Options{
			Clock: bubbleClock{time.Now()}, Logger: slog.New(slog.NewTextHandler(&s.log, nil)),
			ID: pipeline.ID{Type: "kubernetes"}, Node: "node-1", Boot: pipeline.Boot{ID: bootID}, Write: s.write, Status: s.status,
		}
		s.newProcess()
		s.create()
		s.run()
		defer func() { s.stop() }()
		f(s)
	})
}

// newProcess begins with counters of zero.
func (s *stand) newProcess() {
	s.reader = sdkmetric.NewManualReader()
	s.options.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader)).Meter("test")
}

func (s *stand) create() {
	s.t.Helper()
	var err error
	s.Recorder, err = New(s.config, s.options)
	require.NoError(s.t, err)
	s.sender.backoff.Jitter = func() float64 { return 0.5 }
}

func (s *stand) run() {
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	s.stop = func() {
		cancel()
		running.Wait()
	}
}

// tell tells of new problems with a reason.
func (s *stand) tell(t *testing.T, reason string, messages ...string) {
	t.Helper()
	now := pipeline.Instant{Wall: time.Now()}
	var batch []pipeline.Record
	for _, message := range messages {
		s.next++
		batch = append(batch, problemRecord(s.next, reason, message, now))
	}
	require.NoError(t, s.Record(t.Context(), batch))
	synctest.Wait()
}

// metrics reads all metrics, by NAME or NAME/OUTCOME.
func (s *stand) figures(t *testing.T) map[string]int64 {
	t.Helper()
	var read metricdata.ResourceMetrics
	require.NoError(t, s.reader.Collect(t.Context(), &read))
	figures := map[string]int64{}
	for _, m := range read.ScopeMetrics[0].Metrics {
		sum, ok := m.Data.(metricdata.Sum[int64])
		require.True(t, ok)
		for _, point := range sum.DataPoints {
			exporter, _ := point.Attributes.Value("exporter")
			require.Equal(t, "kubernetes", exporter.AsString())
			name := m.Name
			if outcome, ok := point.Attributes.Value("outcome"); ok {
				name += "/" + outcome.AsString()
			}
			figures[name] = point.Value
		}
	}
	return figures
}

func (s *stand) outcomes(t *testing.T) (all [outcomes]int64) {
	t.Helper()
	figures := s.figures(t)
	for o := range outcomes {
		all[o] = figures["otelnpd.kubernetes.events/"+o.String()]
	}
	return all
}

func TestWaitsForTheNode(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.tell(t, "IOError", "sda", "sda")
		time.Sleep(time.Hour)
		require.Empty(t, s.theTries())
		s.SetNode("node-uid")
		synctest.Wait()
		require.Equal(t, []string{"sda x2 @3600"}, s.theTries())
		require.Equal(t, []error{nil}, s.said())
		s.SetNode("node-uid")
		s.tell(t, "IOError", "sda", "sdb")
		require.Equal(t, map[string]int32{"sda": 3, "sdb": 1}, s.has(), "the same uid again changes nothing")
		s.SetNode("")
		s.tell(t, "IOError", "sda")
		require.Equal(t, map[string]int32{"sda": 4, "sdb": 1}, s.has(), "nor does none")
	})
}

func TestMetrics(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		const events, length, size = "otelnpd.kubernetes.events/", "otelnpd.exporter.queue_length", "otelnpd.exporter.queue_size"
		require.Equal(t, map[string]int64{
			events + "written": 0, events + "folded": 0, events + "suppressed": 0, events + "failed": 0, length: 0, size: 0,
		}, s.figures(t), "all are there from the start")
		s.tell(t, "IOError", "sda", "sdb", "sda")
		weight := int64(2 * (seriesBytes + len("IOError") + len("sda") + len("kernel-monitor")))
		require.Equal(t, map[string]int64{
			events + "written": 0, events + "folded": 0, events + "suppressed": 0, events + "failed": 0, length: 3, size: weight,
		}, s.figures(t))
		s.SetNode("node-uid")
		synctest.Wait()
		require.Equal(t, map[string]int64{
			events + "written": 2, events + "folded": 1, events + "suppressed": 0, events + "failed": 0, length: 0, size: weight,
		}, s.figures(t))
	})
}

func TestOutage(t *testing.T) {
	for kind := apiserver.NoCredentials; kind < apiserver.Refused; kind++ {
		if kind == apiserver.Forbidden {
			continue
		}
		t.Run(kind.String(), func(t *testing.T) {
			inBubble(t, DefaultConfig(), func(s *stand) {
				t := s.t
				s.SetNode("node-uid")
				s.answers(kind)
				s.tell(t, "IOError", "sda")
				s.tell(t, "Oops", "null")
				time.Sleep(55 * time.Minute)
				require.Equal(t, []string{"sda x1 @0", "sda x1 @1", "sda x1 @3", "sda x1 @7", "sda x1 @15", "sda x1 @25"}, s.theTries()[:6])
				require.EqualError(t, s.last(), "the server says no")
				s.tell(t, "IOError", "sda", "sda")
				s.answers(0)
				time.Sleep(11 * time.Second)
				require.Equal(t, map[string]int32{"sda": 3, "null": 1}, s.has(), "the newest count")
				require.NoError(t, s.last())
				require.Equal(t, outcomesOf(2, 2, 0, 0), s.outcomes(t))
				require.Empty(t, s.log.String(), "the status tells of it")

				s.answers(kind)
				s.theTries()
				s.tell(t, "OOM", "pid 1")
				time.Sleep(4 * time.Second)
				require.Len(t, s.theTries(), 3, "it begins anew: at once, after 1 s, after 3 s")
			})
		})
	}
}

// What has gathered goes out no faster than anything else.
func TestPaceAfterAnOutage(t *testing.T) {
	config := DefaultConfig()
	config.PerReason, config.Total = Budget{10, 60}, Budget{10, 60}
	inBubble(t, config, func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.answers(apiserver.Unreachable)
		for i := range 100 {
			s.tell(t, "IOError", fmt.Sprint("disk ", i))
			time.Sleep(time.Second)
		}
		s.answers(0)
		s.theTries()
		time.Sleep(11 * time.Second) // the wait after the last failure
		recovered := len(s.has())
		require.InDelta(t, 15, recovered, 7)
		time.Sleep(20 * time.Second)
		require.InDelta(t, recovered+20, len(s.has()), 1)
		time.Sleep(5 * time.Minute)
		require.Len(t, s.has(), 100)
	})
}

func TestForbidden(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.answers(apiserver.Forbidden)
		s.tell(t, "IOError", "sda", "sda")
		s.tell(t, "Oops", "null")
		time.Sleep(70 * time.Second)
		tries := strings.Join(s.theTries(), " ")
		require.True(t, strings.HasSuffix(tries, " sda x2 @55 sda x2 @65 null x1 @65"), tries)
		require.Equal(t, outcomesOf(0, 0, 0, 2), s.outcomes(t), "given up after a minute of trying")
		require.Contains(t, s.log.String(), `msg="the API server refuses an Event, which is lost" event=node-1.`+uid(1).String()+
			` event_reason=IOError error="the server says no"`)
		s.answers(0)
		time.Sleep(11 * time.Second)
		require.Equal(t, map[string]int32{"null": 1}, s.has())
		s.tell(t, "IOError", "sda")
		require.Equal(t, map[string]int32{"sda": 3, "null": 1}, s.has(), "the count is absolute")
	})
}

func TestRefused(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.answer = func(event *apiserver.Event) error {
			if event.Message == "sda" {
				return &apiserver.Error{Kind: apiserver.Refused, Code: 422, Err: errors.New("sda is not welcome")}
			}
			return nil
		}
		s.tell(t, "IOError", "sda", "sdb")
		require.Equal(t, []string{"sda x1 @0", "sdb x1 @0"}, s.theTries(), "the next follows at once")
		require.Equal(t, map[string]int32{"sdb": 1}, s.has())
		require.Equal(t, outcomesOf(1, 0, 0, 1), s.outcomes(t))
		require.Contains(t, s.log.String(), `error="sda is not welcome"`)
		require.Len(t, s.said(), 2)
		require.EqualError(t, s.said()[0], "sda is not welcome")
		require.NoError(t, s.said()[1])
	})
}

func TestDeletedEventComesBackWhole(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.tell(t, "IOError", "sda", "sda")
		clear(s.events)
		s.tell(t, "IOError", "sda")
		require.Equal(t, map[string]int32{"sda": 3}, s.has())
	})
}

func TestFloodIsSummedUp(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		for i := range 300 {
			s.tell(t, "IOError", fmt.Sprintf("sector %d", i))
		}
		require.Len(t, s.has(), 25)
		require.Equal(t, outcomesOf(25, 0, 275, 0), s.outcomes(t))
		require.Equal(t, 1, strings.Count(s.log.String(), "too many or too old Events"), "told when it begins")
		time.Sleep(29 * time.Second)
		require.Len(t, s.has(), 25)
		time.Sleep(time.Second)
		synctest.Wait()
		tries := s.theTries()
		require.Contains(t, tries[len(tries)-1], "Occurrences without an Event: 275 (275 over the budget), from 2000-01-01T00:00:00Z to 2000-01-01T00:00:00Z. ")
		require.Contains(t, s.log.String(), `msg="Events were suppressed" summary="Occurrences without an Event: 275 `)
		require.Equal(t, outcomesOf(25, 0, 275, 0), s.outcomes(t), "a summary is no occurrence")
	})
}

func TestDrain(t *testing.T) {
	config := DefaultConfig()
	config.Total = Budget{Burst: 2, PerMinute: 1}
	inBubble(t, config, func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.tell(t, "IOError", "sda", "sdb", "sdc")
		s.tell(t, "IOError", "sda")
		require.Equal(t, map[string]int32{"sda": 1, "sdb": 1}, s.has(), "without tokens")
		s.stop()
		require.NoError(t, s.Drain(t.Context()))
		has := s.has()
		require.EqualValues(t, 2, has["sda"], "the last count")
		require.Len(t, has, 3, "and the summary")
		require.Equal(t, outcomesOf(3, 0, 1, 0), s.outcomes(t))
		require.ErrorIs(t, s.Record(t.Context(), nil), ErrClosed)
		require.NoError(t, s.Drain(t.Context()), "it may come twice")
	})
}

func TestDrainWithoutServer(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.answers(apiserver.Unreachable)
		s.tell(t, "IOError", "sda", "sdb", "sda")
		s.stop()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		require.EqualError(t, s.Drain(ctx), "3 occurrences could not be told by Kubernetes Events before the end")
		require.Equal(t, 5*time.Second, time.Since(s.began))
		require.Equal(t, outcomesOf(0, 0, 3, 0), s.outcomes(t))
		require.Zero(t, s.figures(t)["otelnpd.exporter.queue_length"])
	})
}

func TestDrainWithoutNode(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.tell(t, "IOError", "sda")
		s.stop()
		require.EqualError(t, s.Drain(t.Context()), "1 occurrences could not be told by Kubernetes Events before the end")
		require.Empty(t, s.theTries())
	})
}

// A write that the end of Run cuts off is made again by Drain, to the same name.
func TestRunEndsInTheMiddle(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		s.delay = time.Minute
		s.tell(t, "IOError", "sda", "sdb")
		time.Sleep(90 * time.Second)
		s.stop()
		require.Equal(t, 90*time.Second, time.Since(s.began), "it does not wait for the server")
		require.Equal(t, []error{nil}, s.said(), "its own end is no fault of the server")
		s.delay = 0
		require.NoError(t, s.Drain(t.Context()))
		require.Equal(t, map[string]int32{"sda": 1, "sdb": 1}, s.has())
		require.Equal(t, outcomesOf(2, 0, 0, 0), s.outcomes(t))
	})
}

func TestIgnoresWhatIsNoOccurrence(t *testing.T) {
	inBubble(t, DefaultConfig(), func(s *stand) {
		t := s.t
		s.SetNode("node-uid")
		now := pipeline.Instant{Wall: time.Now()}
		observed, provisional := problemRecord(1, "R", "m", now), transitionRecord(2, "R", "m", now)
		observed.Problem.Observe, provisional.Transition.Provisional = true, true
		require.NoError(t, s.Record(t.Context(), []pipeline.Record{{Body: []byte("a line")}, observed, provisional}))
		repeated := transitionRecord(2, "R", "m", now)
		repeated.Transition.Repeated = true
		require.NoError(t, s.Record(t.Context(), []pipeline.Record{repeated}))
		synctest.Wait()
		require.Len(t, s.has(), 1, "what was provisional counts when it comes again")
		require.Equal(t, outcomesOf(1, 0, 0, 0), s.outcomes(t))
	})
}

// Record is called by several pipelines while the sender sends.
func TestConcurrentRecords(t *testing.T) {
	events := &server{events: map[string]*apiserver.Event{}, answer: nil}
	r, err := New(DefaultConfig(), Options{
		Logger: slog.New(slog.DiscardHandler), Meter: noop.NewMeterProvider().Meter(""), Node: "node-1",
		Write: events.write, Status: func(error) {},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var sending, recording sync.WaitGroup
	sending.Go(func() { r.Run(ctx) })
	const pipelines, each = 4, 200
	for p := range pipelines {
		recording.Go(func() {
			for i := range each {
				record := problemRecord(p*each+i, "IOError", fmt.Sprint("disk ", i%5), pipeline.Instant{Wall: time.Now()})
				if err := r.Record(t.Context(), []pipeline.Record{record}); err != nil {
					t.Error(err)
				}
				r.SetNode("node-uid")
			}
		})
	}
	recording.Wait()
	cancel()
	sending.Wait()
	require.NoError(t, r.Drain(t.Context()))
	counted := int32(0)
	for _, n := range events.has() {
		counted += n
	}
	require.EqualValues(t, pipelines*each, counted)
	require.EqualValues(t, pipelines*each, r.ledger.outcomes[written]+r.ledger.outcomes[folded])
}
