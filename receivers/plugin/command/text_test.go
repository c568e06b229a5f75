package command_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

func TestText(t *testing.T) {
	for _, one := range []struct {
		output    string
		truncated bool
		text      string
	}{
		{" \n said\n\t", false, "said"},
		{"a\nb\tc", false, "a\nb\tc"},
		{"a\x00b\x1b[31mc\x7f", false, "a�b�[31mc�"},
		{"a\xffb", false, "a�b"},
		{"grün", false, "grün"},
		{"gr\xc3", true, "gr"},
		{"gr\xc3", false, "gr�"},
		{"a\xf0\x9f\x98", true, "a"},
		{"\x80\x80\x80\x80", true, "�"},
		{"", true, ""},
	} {
		require.Equal(t, one.text, command.Text([]byte(one.output), one.truncated), "%q", one.output)
	}
	require.Equal(t, "gr", command.Cut("grün", 3))
	require.Equal(t, "grü", command.Cut("grün", 4))
	require.Empty(t, command.Cut("ü", 1))
}

func FuzzText(f *testing.F) {
	f.Add([]byte("gr\xc3"), true, 3)
	f.Fuzz(func(t *testing.T, output []byte, truncated bool, limit int) {
		text := command.Text(output, truncated)
		require.True(t, utf8.ValidString(text))
		require.NotContains(t, text, "\x00")
		cut := command.Cut(text, max(0, limit%100))
		require.True(t, utf8.ValidString(cut))
		require.True(t, strings.HasPrefix(text, cut))
	})
}
