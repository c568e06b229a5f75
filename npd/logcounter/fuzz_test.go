package logcounter_test

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/otelnpd/otelnpd/npd/logcounter"
)

// Any pattern over any lines counts as all lines joined, matched anew with each.
func FuzzCount(f *testing.F) {
	f.Add("bad (sector|block)", "", []byte("a bad sector\x00a bad block\x00\x00 bad sector 7"))
	f.Add(`(?s)one.*two|\Qthree`, `^x|\n\d+`, []byte("one\x00two\x00\xff\x00three\x00 4\n5 "))
	f.Add("", `(?i)K|[^a]$`, []byte("\x00\nKelvin \xe2\x84\xaa\x00k"))
	f.Fuzz(func(t *testing.T, pattern, revert string, text []byte) {
		if len(pattern)+len(revert) > 100 || len(text) > 2000 {
			return // slow, and no more is learnt
		}
		options, err := logcounter.Parse([]string{"--lookback=1h", "--pattern=" + pattern, "--revert-pattern=" + revert})
		if err != nil {
			return
		}
		lines := bytes.Split(text, []byte{0})
		if got, want := logcounter.CountLines(options, lines), plainly(pattern, revert, lines); got != want {
			t.Fatalf("%q less %q over %q: %d, and not %d", pattern, revert, lines, got, want)
		}
	})
}

func plainly(pattern, revert string, lines [][]byte) (found int) {
	anchored := func(text string) *regexp.Regexp {
		if re, err := regexp.Compile(`(?:` + text + `)\z`); err == nil {
			return re
		}
		return regexp.MustCompile(`(?:` + text + `\E)\z`)
	}
	var joined []byte
	for _, line := range lines {
		joined = append(append(joined, '\n'), bytes.TrimSpace(line)...)
		if anchored(pattern).Match(joined) {
			found++
		}
		if revert != "" && anchored(revert).Match(joined) {
			found--
		}
	}
	return found
}
