package kernellog

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Overwrite writes ordinary lines until the ring holds nothing else, so that no line of
// an earlier test is in a lookback.
func (l *Log) Overwrite(t testing.TB) {
	t.Helper()
	const portion = 1000
	for before := Last(t); first(t) <= before; {
		require.NoError(t, l.WriteMany(portion, func(buffer []byte, i int) []byte {
			return fmt.Appendf(buffer, "kernellog line %d of an ordinary length, which takes the place of an older one", i)
		}))
	}
}

// first returns the sequence number of the oldest record.
func first(t testing.TB) (oldest uint64) {
	t.Helper()
	seen := false
	read(t, func(record Record) {
		if !seen {
			oldest, seen = record.Sequence, true
		}
	})
	return oldest
}
