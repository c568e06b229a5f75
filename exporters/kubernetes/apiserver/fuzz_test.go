package apiserver_test

import (
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
)

// Whatever answers, there is a Node with a uid or an error, and an error's text
// is short and harmless to show.
func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		"", "null", "[]", "{", "<html>", aNode("u"), `{"kind":"Node","metadata":{"uid":7}}`,
		`{"kind":"Node","metadata":{"uid":"u"},"status":{"conditions":[{"type":"A","status":"True","lastHeartbeatTime":"2026-03-01T12:00:00Z"},{}]}}`,
		`{"kind":"Node","Kind":"Pod","metadata":{"uid":"u"},"status":{"conditions":{}}}`,
		status("422", "Invalid", "x", `{"causes":[{"field":"metadata.uid"}]}`), "\x1b[2J\xff\u202e",
		"\u070e", // no character yet: it steers nothing
	} {
		f.Add(422, []byte(body))
	}
	f.Fuzz(func(t *testing.T, code int, body []byte) {
		node, err := apiserver.DecodeNode(body)
		uid, uidErr := apiserver.DecodeUID(body)
		if err == nil {
			require.NotEmpty(t, node.UID)
			require.NoError(t, uidErr, "a whole Node has a uid too")
			require.Equal(t, node.UID, uid)
		} else {
			require.Nil(t, node)
		}
		require.Equal(t, uidErr != nil, uid == "")
		failed := apiserver.ReadError(code, body)
		require.NotZero(t, failed.Kind)
		require.NotEmpty(t, failed.Remedy)
		require.Less(t, len(failed.Error()), 11<<10)
		for _, r := range failed.Error() {
			require.False(t, unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp), "%q", r)
		}
	})
}
