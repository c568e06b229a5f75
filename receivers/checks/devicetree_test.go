package checks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// system is the recorded host.
func (tr *tree) system(t testing.TB) *system {
	t.Helper()
	s := newSystem(tr.settings(t))
	s.kernel = tr.kernel()
	return s
}

// kernel answers as was recorded in files below kernel/; where there is none, as that
// of a node that is well.
func (tr *tree) kernel() kernelCalls {
	return kernelCalls{
		statfs:   tr.statfs,
		adjtimex: tr.adjtimex,
		exemptNeighbours: func(family int) (exempt uint64, err error) {
			return exempt, tr.scan(fmt.Sprintf("kernel/exempt/%d", family), &exempt)
		},
		legacyEntries: func(family int, table string) (entries, hooks int, err error) {
			return entries, hooks, tr.scan(fmt.Sprintf("kernel/legacy/%d/%s", family, table), &entries, &hooks)
		},
		nftTables: tr.nftTables,
	}
}

// scan reads a recording, if there is one.
func (tr *tree) scan(path string, to ...any) error {
	text, err := os.ReadFile(tr.path(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = fmt.Sscan(string(text), to...)
	}
	return err
}

// statfs finds a line of kernel/statfs: mount point, GiB used and available, inodes
// and free inodes.
func (tr *tree) statfs(_ string, of *mounts.FileSystem) (mounts.Usage, error) {
	text, err := os.ReadFile(tr.path("kernel/statfs"))
	if err != nil {
		return mounts.Usage{}, err
	}
	for line := range strings.Lines(string(text)) {
		var point string
		var used, available float64
		var u mounts.Usage
		if _, err := fmt.Sscan(line, &point, &used, &available, &u.Inodes, &u.FreeInodes); err != nil {
			return mounts.Usage{}, err
		}
		if mounts.Unescape([]byte(point)) == of.Point() {
			u.Used, u.Available = uint64(used*gib), uint64(available*gib)
			return u, nil
		}
	}
	return mounts.Usage{}, fmt.Errorf("%s: %w", of.Point(), os.ErrNotExist)
}

func (tr *tree) adjtimex() (clockState, error) {
	c := clockState{synchronized: true, estimated: 100 * time.Microsecond, most: 20 * time.Millisecond}
	return c, tr.scan("kernel/adjtimex", &c.synchronized, &c.offset, &c.estimated, &c.most)
}

func (tr *tree) nftTables() (tables []nftTable, err error) {
	text, err := os.ReadFile(tr.path("kernel/nft"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for line := range strings.Lines(string(text)) {
		var one nftTable
		if _, err := fmt.Sscan(line, &one.family, &one.name); err != nil {
			return nil, err
		}
		tables = append(tables, one)
	}
	return tables, err
}
