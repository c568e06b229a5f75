package servers

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCollector(t *testing.T) {
	c := StartCollector(t)
	body := `{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"eventName": "otelnpd.test", "body": {"stringValue": "hello"}}]}]}]}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.HTTP+"/v1/logs", strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Eventually(t, func() bool {
		lines, err := c.Received()
		return err == nil && len(lines) == 1 && strings.Contains(lines[0], `"eventName":"otelnpd.test"`)
	}, 10*time.Second, 50*time.Millisecond)
}

func TestPrometheus(t *testing.T) {
	p := StartPrometheus(t)
	samples, err := p.Query(t.Context(), "vector(7)")
	require.NoError(t, err)
	require.Equal(t, []Sample{{Labels: map[string]string{}, Value: "7"}}, samples)
	_, err = p.Query(t.Context(), "vector(")
	require.ErrorContains(t, err, "parse error")
}

func TestCheckMetrics(t *testing.T) {
	clean := "# HELP accepted_records_total Records.\n# TYPE accepted_records_total counter\naccepted_records_total 1\n"
	require.Empty(t, CheckMetrics(t, []byte(clean)))
	findings := CheckMetrics(t, []byte("# TYPE problem_counter counter\nproblem_counter 1\n"))
	require.NotEmpty(t, findings)
	require.Contains(t, strings.Join(findings, "\n"), `counter metrics should have "_total" suffix`)
}
