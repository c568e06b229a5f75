package main

import (
	"context"
	"encoding/json"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/receivers/kmsg"
)

// simRing is the kernel's log of one boot: it holds so many lines, and overwrites
// the oldest.
type simRing struct {
	size, batch int

	mu    sync.Mutex
	lines []simLine // all of this boot
	wake  chan struct{}
}

type simLine struct {
	kind simKind
	text string
	at   simStamp
	boot string
}

func (r *simRing) write(line simLine) (sequence uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
	if r.wake != nil {
		close(r.wake)
		r.wake = nil
	}
	return uint64(len(r.lines) - 1)
}

func (r *simRing) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = nil
}

// oldest is the first line that is still there.
func (r *simRing) oldest() uint64 { return uint64(max(0, len(r.lines)-r.size)) }

// next returns the lines from a place on, at most a batch; where there are none,
// what tells of the next one. lost is how many were there and are not any more.
func (r *simRing) next(from uint64) (lines []simLine, lost, head uint64, wake <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	head = uint64(len(r.lines))
	if from > head {
		from = head
	}
	if oldest := r.oldest(); from < oldest {
		lost, from = oldest-from, oldest
	}
	if from == head {
		if r.wake == nil {
			r.wake = make(chan struct{})
		}
		return nil, lost, head, r.wake
	}
	return r.lines[from:min(head, from+uint64(r.batch))], lost, head, nil
}

// simContext is how many lines before its position a source reads once more.
const simContext = 3

func (r *simRing) before(position, first uint64) (lines []simLine, from uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	position = min(position, uint64(len(r.lines)))
	from = max(r.oldest(), first, position-min(position, simContext))
	return r.lines[min(from, position):position], from
}

// simSource receives the ring's lines, as the receiver of /dev/kmsg does: it goes
// on from its position, tells of context, of losses, and of the end of the backlog.
type simSource struct {
	life     *simLife
	settings pipeline.Settings
	next     pipeline.Consumer

	mu       sync.Mutex
	position simPosition

	cancel  context.CancelFunc
	closing chan struct{}
	once    sync.Once
	done    sync.WaitGroup
}

type simPosition struct {
	Boot     string `json:"boot"`
	Next     uint64 `json:"next"`
	Complete bool   `json:"complete"`
}

var _ pipeline.Keeper = (*simSource)(nil)

func newSimSource(life *simLife) pipeline.ReceiverFactory {
	return pipeline.ReceiverFactory{
		Type: kmsg.Type, DefaultConfig: func() pipeline.Config { return kmsg.DefaultConfig() },
		Create: func(settings pipeline.Settings, _ pipeline.Config, next pipeline.Consumer) (pipeline.Component, error) {
			return &simSource{
				life: life, settings: settings, next: next, closing: make(chan struct{}),
				position: simPosition{Boot: settings.Boot.ID, Complete: true},
			}, nil
		},
	}
}

func (s *simSource) Start(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	_, _, head, _ := s.life.world.ring.next(s.position.Next)
	s.settings.Report(pipeline.Status{State: pipeline.ComponentOK})
	s.done.Go(func() { s.run(ctx, head) })
	return nil
}

func (s *simSource) Shutdown(ctx context.Context) error {
	if s.cancel == nil {
		return nil
	}
	s.once.Do(func() { close(s.closing) })
	defer context.AfterFunc(ctx, s.cancel)()
	s.done.Wait()
	s.cancel()
	return nil
}

func (s *simSource) Keep() pipeline.Encode {
	s.mu.Lock()
	defer s.mu.Unlock()
	position := s.position
	if s.life.world.sabotage == positionAhead {
		_, _, position.Next, _ = s.life.world.ring.next(0)
		position.Next += 2
	}
	return func() ([]byte, error) { return json.Marshal(position) }
}

func (s *simSource) Resume(text []byte) error {
	var kept simPosition
	if err := json.Unmarshal(text, &kept); err != nil {
		return err
	}
	if kept.Boot == s.settings.Boot.ID {
		s.position = kept
	}
	return nil
}

// run passes lines on. The backlog is what was there at the start.
func (s *simSource) run(ctx context.Context, backlog uint64) {
	ring := &s.life.world.ring
	reached, live := s.position, false
	records := s.context(reached.Next)
	for {
		lines, lost, _, wake := ring.next(reached.Next)
		if s.life.cutOff() {
			lines, lost, wake = nil, 0, make(chan struct{}) // nothing reaches it any more
		}
		if lost > 0 {
			s.life.world.oracle.lose(reached.Next, lost)
			records = append(records, s.lossRecord(reached.Next))
			reached.Next += lost
			reached.Complete = false
		}
		for i := range lines {
			records = append(records, s.record(&lines[i], reached.Next, ""))
			reached.Next++
		}
		if !live && reached.Next >= backlog {
			live = true
			records = append(records, s.backlogEnd(reached))
		}
		if len(records) > 0 && pipeline.Send(ctx, s.next, records, func() { s.move(reached) }) != nil {
			return
		}
		if records = nil; wake == nil {
			continue
		}
		select {
		case <-wake:
		case <-s.closing:
			return
		}
	}
}

func (s *simSource) move(to simPosition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.position = to
	s.settings.Keeping.Moved()
}

func (s *simSource) context(position uint64) (records []pipeline.Record) {
	lines, from := s.life.world.ring.before(position, 0)
	for i := range lines {
		records = append(records, s.record(&lines[i], from+uint64(i), pipeline.EventContext))
	}
	return records
}

func simPlace(boot string, sequence uint64) pipeline.Place {
	return pipeline.Place{Scope: boot, Source: "kmsg", Position: sequence}
}

func (s *simSource) record(line *simLine, sequence uint64, event string) pipeline.Record {
	return pipeline.Record{
		Time: line.at.wall, ObservedTime: s.settings.Clock.Now().Wall, EventName: event, Severity: log.SeverityWarn,
		Boot: pipeline.BootTime{ID: line.boot, At: line.at.boot}, Receiver: s.settings.ID.String(),
		Body: []byte(line.text), Place: simPlace(line.boot, sequence),
	}
}

func (s *simSource) stamped(sequence uint64, event string) pipeline.Record {
	now := s.settings.Clock.Now()
	return pipeline.Record{
		Time: now.Wall, ObservedTime: now.Wall, EventName: event, Receiver: s.settings.ID.String(),
		Boot: pipeline.BootTime{ID: s.settings.Boot.ID, At: now.Boot}, Place: simPlace(s.settings.Boot.ID, sequence),
	}
}

func (s *simSource) backlogEnd(at simPosition) pipeline.Record {
	record := s.stamped(at.Next, pipeline.EventBacklogEnd)
	if at.Complete {
		record.Attributes = pipeline.AttributeList{attribute.Bool(pipeline.AttributeBacklogComplete, true)}
	}
	return record
}

func (s *simSource) lossRecord(at uint64) pipeline.Record {
	record := s.stamped(at, pipeline.EventProblem)
	record.Severity = log.SeverityWarn
	record.Problem = &pipeline.Problem{
		UID: pipeline.ProblemUID(simNode, record.Place, kmsg.RuleLost), Rule: kmsg.RuleLost, Reason: kmsg.ReasonLost,
		Message: "lines were lost", Severity: log.SeverityWarn, State: pipeline.StateProblem, Count: 1,
	}
	return record
}
