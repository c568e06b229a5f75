package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

func TestPrintedJSONIsHarmless(t *testing.T) {
	value := map[string]string{"message": "a\x7fb\u009b31m\u202ec\nd<&>\U000e0041"}
	var out bytes.Buffer
	require.NoError(t, printJSON(&out, value))
	for _, r := range out.String() {
		require.True(t, terminal.Harmless(r) || r == '\n', "%q in %q", r, out.String())
	}
	var read map[string]string
	require.NoError(t, json.Unmarshal(out.Bytes(), &read))
	require.Equal(t, value, read)
}
