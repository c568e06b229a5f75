package operator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/operator"
)

// Whatever is sent, a request that is taken is one JSON object whose words are
// short and printable, and whose duration is within bounds.
func FuzzRequests(f *testing.F) {
	for _, body := range []string{
		`{"type": "KernelDeadlock", "request_id": "1"}`,
		`{"rule": "kernel/task-hung", "for": "2h", "request_id": "1"}`,
		`{"rule": "kernel/task-hung", "request_id": "1"}`,
		`{"request_id": "1"}`,
		`{"request_id": "1"} {}`, `{"request_id": "1"}]`, `[]`, `null`, ``, `{"request_id": "\u0000"}`, `{"rule": "a", "for": "-1ns", "request_id": "1"}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for path, read := range operator.Readers() {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://otelnpd"+path, strings.NewReader(body))
			require.NoError(t, err)
			asked, err := read(request)
			if err != nil {
				require.NotEmpty(t, err.Error())
				continue
			}
			require.True(t, json.Valid([]byte(body)), body)
			for _, word := range asked.Words {
				require.Regexp(t, `^[!-~]{1,316}$`, word)
			}
			if path == operator.PathSilence {
				require.GreaterOrEqual(t, asked.Silence, operator.MinSilence)
				require.LessOrEqual(t, asked.Silence, operator.MaxSilence)
			}
		}
	})
}
