package journal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/journal"
)

const cursorText = "s=bcd00b916d6347aab915bc2c255fffbc;i=1;b=8039c82ee4fc4b288217c4aedacd2f3d;m=375e5a36;t=6615ee68a72f1;x=b16fe81cdbd2817d"

func TestCursor(t *testing.T) {
	c, err := journal.ParseCursor(cursorText)
	require.NoError(t, err)
	require.Equal(t, cursorText, c.String())
	require.Equal(t, uint64(1), c.Seqnum)
	require.Equal(t, uint64(0x6615ee68a72f1), c.Realtime)
	again, err := journal.ParseCursor("t=6615ee68a72f1;m=375e5a36;future=1;s=bcd00b91-6d63-47aa-b915-bc2c255fffbc;i=1;b=8039c82ee4fc4b288217c4aedacd2f3d;x=b16fe81cdbd2817d")
	require.NoError(t, err)
	require.Equal(t, c, again)
	for text, want := range map[string]string{
		"":                       `"" is no cursor: s= is missing`,
		"s=1;i=1":                `s=1: "1" is no id: want 32 hexadecimal digits`,
		cursorText + ";i=2":      "i is there twice",
		cursorText[:35] + "i=x;": `i=x: strconv.ParseUint: parsing "x": invalid syntax`,
	} {
		_, err := journal.ParseCursor(text)
		require.ErrorContains(t, err, want)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(cursorText)
	f.Add("s=;i=;b=;m=;t=;x=")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := journal.ParseCursor(text)
		if err != nil {
			return
		}
		again, err := journal.ParseCursor(c.String())
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}
