package state_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

var errCrash = errors.New("the power is off")

// choices goes through all sequences of choices, one a turn.
type choices struct {
	made []int // what was chosen this turn
	of   []int // of how many
	at   int
}

func (c *choices) choose(n int) int {
	if c.at == len(c.made) {
		c.made, c.of = append(c.made, 0), append(c.of, n)
	}
	c.at++
	return c.made[c.at-1]
}

// next goes to the next sequence; false: there is none.
func (c *choices) next() bool {
	c.at = 0
	for last := len(c.made) - 1; last >= 0; last-- {
		if c.made[last]++; c.made[last] < c.of[last] {
			return true
		}
		c.made, c.of = c.made[:last], c.of[:last]
	}
	return false
}

// forgetful is a disk for a writer that forgets to sync.
type forgetful struct {
	*statetest.Disk

	file, directory bool // what is not synced
}

type forgetfulFile struct{ state.File }

func (f forgetful) Create(name string) (state.File, error) {
	file, err := f.Disk.Create(name)
	if f.file && err == nil {
		return forgetfulFile{file}, nil
	}
	return file, err
}

func (f forgetful) Sync() error {
	if f.directory {
		return nil
	}
	return f.Disk.Sync()
}

func (forgetfulFile) Sync() error { return nil }

// write writes value by a writer of its own, on a disk whose power fails before
// operation number crash; 0: never. It tells whether the writer said that it is
// durable.
func write(t *testing.T, disk *statetest.Disk, wrap func(*statetest.Disk) state.Disk, value, crash int) (durable bool, operations int) {
	t.Helper()
	a := newAgent()
	options := a.options()
	options.Disk = wrap(disk)
	w, err := state.NewWriter(options)
	require.NoError(t, err)
	disk.Before(func(statetest.Operation) error {
		if operations++; operations >= crash && crash > 0 {
			return errCrash
		}
		return nil
	})
	_, _ = w.Open(t.Context()) // what comes of it is seen on the disk
	a.set(value)
	require.NoError(t, w.Start(t.Context()))
	durable = w.Sync(t.Context()) == nil
	_ = w.Shutdown(t.Context()) // after a crash it fails
	disk.Before(nil)
	return durable, operations
}

func plain(disk *statetest.Disk) state.Disk { return disk }

// explore lets the power fail before every operation of a second write, and looks
// at all that may then be on the disk. It returns how many such disks there were,
// and on how many there was something wrong: neither the old nor the new file, or
// not the one that was told to be durable.
func explore(t *testing.T, wrap func(*statetest.Disk) state.Disk) (disks, wrong int) {
	t.Helper()
	for crash := 1; ; crash++ {
		disk := statetest.NewDisk()
		durable, _ := write(t, disk, plain, 1, 0)
		require.True(t, durable)
		durable, operations := write(t, disk, wrap, 2, crash)
		for all := (&choices{}); ; {
			left := disk.PowerOff(all.choose)
			disks++
			if !isRight(left, durable) {
				wrong++
			} else {
				durable, _ := write(t, left, plain, 3, 0)
				require.True(t, durable, "the next writer works")
				require.Equal(t, 3, on(t, left))
			}
			if !all.next() {
				break
			}
		}
		if operations < crash {
			return disks, wrong // it was through
		}
	}
}

func isRight(disk *statetest.Disk, durable bool) bool {
	document, err := state.Decode(disk.File("state.json"))
	if err != nil {
		return false
	}
	value := string(document.Sections["value"])
	return value == "2" || value == "1" && !durable
}

func TestPowerFailsAtAnyMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disks, wrong := explore(t, plain)
		require.Zero(t, wrong)
		require.Greater(t, disks, 15)
	})
}

// The test above would notice.
func TestForgottenSyncIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, wrong := explore(t, func(disk *statetest.Disk) state.Disk { return forgetful{Disk: disk, file: true} })
		require.Positive(t, wrong)
		_, wrong = explore(t, func(disk *statetest.Disk) state.Disk { return forgetful{Disk: disk, directory: true} })
		require.Positive(t, wrong)
	})
}

// A killed process leaves all that it had done.
func TestKilledAtAnyMoment(t *testing.T) { synctest.Test(t, checkKilled) }

func checkKilled(t *testing.T) {
	t.Helper()
	for crash := 1; ; crash++ {
		disk := statetest.NewDisk()
		write(t, disk, plain, 1, 0)
		durable, operations := write(t, disk, plain, 2, crash)
		left := disk.Kill()
		require.True(t, isRight(left, durable), "killed before operation %d", crash)
		write(t, left, plain, 3, 0)
		require.Equal(t, 3, on(t, left))
		names, err := left.Names()
		require.NoError(t, err)
		require.Equal(t, []string{"state.json"}, names, "nothing piles up")
		if operations < crash {
			return
		}
	}
}
