package logcounter

// CountLines counts in lines alone.
func CountLines(o *Options, lines [][]byte) int {
	t := newTally(o)
	for _, line := range lines {
		t.add(line)
	}
	return t.found
}
