package nodeconditions

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

func TestWithoutControls(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"plain":                   {"nvme0: I/O error, dev nvme0n1", "nvme0: I/O error, dev nvme0n1"},
		"newline and tab stay":    {"a\n\tb", "a\n\tb"},
		"other scripts":           {"Gerät ausgefallen – 故障 😀", "Gerät ausgefallen – 故障 😀"},
		"zero width stays":        {"a\u200bb", "a\u200bb"},
		"replacement as such":     {"a\ufffdb", "a\ufffdb"},
		"empty":                   {"", ""},
		"NUL and escape":          {"\x00\x1b[31mred", `\x00\x1b[31mred`},
		"carriage return":         {"a\r\n", "a\\x0d\n"},
		"delete":                  {"a\x7f", `a\x7f`},
		"C1":                      {"\u009b31m", `\x9b31m`},
		"right to left":           {"user\u202egnp.exe", `user\u202egnp.exe`},
		"isolates and marks":      {"\u2066x\u2069\u200f\u061c", `\u2066x\u2069\u200f\u061c`},
		"not UTF-8":               {"a\xffb\xc3", `a\xffb\xc3`},
		"replacement, not UTF-8":  {"\ufffd\xff\ufffd", "\ufffd\\xff\ufffd"},
		"a surrogate is no UTF-8": {"\xed\xa0\x80", `\xed\xa0\x80`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, withoutControls(tt.text))
		})
	}
}

func TestMessagesAndReasonsAreBounded(t *testing.T) {
	long := func(n int) string { return strings.Repeat("m", n) }
	for name, tt := range map[string]struct{ message, want string }{
		"as long as may be":             {long(4096), long(4096)},
		"and stands for several causes": {long(4096) + " (and 12 more)", long(4096) + " (and 12 more)"},
		"one byte too long":             {long(4097), long(4093) + "…"},
		"far too long":                  {long(3 << 20), long(4093) + "…"},
		"the number of causes stays":    {long(9999) + " (and 3 more)", long(4093) + "… (and 3 more)"},
		"cut between characters":        {long(4092) + "é故障", long(4092) + "…"},
		"a character that just fits":    {long(4090) + "故" + long(9), long(4090) + "故…"},
		"escapes count":                 {long(4094) + "\x1b", long(4093) + "…"},
		"no UTF-8 at all":               {strings.Repeat("\xbf", 9999), strings.Repeat(`\xbf`, 1023) + `\…`},
		"controls before the number":    {"a\x1b (and 3 more)", `a\x1b (and 3 more)`},
	} {
		t.Run(name, func(t *testing.T) {
			got := acceptable(pipeline.Condition{Type: "Disk", Reason: "Bad", Message: tt.message})
			require.Equal(t, pipeline.Condition{Type: "Disk", Reason: "Bad", Message: tt.want}, got)
		})
	}
	got := acceptable(pipeline.Condition{Reason: strings.Repeat("R", 1025), Message: "m"})
	require.Equal(t, pipeline.Condition{Reason: strings.Repeat("R", 1021) + "…", Message: "m"}, got)
	got = acceptable(pipeline.Condition{Reason: strings.Repeat("R", 1024)})
	require.Equal(t, strings.Repeat("R", 1024), got.Reason)
}

func FuzzAcceptable(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff\n", "Reason\x00")
	f.Add(strings.Repeat("故", 2000)+" (and 3 more)", strings.Repeat("\xf0", 1100))
	forbidden := []rune("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
	for r := range rune(0xa0) {
		if (r < ' ' && r != '\n' && r != '\t') || r >= 0x7f {
			forbidden = append(forbidden, r)
		}
	}
	f.Fuzz(func(t *testing.T, message, reason string) {
		c := acceptable(pipeline.Condition{Reason: reason, Message: message})
		for _, text := range []string{c.Reason, c.Message} {
			require.True(t, utf8.ValidString(text), "%q", text)
			require.False(t, strings.ContainsAny(text, string(forbidden)), "%q", text)
		}
		require.LessOrEqual(t, len(c.Reason), maxReasonBytes)
		require.LessOrEqual(t, len(c.Message), condition.MaxMessageBytes+len(" (and 999999999 more)"))
		require.Equal(t, c, acceptable(c), "what is acceptable stays as it is")
	})
}
