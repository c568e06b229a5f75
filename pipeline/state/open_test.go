package state_test

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

// open makes a writer and opens the state.
func (a *agent) open(t *testing.T) (*state.Writer, state.Document, error) {
	t.Helper()
	w, err := state.NewWriter(a.options())
	require.NoError(t, err)
	document, err := w.Open(t.Context())
	return w, document, err
}

func fixture(t *testing.T) []byte {
	t.Helper()
	data, err := state.Encode(small())
	require.NoError(t, err)
	return data
}

func TestOpenReadsWhatWasWritten(t *testing.T) {
	a := newAgent()
	a.disk.Put("state.json", fixture(t))
	a.disk.Put("state.json.new", []byte("half a fi"))
	w, document, err := a.open(t)
	require.NoError(t, err)
	require.Equal(t, small(), document)
	require.True(t, a.disk.Locked())
	require.Nil(t, a.disk.File("state.json.new"), "what a crash left is removed")
	a.requireOK(t)
	shutdown(t, w)
	require.Empty(t, a.log.String())
}

func TestFirstStart(t *testing.T) {
	a := newAgent()
	w, document, err := a.open(t)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "there is no state yet")
	require.Zero(t, document)
	a.requireOK(t)
	shutdown(t, w)
	require.Empty(t, a.log.String())
}

func TestWhatCannotBeReadIsSetAside(t *testing.T) {
	damaged := fixture(t)
	damaged[200] ^= 4
	for name, tt := range map[string]struct {
		data []byte
		err  error
		as   string
		log  []string
	}{
		"corrupt": {damaged, state.ErrCorrupt, "corrupt", []string{"its checksum is wrong", "look at the disk"}},
		"empty":   {[]byte{}, state.ErrCorrupt, "corrupt", []string{"it does not begin with"}},
		"newer": {
			[]byte(`{"otelnpd_state":7,"blob":`), state.ErrNewer, "schema-7",
			[]string{"it has schema 7, this one reads up to 2", "go back to that version"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // for its clock
				a := newAgent()
				a.disk.Put("state.json", tt.data)
				w, document, err := a.open(t)
				require.ErrorIs(t, err, tt.err)
				require.Zero(t, document)
				require.Nil(t, a.disk.File("state.json"))
				aside := "state.json." + tt.as + "-20000101T000000Z"
				require.Equal(t, tt.data, a.disk.File(aside))
				a.requireOK(t) // the disk is fine: what was lost is in the log and the metric

				require.NoError(t, w.Start(t.Context()))
				a.set(5)
				require.NoError(t, w.Sync(t.Context()))
				require.Equal(t, 5, on(t, a.disk))
				shutdown(t, w)
				for _, want := range append(tt.log, "level=WARN", "path=/var/lib/otelnpd/state.json", "set_aside=/var/lib/otelnpd/"+aside) {
					require.Contains(t, a.log.String(), want)
				}
				require.Equal(t, 1, a.figure(t, "otelnpd.state.set_aside/corrupt")+a.figure(t, "otelnpd.state.set_aside/newer"))
				require.Equal(t, tt.err == state.ErrNewer, a.figure(t, "otelnpd.state.set_aside/newer") == 1) //nolint:errorlint // one of the table
			})
		})
	}
}

// The newest three are kept, whatever they are, and the one of now in any case.
func TestFewAreSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := statetest.NewDisk()
		for _, name := range []string{"state.json.corrupt-20300101T000000Z", "state.json.corrupt.bak", "mine"} {
			disk.Put(name, []byte("kept"))
		}
		for i := range 6 {
			a := newAgent()
			a.disk = disk
			disk.Put("state.json", fmt.Appendf(nil, `{"otelnpd_state":%d,`, i%2*4))
			w, _, err := a.open(t)
			require.Error(t, err)
			shutdown(t, w)
			time.Sleep(24 * time.Hour)
		}
		names, err := disk.Names()
		require.NoError(t, err)
		require.Equal(t, []string{
			"mine", "state.json.corrupt-20000105T000000Z", "state.json.corrupt-20300101T000000Z", "state.json.corrupt.bak",
			"state.json.schema-4-20000106T000000Z",
		}, names)
	})
}

