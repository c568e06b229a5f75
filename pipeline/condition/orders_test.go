package condition_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two operators silence and unsilence one rule at once: each is told what his own
// order has done.
func TestOrdersAtOnce(t *testing.T) {
	b := newBench(t)
	for range 200 {
		_, err := b.Silence("hung", time.Hour, "r")
		require.NoError(t, err)
		var ended atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				silenced, err := b.Unsilence("hung")
				assert.NoError(t, err)
				if silenced {
					ended.Add(1)
				}
			})
			all.Go(func() {
				view, err := b.Silence("slow", time.Hour, "r")
				assert.NoError(t, err)
				assert.Equal(t, "slow", view.Rule)
			})
			all.Go(func() {
				_, err := b.Unsilence("slow")
				assert.NoError(t, err)
			})
		}
		all.Wait()
		require.EqualValues(t, 1, ended.Load(), "one order has ended it")
	}
}
