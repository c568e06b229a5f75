package journal

import "github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"

// HasRead tells whether there is, or was, any file.
func (r *Reader) HasRead() bool { return len(r.files) > 0 || len(r.finished) > 0 }

// IsLive tells whether a journald seems to write these files: one of them is not
// archived, and is empty, or has grown since it was opened, or has entries of a boot; of
// any if that is zero. A journald that has nothing to write is live all the same: it has
// written something when the boot began. Files of an earlier boot or of another machine
// are not, whatever their state says: who is killed leaves it as it was.
func (r *Reader) IsLive(boot journalfile.ID) bool {
	for _, f := range r.files {
		if !f.isFinal() && (f.grown || f.hasBoot(boot)) {
			return true
		}
	}
	return false
}

// hasBoot tells whether a file is empty or has entries of a boot.
func (f *file) hasBoot(boot journalfile.ID) bool {
	header := f.Header()
	if boot.IsZero() || header.Entries == 0 || header.TailBootID == boot {
		return true
	}
	found, err := f.all.SeekMonotonic(boot, 0)
	return found || err != nil // what cannot be read is told as that
}
