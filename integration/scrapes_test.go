package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// scrapes are what a scraper that never stops has seen of an agent: whatever happens
// to that, each series goes on, and nobody who asks for its status is refused.
type scrapes struct {
	stop    context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	count int
	errs  []error
}

// scrapeOn scrapes an agent that runs, with pauses, until the test or requireWhole ends
// that.
func scrapeOn(t testing.TB, a *agent.Agent, pause time.Duration) *scrapes {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &scrapes{stop: stop}
	before, err := a.Scrape(ctx)
	require.NoError(t, err)
	s.running.Go(func() { s.run(ctx, a, before, pause) })
	t.Cleanup(func() {
		stop()
		s.running.Wait()
	})
	return s
}

func (s *scrapes) run(ctx context.Context, a *agent.Agent, before agent.Scrape, pause time.Duration) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, err := a.Scrape(ctx)
		if ctx.Err() != nil {
			continue
		}
		if err == nil {
			err = now.GoesOn(before)
			before = now
		}
		s.note(errors.Join(err, knock(ctx, a.Status)))
	}
}

// knock connects to an address, and asks nothing.
func knock(ctx context.Context, address string) error {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return connection.Close()
}

func (s *scrapes) note(err error) {
	const enough = 20
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if err != nil && len(s.errs) < enough {
		s.errs = append(s.errs, fmt.Errorf("scrape %d: %w", s.count, err))
	}
}

// requireWhole ends the scraper and requires that no series was missing or there
// twice, that no counter went down, and that it was not asked in vain.
func (s *scrapes) requireWhole(t testing.TB) {
	t.Helper()
	s.stop()
	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NoError(t, errors.Join(s.errs...))
	require.Positive(t, s.count)
	t.Logf("%d scrapes", s.count)
}
