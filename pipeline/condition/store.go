package condition

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/otelnpd/otelnpd/pipeline"
)

// ErrUnknownCondition is returned for a condition type that is not declared.
var ErrUnknownCondition = errors.New("no such condition")

// ErrNotConfigured is returned by a store that has no configuration yet.
var ErrNotConfigured = errors.New("the condition store has no configuration")

// ErrStarting is returned for orders that come before what was kept fits this start.
var ErrStarting = errors.New("the agent is starting: try again in a moment")

// ErrSeeded is returned for a seed that nobody waits for.
var ErrSeeded = errors.New("the condition store waits for no seed")

// Options are what a store needs.
type Options struct {
	Clock pipeline.Clock
	// Boot is the boot that the agent runs in.
	Boot pipeline.Boot
	// Node is the node's name.
	Node   string
	Logger *slog.Logger
	// ExpectSeed tells that an exporter will bring the Node's conditions. Until
	// then transitions are provisional.
	ExpectSeed bool
	// Keeping is told of changes in what [Store.Keep] returns.
	Keeping pipeline.Keeping
	// Sync writes down what Keep returns, and waits for that as long as ctx lets and
	// it is prudent; nil: nothing is written down.
	Sync func(ctx context.Context)
}

// Store is the one holder of the conditions' state. Processors, timers, the
// operator, reloads and the Node feed it; it gives each transition, in order and
// once, to all sinks. All methods are safe for concurrent use, but a sink must
// not call any that changes something from within its Consume.
type Store struct {
	options  Options
	problems problemCounts
	semconv  bool // the problem metrics are told by OpenTelemetry's names too
	cut      atomic.Pointer[problemCut]
	timer    timer

	// input serialises inputs and the publication of what they bring about.
	input sync.Mutex
	sinks []pipeline.Consumer
	// While holding, transitions wait in held.
	holding bool
	held    []Change
	match   Match // reused from match to match
	names   interned

	// mu guards the rest; it is never held while a sink is called.
	mu      sync.RWMutex
	book    *Book
	state   *State
	journal *Journal
	told    told            // while the journal is kept
	resumed *kept           // until Configure
	strange map[string]bool // unknown rules that were logged
	settled chan struct{}
	// expected is set once the receivers are known.
	expected bool
	// journalKept is set once a journal may have been written down; unwritten while
	// the state after it is not.
	journalKept, unwritten bool
	// claimUnwritten is set while a [Claim] is not written down.
	claimUnwritten atomic.Bool
	// wentOn is set once what has changed while the agent was away is judged;
	// starting until then, where something was kept.
	wentOn, starting bool
}

// Result is what the processor that brought a record needs to know.
type Result struct {
	// Fired is a problem that acts on no condition: it goes on down the pipeline.
	Fired *pipeline.Problem
	// Dropped tells why the record was not heard; empty: it was.
	Dropped Drop
	// JoinedOther tells that a match joined the instance (other), because there
	// is no room for more instances.
	JoinedOther bool
}

// NewStore makes a store. It judges nothing before [Store.Configure].
func NewStore(options Options) *Store {
	return &Store{
		options: options, timer: newTimer(), names: interned{}, strange: map[string]bool{}, settled: make(chan struct{}),
	}
}

// Configure gives the store its configuration, the first time and at each
// reload. The sinks are told what a reload changes.
func (s *Store) Configure(config *Config) error {
	book, err := NewBook(config)
	if err != nil {
		return fmt.Errorf("configure the conditions: %w", err)
	}
	s.input.Lock()
	defer s.input.Unlock()
	now := s.now()
	if s.book == nil {
		s.begin(book, now)
		return nil
	}
	_, err = s.step(context.Background(), &Reload{}, book, now)
	s.timer.poke()
	return err
}

func (s *Store) now() Now {
	return Now{Instant: s.options.Clock.Now(), Current: s.options.Boot}
}

