package pstore

import "time"

// overlaps knows the lines of the dumps of each boot. An oops and the panic that
// follows it make two dumps, and the second holds the lines of the first again.
type overlaps []overlap

type overlap struct {
	start time.Time // of the boot
	lines map[string]bool
}

// add takes in a dump's lines and tells how many of its first ones an older dump of
// the same boot has.
func (o *overlaps) add(d *dump, lines []line) (known int) {
	boot := o.find(d)
	for i := range lines {
		if boot.lines[lines[i].stamped()] {
			known = i + 1
		}
	}
	for i := range lines {
		if stamped := lines[i].stamped(); stamped != "" {
			boot.lines[stamped] = true
		}
	}
	return known
}

func (o *overlaps) find(d *dump) *overlap {
	for i := range *o {
		if isOf((*o)[i].start, d.crash, d.boot.At) {
			return &(*o)[i]
		}
	}
	*o = append(*o, overlap{start: d.crash.Add(-d.boot.At), lines: map[string]bool{}})
	return &(*o)[len(*o)-1]
}
