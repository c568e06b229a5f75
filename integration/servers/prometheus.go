package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

// Prometheus is a running Prometheus.
type Prometheus struct {
	// URL is its base address.
	URL string
}

// Sample is a series of an instant query's answer.
type Sample struct {
	// Labels of the series, its name under __name__.
	Labels map[string]string
	// Value at the asked time, as Prometheus prints it.
	Value string
}

// prometheusRecipe takes Debian's package apart: nothing is installed, no service
// starts.
func prometheusRecipe() (*recipe, error) {
	return &recipe{
		name:     "prometheus",
		key:      []string{"Debian package, unpacked"},
		programs: []string{"prometheus", "promtool"},
		make: func(ctx context.Context, folder string) error {
			work, err := os.MkdirTemp(folder, "package-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(work)
			err = command(ctx, work, nil, "apt-get", "-o", "APT::Sandbox::User=root", "download", "prometheus")
			if err != nil {
				return fmt.Errorf("%w\nIt is a Debian package: run apt-get update", err)
			}
			packages, err := filepath.Glob(filepath.Join(work, "prometheus_*.deb"))
			if err != nil || len(packages) != 1 {
				return fmt.Errorf("one package expected, found %v", packages)
			}
			if err := command(ctx, work, nil, "dpkg-deb", "-x", packages[0], "."); err != nil {
				return err
			}
			for _, program := range []string{"prometheus", "promtool"} {
				if err := os.Rename(filepath.Join(work, "usr", "bin", program), filepath.Join(folder, program)); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}

// StartPrometheus starts a Prometheus that scrapes the targets (HOST:PORT) each
// second, as jobs of the same name.
func StartPrometheus(t testing.TB, targets ...string) *Prometheus {
	t.Helper()
	var jobs strings.Builder
	for _, target := range targets {
		fmt.Fprintf(&jobs, "- {job_name: '%s', static_configs: [{targets: ['%s']}]}\n", target, target)
	}
	return StartPrometheusBy(t, jobs.String())
}

// StartPrometheusBy starts a Prometheus that scrapes each second by scrape_configs, the
// entries of that list in YAML.
func StartPrometheusBy(t testing.TB, jobs string) *Prometheus {
	t.Helper()
	folder := getOrSkip(t, prometheusRecipe)
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yaml")
	require.NoError(t, os.WriteFile(config, []byte("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"+jobs), 0o600))
	address := process.FreeAddress(t)
	p := process.Start(t, "prometheus", exec.Command(filepath.Join(folder, "prometheus"),
		"--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address))
	base := "http://" + address
	p.WaitReady(t, process.Answers200(http.DefaultClient, base+"/-/ready", nil))
	return &Prometheus{URL: base}
}

// Query returns the answer of an instant query that returns a vector.
func (p *Prometheus) Query(ctx context.Context, query string) ([]Sample, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		p.URL+"/api/v1/query?"+url.Values{"query": {query}}.Encode(), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("query %q: %w", query, err)
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("read the answer (%s) to the query %q: %w", response.Status, query, err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("query %q: %s: %s", query, answer.Status, answer.Error)
	}
	samples := make([]Sample, 0, len(answer.Data.Result))
	for _, result := range answer.Data.Result {
		value, _ := result.Value[1].(string)
		samples = append(samples, Sample{Labels: result.Metric, Value: value})
	}
	return samples, nil
}

// WaitFor asks the query until done says yes of its answer, and fails the test
// where that takes longer than a minute.
func (p *Prometheus) WaitFor(t testing.TB, query string, done func([]Sample) bool) []Sample {
	t.Helper()
	var samples []Sample
	require.Eventually(t, func() bool {
		var err error
		samples, err = p.Query(t.Context(), query)
		return err == nil && done(samples)
	}, time.Minute, 100*time.Millisecond, "query %s", query)
	return samples
}

// CheckMetrics returns what `promtool check metrics` finds in metrics in the text
// format, a finding a line; none where all is well.
func CheckMetrics(t testing.TB, text []byte) []string {
	t.Helper()
	folder := getOrSkip(t, prometheusRecipe)
	cmd := exec.CommandContext(t.Context(), filepath.Join(folder, "promtool"), "check", "metrics")
	cmd.Stdin = strings.NewReader(string(text))
	output, err := cmd.CombinedOutput()
	if err != nil {
		require.NotEmpty(t, output, "promtool check metrics: %v", err)
	}
	return strings.FieldsFunc(string(output), func(r rune) bool { return r == '\n' })
}

// TestRules checks files of rules and runs the tests of a file, by promtool.
func TestRules(t testing.TB, tests string, rules ...string) {
	t.Helper()
	promtool := filepath.Join(getOrSkip(t, prometheusRecipe), "promtool")
	for _, args := range [][]string{append([]string{"check", "rules"}, rules...), {"test", "rules", tests}} {
		output, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
}
