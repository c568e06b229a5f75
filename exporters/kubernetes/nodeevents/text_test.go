package nodeevents

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMessage(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty":            {"", ""},
		"stays":            {"disk sda: grüße 日本\n\tdone", "disk sda: grüße 日本\n\tdone"},
		"C0 and DEL":       {"a\x00b\x1b[31mc\rd\x7fe", "ab[31mcde"},
		"C1":               {"a\u0085b\u009bc", "abc"},
		"bidi":             {"a\u202eb\u2066c\u200fd\u061ce", "abcde"},
		"not UTF-8":        {"a\xffb\xc3", "a\ufffdb\ufffd"},
		"just fits":        {strings.Repeat("x", 1024), strings.Repeat("x", 1024)},
		"cut":              {strings.Repeat("x", 1025), strings.Repeat("x", 1021) + "…"},
		"cut before é":     {strings.Repeat("x", 1020) + "éééé", strings.Repeat("x", 1020) + "…"},
		"shorter cleaned":  {strings.Repeat("x\x00", 1024), strings.Repeat("x", 1024)},
		"longer than seen": {strings.Repeat("\xff", 400), strings.Repeat("\ufffd", 340) + "…"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, message(tt.text)) })
	}
}

func TestWord(t *testing.T) {
	require.Equal(t, "IOError", word("IO\n\tError", maxReasonBytes))
	require.Equal(t, strings.Repeat("R", 125)+"…", word(strings.Repeat("R", 129), maxReasonBytes))
}

func TestTextIsHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.String(), rapid.StringN(200, 500, -1),
			rapid.SampledFrom([]string{"\x1b", "\u202e", "\xff", "\xe2\x80", "\u0085", "\n", strings.Repeat("é", 300)}))
		text := strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
		for _, cleaned := range []string{message(text), word(text, maxReasonBytes)} {
			require.True(t, utf8.ValidString(cleaned))
			require.LessOrEqual(t, len(cleaned), maxMessageBytes)
			for _, r := range cleaned {
				require.False(t, r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Bidi_Control), "%q", r)
			}
		}
		require.NotContains(t, word(text, maxReasonBytes), "\n")
		require.Equal(t, message(text), message(message(text)), "clean text stays")
	})
}
