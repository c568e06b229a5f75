package integration

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// TestOTLPRaw is about raw lines and about whose records they are.
func TestOTLPRaw(t *testing.T) {
	t.Run("every field arrives", rawFields)
	t.Run("only the sample", rawSample)
	t.Run("an agent that is killed", rawAgentKilled)
	t.Run("clouds", rawClouds)
}

// raw are the lines that the Collector has, by their text.
func (r *otlpRig) raw(t *testing.T) map[string]*logspb.LogRecord {
	t.Helper()
	lines := map[string]*logspb.LogRecord{}
	for _, record := range r.records(t) {
		if record.GetEventName() == "" {
			lines[record.GetBody().GetStringValue()] = record
		}
	}
	return lines
}

// Two pipelines on one receiver: problems by one, all lines by the other.
func rawFields(t *testing.T) {
	t.Parallel()
	r := newOTLPRig(t)
	r.settings.Raw = "{}"
	a := r.live(t, binary)
	require.NoError(t, r.mark(1))
	require.NoError(t, r.write("ordinary", "nothing \xff here\x07", func(string) string { return "" }))
	r.mu.Lock()
	delete(r.want, "") // no rule matches it
	for uid, text := range r.want {
		if strings.HasPrefix(text, "nothing") {
			r.want[uid] = `nothing \xff here\x07`
		}
	}
	r.mu.Unlock()
	require.NoError(t, r.watch(2))
	r.requireExact(t)
	file := map[string]string{"log.file.path": r.path, "log.file.name": "app.log", "otelnpd.receiver": "filelog"}
	lines := r.raw(t)
	require.Len(t, lines, 3)
	for _, text := range []string{"MARK 1", `nothing \xff here\x07`, "WATCHED 2"} {
		requireRecord(t, lines[text], "", 0, "", file)
		require.InDelta(t, float64(time.Now().UnixNano()), float64(lines[text].GetTimeUnixNano()), float64(time.Minute))
	}
	require.Len(t, r.records(t), 5, "and the two problems")
	receiver := map[string]string{"receiver": "filelog"}
	require.InDelta(t, 3, a.Sum(t, "otelnpd_receiver_accepted_records_total", receiver), 0, "both pipelines share what one receiver reads")
}

func rawSample(t *testing.T) {
	t.Parallel()
	r := newOTLPRig(t)
	a := r.live(t, binary)
	require.NoError(t, r.mark(1))
	require.Eventually(t, func() bool { return len(r.missing(t)) == 0 }, time.Minute, tick)
	require.Empty(t, r.raw(t), "a pipeline with rules sends no lines")
	a.Kill(t)
	r.settings.Raw = "{include: '[02468]$'}"
	a = r.live(t, binary)
	for n := range 10 {
		require.NoError(t, r.write("ordinary", fmt.Sprintf("line %d", n), func(string) string { return "" }))
	}
	require.NoError(t, r.mark(99)) // no line of the sample, and the last
	r.mu.Lock()
	delete(r.want, "")
	for uid, text := range r.want {
		if strings.HasPrefix(text, "line") && strings.Contains("13579", text[5:]) {
			delete(r.want, uid)
		}
	}
	r.mu.Unlock()
	require.Eventually(t, func() bool { return len(r.raw(t)) == 5 }, time.Minute, tick)
	require.Eventually(t, func() bool {
		return a.Sum(t, "otelnpd_sample_dropped_records_total", map[string]string{"processor": "sample", "reason": "include"}) >= 6
	}, patience, tick)
	for n := 0; n < 10; n += 2 {
		require.Contains(t, r.raw(t), fmt.Sprintf("line %d", n))
	}
}

// Nothing is missing of either pipeline whenever the agent is killed, and a line that
// comes twice has one uid.
func rawAgentKilled(t *testing.T) {
	t.Parallel()
	r := newOTLPRig(t)
	seed := stormSeed(t)
	t.Logf("OTELNPD_STORM_SEED=%d", seed)
	f := newOTLPFront(t, r.collector, seed)
	r.settings.OTLP, r.settings.Raw = otlpKeys("http://"+f.GRPC, "timeout: 500ms"), "{}"
	a := r.live(t, binary)
	stop := r.keepWriting(t, rand.New(rand.NewPCG(seed, 1)))
	random := rand.New(rand.NewPCG(seed, 0))
	killAtRandom(t, a, otlpKills(), func() time.Duration { return lifeTime(random) }, func() *agent.Agent { return r.live(t, binary) })
	stop()
	f.Pass()
	r.requireExact(t)
	t.Logf("%d kills; %d lines; the front: %s", otlpKills(), len(r.raw(t)), f)
}

