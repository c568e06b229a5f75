package journal

// count counts the numbers that a series' files do not have, behind one of them.
type count struct {
	files     []*file
	from      uint64
	greatest  uint64   // number that is in a file, or was in the one before an empty one
	told      []Gap    // that are not counted again
	unwritten []uint64 // numbers that were given, to no entry
	err       error    // the first that came up
}

// newCount looks how far the files go, whatever their headers promise, and for numbers
// that journald gave and then did not write: it was killed, or the file was full, so that
// it wrote the entry into the next one, with the next number.
func newCount(files []*file, from uint64) *count {
	c := &count{files: files, from: from}
	for _, f := range files {
		tail := f.Header().TailSeqnum
		if f.Header().HeadSeqnum == 0 {
			c.greatest = max(c.greatest, tail)
			continue
		}
		last, ok, err := f.last()
		c.note(err)
		if ok {
			c.greatest = max(c.greatest, last.Seqnum)
		}
		if ok && f.isFinal() && last.Seqnum+1 == tail && tail > from {
			c.unwritten = append(c.unwritten, tail)
		}
	}
	return c
}

func (c *count) note(err error) {
	if c.err == nil {
		c.err = err
	}
}

// missing returns how many numbers up to one no file has.
func (c *count) missing(upTo uint64) uint64 {
	if upTo <= c.from {
		return 0
	}
	there := uint64(0)
	for _, f := range c.files {
		n, err := f.Count(c.from, upTo)
		c.note(err)
		there += n
	}
	for _, gap := range c.told {
		if first, last := max(gap.First, c.from+1), min(gap.Last, upTo); first <= last {
			there += last - first + 1
		}
	}
	for _, number := range c.unwritten {
		if number <= upTo {
			there++
		}
	}
	return max(upTo-c.from, there) - there
}

// least returns the least number up to which so many are missing; upTo is one.
func (c *count) least(upTo, missing uint64) uint64 {
	low := c.from
	for low+1 < upTo {
		if middle := low + (upTo-low)/2; c.missing(middle) >= missing {
			upTo = middle
		} else {
			low = middle
		}
	}
	return upTo
}

// runs are the parts of a gap of which all numbers are missing; of too many the rest
// is one that is not whole.
func (c *count) runs(gap *Gap) (runs []Gap) {
	for done := uint64(0); done < gap.Missing; {
		run := Gap{Series: gap.Series, First: c.least(gap.Last, done+1), Last: gap.Last, Missing: gap.Missing - done}
		if len(runs) < maxRuns && !run.isWhole() {
			run.Last = c.endOfRun(run.First, run.Last, done)
			run.Missing = run.Last - run.First + 1
		}
		runs = append(runs, run)
		done += run.Missing
	}
	return runs
}

// endOfRun returns the last number up to which all are missing from first on; before
// that so many are.
func (c *count) endOfRun(first, upTo, before uint64) uint64 {
	low := first
	for low < upTo {
		if middle := upTo - (upTo-low)/2; c.missing(middle)-before == middle-first+1 {
			low = middle
		} else {
			upTo = middle - 1
		}
	}
	return low
}
