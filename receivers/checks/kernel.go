package checks

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// kernelCalls are what checks ask the kernel that no file tells. They are a field of
// the system, since a recorded host has none.
type kernelCalls struct {
	statfs           func(root string, of *mounts.FileSystem) (mounts.Usage, error)
	adjtimex         func() (clockState, error)
	exemptNeighbours func(family int) (uint64, error)
	legacyEntries    func(family int, table string) (entries, hooks int, err error)
	nftTables        func() ([]nftTable, error)
}

func hostKernel() kernelCalls {
	return kernelCalls{
		statfs: mounts.Statfs, adjtimex: adjtimex, exemptNeighbours: exemptNeighbours,
		legacyEntries: legacyEntries, nftTables: nftTables,
	}
}

// clockState is what the kernel knows of how right its clock is (adjtimex(2)).
type clockState struct {
	// synchronized is false where nobody has set the clock right for so long that the
	// kernel has given up on it.
	synchronized bool
	// offset is what is still to be corrected; estimated and most are by how much the
	// clock is wrong, as guessed and at most. The latter grows with time.
	offset, estimated, most time.Duration
}

func adjtimex() (clockState, error) {
	var t unix.Timex // modes 0: it is read only
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return clockState{}, err
	}
	return clockStateOf(state, &t), nil
}

func clockStateOf(state int, t *unix.Timex) clockState {
	unit := time.Microsecond
	if t.Status&unix.STA_NANO != 0 {
		unit = time.Nanosecond
	}
	return clockState{
		synchronized: state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0,
		offset:       time.Duration(t.Offset) * unit,
		estimated:    time.Duration(t.Esterror) * time.Microsecond,
		most:         time.Duration(t.Maxerror) * time.Microsecond,
	}
}
