package interrupt_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline/source/kmsg/interrupt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWait(t *testing.T) {
	in, err := interrupt.New()
	require.NoError(t, err)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	fd := int(reader.Fd())

	_, err = writer.WriteString("x")
	require.NoError(t, err)
	readable, raised, err := in.Wait(fd)
	require.Equal(t, []any{true, false, nil}, []any{readable, raised, err})

	waited := make(chan []any)
	go func() {
		readable, raised, err := in.Wait(-1) // for nothing but Raise
		waited <- []any{readable, raised, err}
	}()
	require.False(t, in.Raised())
	require.NoError(t, in.Raise())
	require.NoError(t, in.Raise())
	require.True(t, in.Raised())
	require.Equal(t, []any{false, true, nil}, <-waited)
	readable, raised, err = in.Wait(fd)
	require.Equal(t, []any{true, true, nil}, []any{readable, raised, err}, "it stays raised")

	require.NoError(t, writer.Close())
	_, err = reader.Read(make([]byte, 1))
	require.NoError(t, err)
	readable, _, err = in.Wait(fd)
	require.NoError(t, err)
	require.True(t, readable, "the end can be read")

	require.NoError(t, reader.Close())
	require.NoError(t, in.Close())
	require.NoError(t, in.Close())
	require.NoError(t, in.Raise(), "nobody is there any more")
}
