package kernellog

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteAndRead(t *testing.T) {
	before, err := os.ReadFile(rateLimit)
	require.NoError(t, err)
	tag := Tag()
	t.Run("held", func(t *testing.T) {
		log := Open(t)
		first := Last(t)
		log.Write(t, "kernellog one "+tag)
		require.NoError(t, log.WriteMany(20, func(buffer []byte, i int) []byte {
			return fmt.Appendf(buffer, "kernellog many %s %d", tag, i)
		}))
		require.Equal(t, 21, Count(t, tag))
		require.GreaterOrEqual(t, Last(t), first+21)
	})
	after, err := os.ReadFile(rateLimit)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(before)), strings.TrimSpace(string(after)))
	require.NotEqual(t, tag, Tag())
}