// Where not even that can be done, the agent goes on.
func TestWhatCannotBeSetAsideIsOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgent()
		a.disk.Put("state.json", []byte("nonsense"))
		a.disk.Fail(statetest.Rename, unix.EIO)
		w, _, err := a.open(t)
		require.ErrorIs(t, err, state.ErrCorrupt)
		a.disk.Fail(statetest.Rename, nil)
		require.NoError(t, w.Start(t.Context()))
		a.set(1)
		require.NoError(t, w.Sync(t.Context()))
		require.Equal(t, 1, on(t, a.disk))
		shutdown(t, w)
		require.Contains(t, a.log.String(), "nor be set aside")
	})
}

// The disk is asked again though nothing changes: the status must not stay
// degraded, and it must be known before something is worth keeping.
func TestDiskThatFailsAtStart(t *testing.T) {
	for _, operation := range []statetest.Operation{statetest.Lock, statetest.Read} {
		t.Run(string(operation), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent()
				a.disk.Put("state.json", fixture(t))
				a.disk.Fail(operation, unix.EROFS)
				w, document, err := a.open(t)
				if operation == statetest.Lock {
					require.NoError(t, err)
					require.Equal(t, small(), document, "what cannot be written can be read")
				} else {
					require.ErrorIs(t, err, unix.EROFS)
					require.Zero(t, document)
				}
				a.requireDegraded(t, "read-only file system", "make /var/lib/otelnpd writable for the agent")
				a.set(9)
				require.NoError(t, w.Start(t.Context()))
				if operation == statetest.Lock {
					time.Sleep(time.Minute)
					a.requireDegraded(t, "read-only file system", "writable")
				}
				a.disk.Fail(operation, nil)
				time.Sleep(time.Minute)
				a.requireOK(t)
				require.Equal(t, 9, on(t, a.disk))
				shutdown(t, w)
			})
		})
	}
}

// Where nothing can be read either, the reason is why nothing can be written.
func TestDiskThatFailsAtAFirstStart(t *testing.T) {
	for _, data := range []string{"", "nonsense"} {
		a := newAgent()
		if data != "" {
			a.disk.Put("state.json", []byte(data))
		}
		a.disk.Fail(statetest.Lock, unix.EROFS)
		w, _, err := a.open(t)
		require.ErrorIs(t, err, unix.EROFS)
		a.requireDegraded(t, "read-only file system", "writable")
		require.Zero(t, a.disk.Count(statetest.Rename), "without the lock nothing is changed")
		shutdown(t, w)
	}
}

func TestDiskThatHangsAtStart(t *testing.T) {
	for _, operation := range []statetest.Operation{statetest.Lock, statetest.Read} {
		t.Run(string(operation), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgent()
				a.disk.Put("state.json", fixture(t))
				release := a.disk.Hold(operation)
				begun := time.Now()
				w, document, err := a.open(t)
				require.Equal(t, time.Second, time.Since(begun), "a start waits for a second")
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Zero(t, document)
				a.requireDegraded(t, "the disk does not answer", "look at the disk")
				a.set(9)
				require.NoError(t, w.Start(t.Context()))
				require.ErrorIs(t, w.Sync(t.Context()), state.ErrDegraded)
				time.Sleep(time.Hour)
				require.Equal(t, 0, a.disk.Count(statetest.Create), "one goroutine uses the disk at a time")

				release()
				time.Sleep(time.Second)
				a.requireOK(t)
				require.Equal(t, 9, on(t, a.disk))
				shutdown(t, w)
			})
		})
	}
}

func TestAnotherAgentAtStart(t *testing.T) {
	a := newAgent()
	a.disk.Fail(statetest.Lock, state.ErrLocked)
	w, _, err := a.open(t)
	require.ErrorIs(t, err, state.ErrLocked)
	require.Equal(t, pipeline.Status{}, a.status(), "the caller ends; there is nobody to tell")
	shutdown(t, w)
}