// ExpectBacklogs names all receivers that feed the conditions. The backlog of
// those that are new must have been judged before timers act and the Node is told
// anything. It is called before they start, also when there are none.
func (s *Store) ExpectBacklogs(receivers []string) {
	s.mu.Lock()
	s.expected = s.book != nil
	s.mu.Unlock()
	s.tell(&Receivers{IDs: slices.Clone(receivers)})
}

// Apply judges a record: a problem, a recovery, a verdict or the end of a
// backlog. Other records do nothing. Transitions go to the sinks before Apply
// returns; the error is theirs, and means that they are shutting down.
func (s *Store) Apply(ctx context.Context, record *pipeline.Record) (Result, error) {
	s.input.Lock()
	defer s.input.Unlock()
	if s.book == nil {
		return Result{}, ErrNotConfigured
	}
	in := s.inputOf(record)
	if in == nil {
		return Result{}, nil
	}
	out, err := s.step(ctx, in, s.book, s.now())
	if out.Dropped == DropUnknownRule {
		s.logUnknown(record.Problem.Rule)
	}
	return Result{Fired: out.Fired, Dropped: out.Dropped, JoinedOther: out.JoinedOther}, err
}

// Clear ends all causes of a condition for the operator. The request's id makes
// the identity of the Event: the same request told twice makes one.
func (s *Store) Clear(ctx context.Context, conditionType, requestID string) error {
	s.input.Lock()
	defer s.input.Unlock()
	if err := s.ready(); err != nil {
		return err
	}
	if s.book.byType[conditionType] == nil {
		return fmt.Errorf("clear condition %q: %w; there are: %s", conditionType, ErrUnknownCondition, strings.Join(s.book.names(), ", "))
	}
	// The state changes for good: the sinks hear of it even if the operator leaves.
	_, err := s.step(context.WithoutCancel(ctx), &OperatorClear{Type: conditionType, RequestID: requestID}, s.book, s.now())
	return err
}

// ready tells why an operator's order cannot be judged yet. The caller holds s.input.
func (s *Store) ready() error {
	switch {
	case s.book == nil:
		return ErrNotConfigured
	case s.starting:
		return ErrStarting
	default:
		return nil
	}
}

func (b *Book) names() []string {
	names := make([]string, 0, len(b.types))
	for _, t := range b.types {
		names = append(names, t.Name)
	}
	return names
}

// SourceDegraded tells whether a receiver cannot read its source. The timers of
// the causes that it feeds stand still meanwhile.
func (s *Store) SourceDegraded(receiver string, degraded bool) {
	s.tell(&SourceState{Receiver: receiver, Degraded: degraded})
}

// FirstVerdictsIn ends the waiting for the first verdicts of checks.
func (s *Store) FirstVerdictsIn() { s.tell(&FirstVerdicts{}) }

// NotePatched tells that the Node has accepted a condition.
func (s *Store) NotePatched(c pipeline.Condition) {
	if !writable(c.LastTransitionTime) {
		return // it is none of ours
	}
	s.tell(&Patched{
		Type: c.Type, Status: c.Status, Reason: c.Reason, Message: c.Message, LastTransitionTime: c.LastTransitionTime,
	})
}

// NoteDeleted tells that a type of [Store.Deletions] is gone from the Node.
func (s *Store) NoteDeleted(conditionType string) { s.tell(&Deleted{Type: conditionType}) }

// tell judges an input whose sinks' refusal nobody waits for.
func (s *Store) tell(in Input) {
	s.input.Lock()
	defer s.input.Unlock()
	if s.book == nil {
		return
	}
	if _, err := s.step(context.Background(), in, s.book, s.now()); err != nil {
		s.options.Logger.Debug("an exporter that is shutting down refused a transition", "error", err)
	}
	s.timer.poke()
}

