package journal

import (
	"cmp"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// compare orders two entries as journalctl does: within a series by number, within a
// boot by its clock, else by wall time. 0: they are the same, or a copy.
func compare(a, b *journalfile.Key) int {
	if a.SeqnumID == b.SeqnumID && a.Seqnum != b.Seqnum {
		return cmp.Compare(a.Seqnum, b.Seqnum)
	}
	if a.BootID == b.BootID && a.Monotonic != b.Monotonic {
		return cmp.Compare(a.Monotonic, b.Monotonic)
	}
	return cmp.Or(cmp.Compare(a.Realtime, b.Realtime), cmp.Compare(a.XorHash, b.XorHash))
}
