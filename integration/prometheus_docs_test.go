package integration

import (
	"os"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// documented are the rows of docs/metrics.md: the cells of each, by metric.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../docs/metrics.md")
	require.NoError(t, err)
	rows := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "`", ""))
		}
		rows[cells[0]] = cells
	}
	return rows
}

// Every series that a real agent serves stands in the reference, with its kind and its
// labels.
func TestTheReferenceOfMetricsIsTrue(t *testing.T) {
	a := agent.StartReady(t, binary, nodeSettings(t, "both"))
	require.Eventually(t, func() bool { return strings.Contains(a.MetricsText(t), "net_rx_bytes{") }, patience, tick)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(a.MetricsText(t)))
	require.NoError(t, err)
	rows := documented(t)
	for name, family := range families {
		row := rows[name]
		require.NotNil(t, row, "%s is not in docs/metrics.md", name)
		kind := strings.ToLower(family.GetType().String())
		require.Contains(t, []string{kind, strings.Replace(kind, "gauge", "up-down counter", 1)}, row[2], name)
		for _, metric := range family.GetMetric() {
			require.Equal(t, row[4], labelNames(metric), name)
		}
	}
}

func labelNames(metric *dto.Metric) string {
	var names []string
	for _, label := range metric.GetLabel() {
		names = append(names, label.GetName())
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