// step judges an input and publishes what it brings about. The caller holds
// s.input.
func (s *Store) step(ctx context.Context, in Input, book *Book, now Now) (Outcome, error) {
	s.mu.Lock()
	before, armed := s.state.NextTimer()
	out := s.state.Step(book, in, now)
	if book != s.book {
		s.book = book
		s.problems.publish(book)
	}
	if s.journal != nil {
		s.note(in, now, &out)
	}
	s.problems.note(book, &out)
	s.noteKept(in, &out)
	s.settle()
	after, rearmed := s.state.NextTimer()
	s.mu.Unlock()
	if rearmed && (!armed || after < before) {
		s.timer.poke()
	}
	return out, s.tellSinks(ctx, out.Changes, now)
}

// note keeps an input for a late seed. The caller holds s.mu.
func (s *Store) note(in Input, now Now, out *Outcome) {
	overflows := s.journal.Overflows
	if expected, ok := in.(*Receivers); ok {
		s.journal.Expect(expected, s.book, now)
	} else {
		s.journal.Note(keep(in), s.book, now, out)
	}
	if s.journal.Overflows > overflows {
		s.options.Logger.Warn("too much has happened before the Node's conditions could be read: " +
			"the oldest of it will be judged without them")
	}
	for i := range out.Changes {
		out.Changes[i].Provisional = true
		s.told.add(out.Changes[i].UID)
	}
}

// settle tells that the Node may be told, once it may.
func (s *Store) settle() {
	select {
	case <-s.settled:
	default:
		if s.journal == nil && !s.unwritten && s.expected && s.state.Settled() {
			close(s.settled)
		}
	}
}

// Settled is closed once the Node's conditions, the backlogs and the first
// verdicts are in. Nothing is patched before.
func (s *Store) Settled() <-chan struct{} { return s.settled }

// Seed gives the store what the Node says of its conditions, early or late. If ctx
// ends it, [Store.Resettle] goes on.
func (s *Store) Seed(ctx context.Context, seed Seed) error {
	err := s.takeSeed(ctx, seed)
	s.writeAfterSeed(ctx)
	return err
}

// Resettle goes on with a [Store.Seed] that was cut short after it had taken what the
// Node says: nothing is patched before.
func (s *Store) Resettle(ctx context.Context) { s.writeAfterSeed(ctx) }

// writeAfterSeed has the state written down in which the Node is known, before the
// Node is told anything, if one had been written in which it was not: an agent that
// is killed in between would judge by what the Node says then as if it had said so
// before.
func (s *Store) writeAfterSeed(ctx context.Context) {
	s.mu.Lock()
	unwritten := s.unwritten
	s.mu.Unlock()
	if !unwritten {
		return
	}
	s.options.Sync(ctx)
	if ctx.Err() != nil {
		return // whoever takes the place of who was told to end goes on with it
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwritten = false
	s.settle()
}

func (s *Store) takeSeed(ctx context.Context, seed Seed) error {
	s.input.Lock()
	defer s.input.Unlock()
	if s.book == nil {
		return ErrNotConfigured
	}
	if s.journal == nil {
		return ErrSeeded
	}
	now := s.now()
	out := s.replay(&seed, now)
	for _, c := range out.Unexplained {
		s.options.Logger.Warn("no rule explains a cause that the Node shows; it stays until a boot or until you clear it",
			"condition", c.Type, "reason", c.Reason, "message", c.Message, "command", "otelnpd conditions clear "+c.Type)
	}
	s.timer.poke()
	err := s.tellSinks(ctx, out.Changes, now)
	return errors.Join(err, s.snapshot(ctx, now, s.sinks))
}

func (s *Store) replay(seed *Seed, now Now) Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	state, out := s.journal.Seed(seed, s.book, now)
	state.keepEvents(s.state, s.book)
	s.state = state
	for i := range out.Changes {
		out.Changes[i].Repeated = s.told.has(out.Changes[i].UID)
	}
	s.problems.note(s.book, &out)
	s.journal, s.told = nil, told{}
	s.unwritten = s.journalKept && s.options.Sync != nil
	s.options.Keeping.Changed()
	s.settle()
	return out
}
