package journalhash_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalhash"
)

// The vectors are those of the authors' own papers and code.
func TestVectors(t *testing.T) {
	var key [16]byte
	message := make([]byte, 15)
	for i := range key {
		key[i] = byte(i)
	}
	copy(message, key[:])
	require.Equal(t, uint64(0xa129ca6149be45e5), journalhash.Siphash(&key, message))
	require.Equal(t, uint64(0xdeadbeefdeadbeef), journalhash.Jenkins(nil))
	require.Equal(t, uint64(0x17770551ce7226e6), journalhash.Jenkins([]byte("Four score and seven years ago")))
}
