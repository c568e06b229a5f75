package terminal_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

func TestText(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"plain":               {"nvme0: I/O error, dev nvme0n1", "nvme0: I/O error, dev nvme0n1"},
		"other scripts":       {"Gerät ausgefallen – 故障", "Gerät ausgefallen – 故障"},
		"colour":              {"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		"title of the window": {"\x1b]0;owned\a", `\x1b]0;owned\x07`},
		"C1 escape":           {"\u009b31m", `\x9b31m`},
		"delete":              {"a\x7fb", `a\x7fb`},
		"newline and tab":     {"a\n\tb\r", `a\n\tb\x0d`},
		"right to left":       {"user\u202egnp.exe", `user\u202egnp.exe`},
		"isolates":            {"\u2066x\u2069", `\u2066x\u2069`},
		"zero width":          {"a\u200bb\ufeff", `a\u200bb\ufeff`},
		"line separator":      {"a\u2028b", `a\u2028b`},
		"tag characters":      {"a\U000e0041", `a\U000e0041`},
		"not UTF-8":           {"a\xffb\xc3", `a\xffb\xc3`},
		"replacement as such": {"a\ufffdb", "a\ufffdb"},
		"empty":               {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, terminal.Text(tt.text))
		})
	}
}

func TestJSONKeepsItsValues(t *testing.T) {
	for _, text := range []string{
		"plain", "\x1b[31m", "\u009b31m", "\u202e", "a\U000e0041b", "\x7f", "quote \" and \\", "\u2028", "故障",
	} {
		written, err := json.Marshal(text)
		require.NoError(t, err)
		safe := terminal.AppendJSON(nil, written)
		requireHarmless(t, safe)
		var read string
		require.NoError(t, json.Unmarshal(safe, &read))
		require.Equal(t, text, read)
	}
}

func requireHarmless(t *testing.T, text []byte) {
	t.Helper()
	require.True(t, utf8.Valid(text), "%q", text)
	for _, r := range string(text) {
		require.True(t, terminal.Harmless(r), "%q in %q", r, text)
	}
}

func FuzzText(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff\n")
	f.Fuzz(func(t *testing.T, text string) {
		requireHarmless(t, []byte(terminal.Text(text)))
	})
}

func FuzzJSON(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff\n\U000e0041")
	f.Fuzz(func(t *testing.T, text string) {
		written, err := json.Marshal(text)
		require.NoError(t, err)
		var want, got string
		require.NoError(t, json.Unmarshal(written, &want))
		safe := terminal.AppendJSON(nil, written)
		requireHarmless(t, safe)
		require.NoError(t, json.Unmarshal(safe, &got))
		require.Equal(t, want, got)
	})
}