// cloud is a metadata server, and what the resource has of it.
type cloud struct {
	variable string
	paths    map[string]string // by method and path
	want     map[string]string
}

func clouds() map[string]cloud {
	gcp := "GET /computeMetadata/v1/"
	return map[string]cloud{
		"gcp": {"GCE_METADATA_HOST", map[string]string{
			gcp + "project/project-id": "my-project", gcp + "instance/zone": "projects/42/zones/europe-west4-b", gcp + "instance/id": "777",
			gcp + "instance/machine-type": "projects/42/machineTypes/n2-standard-4", gcp + "instance/attributes/cluster-name": "west",
		}, map[string]string{
			"cloud.provider": "gcp", "cloud.platform": "gcp_kubernetes_engine", "cloud.account.id": "my-project", "cloud.region": "europe-west4",
			"cloud.availability_zone": "europe-west4-b", "host.id": "777", "host.type": "n2-standard-4", "k8s.cluster.name": "west",
		}},
		"ec2": {"AWS_EC2_METADATA_SERVICE_ENDPOINT", map[string]string{
			"PUT /latest/api/token":                          "secret",
			"GET /latest/dynamic/instance-identity/document": `{"accountId": "123456789012", "availabilityZone": "eu-west-1a", "instanceId": "i-0abc", "instanceType": "m7i.large", "region": "eu-west-1"}`,
		}, map[string]string{
			"cloud.provider": "aws", "cloud.platform": "aws_ec2", "cloud.account.id": "123456789012", "cloud.region": "eu-west-1",
			"cloud.availability_zone": "eu-west-1a", "cloud.resource_id": "arn:aws:ec2:eu-west-1:123456789012:instance/i-0abc",
			"host.id": "i-0abc", "host.type": "m7i.large",
		}},
		"azure": {"AZURE_POD_IDENTITY_AUTHORITY_HOST", map[string]string{
			"GET /metadata/instance/compute": `{"location": "westeurope", "subscriptionId": "s-1", "vmId": "v-1", "vmSize": "Standard_D4s_v5", "zone": "2"}`,
		}, map[string]string{
			"cloud.provider": "azure", "cloud.platform": "azure.vm", "cloud.account.id": "s-1", "cloud.region": "westeurope",
			"cloud.availability_zone": "2", "host.id": "v-1", "host.type": "Standard_D4s_v5",
		}},
	}
}

func (c cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, known := c.paths[r.Method+" "+r.URL.Path]
	if !known {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Metadata-Flavor", "Google")
	_, _ = io.WriteString(w, answer)
}

func rawClouds(t *testing.T) {
	for name, c := range clouds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c)
			t.Cleanup(server.Close)
			r := newOTLPRig(t, "resource: {attributes: {service.namespace: monitoring}}")
			r.live(t, binary, c.variable+"="+strings.TrimPrefix(server.URL, "http://"), "POD_NAME=agent-x", "POD_NAMESPACE=kube-system")
			require.NoError(t, r.mark(1))
			r.requireExact(t)
			about := texts(r.collector.Logs(t)[0].GetResource().GetAttributes())
			for key, want := range c.want {
				require.Equal(t, want, about[key], key)
			}
			require.Equal(t, "monitoring", about["service.namespace"])
			require.Equal(t, "agent-x", about["k8s.pod.name"])
			require.Equal(t, "kube-system", about["k8s.namespace.name"])
			require.Equal(t, "node-1", about["host.name"])
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		r := newOTLPRig(t, "resource: {detectors: []}")
		r.live(t, binary)
		require.NoError(t, r.mark(1))
		r.requireExact(t)
		about := texts(r.collector.Logs(t)[0].GetResource().GetAttributes())
		require.NotContains(t, about, "cloud.provider")
		require.Equal(t, r.machine, about["host.id"])
	})
}
