package condition

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

func numbered(n uint32) (uid pipeline.UID) {
	binary.BigEndian.PutUint32(uid[:], n)
	return uid
}

func TestToldRemembersTheNewest(t *testing.T) {
	var all told
	require.False(t, all.has(numbered(1)))
	const n = 5*maxTold + 7
	for i := range uint32(n) {
		all.add(numbered(i))
	}
	for i := range uint32(maxTold) {
		require.True(t, all.has(numbered(n-1-i)))
	}
	require.False(t, all.has(numbered(0)))
	require.LessOrEqual(t, len(all.newer)+len(all.older), 2*maxTold)
}
