package nodeconditions_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeconditions"
)

// The Node takes the first patch, and the agent is killed before it hears so. The next
// one is not to have one of the types any more.
func TestTypeDroppedAfterAnAnswerThatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.deaf = true
		var kept []byte
		writes := 0
		l := newLab(t, c, func(l *lab) {
			l.write = func(context.Context) {
				require.Empty(t, c.shown("Slow"), "it is written down first")
				text, err := l.Keep(nil)()
				require.NoError(t, err)
				kept, writes = text, writes+1
			}
		})
		l.settle()
		pass(time.Minute)
		require.NotEmpty(t, c.shown("Slow"))
		require.Equal(t, 1, writes, "once for each type")
		l.stop()

		c.deaf = false
		fewer := storeConfig()
		fewer.Types, fewer.Rules, fewer.Hash = fewer.Types[:2], fewer.Rules[:2], "fewer"
		next := newLab(t, c, func(l *lab) { l.kept, l.declared = kept, fewer })
		next.settle()
		pass(time.Second)
		require.Empty(t, c.shown("Slow"))
		require.NotEmpty(t, c.shown("Deadlock"))
		require.Empty(t, next.Deletions())
	})
}

// A reload comes while the state is written in which the Node is known: the Node is
// told nothing before that all the same.
func TestHandOverBeforeTheStateAfterTheSeedIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		written := make(chan struct{})
		l := newLab(t, c, func(l *lab) {
			l.write = func(ctx context.Context) {
				if text, err := l.Keep(nil)(); err == nil && !bytes.Contains(text, []byte(`"claimed":true`)) {
					until(written)(ctx)
				}
			}
		})
		_, err := l.Keep(nil)() // what is kept says that the Node is not known
		require.NoError(t, err)
		l.settle()
		require.Equal(t, []string{get}, c.all())
		l.handOver(func(*nodeconditions.Config) {})
		pass(time.Minute)
		require.Equal(t, []string{get}, c.all())
		close(written)
		synctest.Wait()
		require.Equal(t, []string{get, healthy}, c.all())
	})
}

// A reload comes while it is written down that the types may be the agent's.
func TestHandOverBeforeAClaimIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		written := make(chan struct{})
		l := newLab(t, c, func(l *lab) {
			l.write = until(written)
		})
		c.answer(func(ctx context.Context, _ string) error { return ctx.Err() })
		l.settle()
		l.handOver(func(*nodeconditions.Config) {})
		require.Empty(t, c.shown("Slow"))
		close(written)
		synctest.Wait()
		require.NotEmpty(t, c.shown("Slow"))
	})
}

// What happens meanwhile is told with the first patch.
func TestTheFirstPatchIsOfTheTimeAfterTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		written := make(chan struct{})
		l := newLab(t, c, func(l *lab) { l.write = until(written) })
		l.settle()
		l.match("hung")
		require.Equal(t, []string{get}, c.all())
		close(written)
		synctest.Wait()
		require.Equal(t, []string{get, hung}, c.all())
	})
}

// until is a write that takes until something is closed.
func until(written <-chan struct{}) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-written:
		case <-ctx.Done():
		}
	}
}
