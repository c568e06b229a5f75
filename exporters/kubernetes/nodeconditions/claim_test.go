package nodeconditions_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The Node takes the first patch, and the agent is killed before it hears so. The next
// one is not to have one of the types any more.
func TestTypeDroppedAfterAnAnswerThatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.deaf = true
		var l *lab
		var kept []byte
		writes := 0
		l = newLab(t, c, func(l *lab) {
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
