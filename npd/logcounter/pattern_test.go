package logcounter_test

import (
	"strings"
	"testing"
	"time"
)

// Patterns are those of log monitors.
func TestPatterns(t *testing.T) {
	long := strings.Repeat("x", 60_000)
	for _, c := range []struct {
		name, pattern string
		want          int
		messages      []string
	}{
		{"must reach the end", "bad sector", 2, []string{"bad sector", "a bad sector", "bad sector 7", "good"}},
		{"in every branch", "bad sector|bad block", 2, []string{"bad sector", "bad block", "bad sector 7", "bad block 7"}},
		{"white space at the ends is none of it", "^?a b", 1, []string{"  a b\t "}},
		{"nothing begins a text", "^a", 0, []string{"a", "a"}},
		{"a line begins with (?m)", "(?m)^a", 2, []string{"a", "ba", "a"}},
		{"case", "(?i)OOM", 2, []string{"oom", "Oom", "o"}},
		{"quoted without an end", `\Qa.b`, 1, []string{"a.b", "acb"}},
		{"the end of a message of several lines", "one", 1, []string{"one\ntwo", "two\none"}},
		{"over two lines", `one\ntwo`, 1, []string{"one", "two", "one", "three", "two"}},
		{"over any lines", `(?s)one.*two`, 3, []string{"two", "one", "two", "x", "two", "one\ntwo"}},
		{"without a literal", `\d+\n\d+`, 2, []string{"1", "2", "x", "3", "4"}},
		{"over 999 lines", `(?s)first.*last`, 1, append(append([]string{"first"}, make([]string, 998)...), "last")},
		{"not over 1000 lines", `(?s)first.*last`, 0, append(append([]string{"first"}, make([]string, 999)...), "last")},
		{"over 240 KB", `(?s)first.*last`, 1, []string{"first", long, long, long, long, "last"}},
		{"not over 300 KB", `(?s)first.*last`, 0, []string{"first", long, long, long, long, long, "last"}},
		{"every line", "", 2, []string{"a", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines []line
			for i, message := range c.messages {
				lines = append(lines, line{time.Minute - time.Duration(i)*time.Millisecond, "s", message})
			}
			requireFound(t, c.want, hostAt(t, now), "--journald-source=s", "--log-path="+journalOf(t, lines...), "--lookback=2m", "--pattern="+c.pattern)
		})
	}
}
