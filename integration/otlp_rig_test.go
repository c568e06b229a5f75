package integration

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// otlpRig is a text log, an agent that lives several times and tells of it by OTLP, and
// a Collector. It knows what is to be told of each line.
type otlpRig struct {
	settings  agent.Settings
	collector *servers.Collector
	machine   string
	path      string
	agents    []*agent.Agent

	mu     sync.Mutex // over what follows
	log    *os.File
	first  string // line of the log
	offset uint64
	hung   int
	// want are the bodies of the records by their uids.
	want map[string]string
}

const hang = "TaskHang"

// otlpKeys are keys of the exporter that suit tests; more are in YAML flow style.
func otlpKeys(endpoint string, more ...string) string {
	return "{" + strings.Join(append([]string{"endpoint: '" + endpoint + "'"}, more...), ", ") + "}"
}

// newOTLPRig makes a rig whose agent sends to the Collector itself, by gRPC.
func newOTLPRig(t *testing.T, more ...string) *otlpRig {
	t.Helper()
	r := &otlpRig{
		settings: agent.NewSettings(t).Durable(t), collector: servers.StartCollector(t), machine: machineID(t),
		path: filepath.Join(t.TempDir(), "app.log"), want: map[string]string{},
	}
	r.settings.Node, r.settings.Packs = "node-1", ""
	r.settings.OTLP = otlpKeys("http://"+r.collector.GRPC, more...)
	r.settings.Filelog = "{include: ['" + r.path + `'], start_at: beginning, timestamp: '^\S+', timestamp_format: '2006-01-02T15:04:05.000000000Z07:00', message: '^\S+ (.*)'}`
	r.settings.Conditions = "{" + hang + ": {healthy: {reason: NoHang, message: no task hangs}}}"
	r.settings.Rules = "rules: [{id: marked, pattern: 'MARK \\d+', reason: " + markedReason + ", severity: warn}, " +
		"{id: seen, pattern: 'WATCHED \\d+', reason: Seen, mode: observe}, " +
		"{id: hung, pattern: 'HUNG \\d+', condition: " + hang + ", reason: TaskHung, clear: {by: recovery, pattern: WORKS}}]"
	var err error
	r.log, err = os.Create(r.path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.log.Close() })
	return r
}

func (r *otlpRig) live(t *testing.T, program string, environment ...string) *agent.Agent {
	t.Helper()
	settings := r.settings
	settings.Environment = environment
	a := agent.Start(t, program, settings)
	r.agents = append(r.agents, a)
	return a
}

// write writes a line, which a rule matches, and notes what is to be told of it.
func (r *otlpRig) write(rule, text string, uidOf func(problem string) string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := time.Now().UTC().Format("2006-01-02T15:04:05.000000000Z07:00") + " " + text + "\n"
	if r.first == "" {
		r.first = line
	}
	if _, err := r.log.WriteString(line); err != nil {
		return err
	}
	uid := uidOf(agent.FileProblemUID(r.settings.Node, r.machine, r.path, r.first, 0, r.offset, rule))
	if r.settings.Raw != "" {
		r.want[agent.FileLineUID(r.settings.Node, r.machine, r.path, r.first, 0, r.offset)] = text
	}
	r.offset += uint64(len(line))
	r.want[uid] = text
	return nil
}

// mark writes a line that is a problem.
func (r *otlpRig) mark(n int) error {
	return r.write("marked", fmt.Sprintf("MARK %d", n), func(problem string) string { return problem })
}

// watch writes a line of a rule in mode observe.
func (r *otlpRig) watch(n int) error {
	return r.write("seen", fmt.Sprintf("WATCHED %d", n), func(problem string) string { return problem })
}

// turn turns the condition, to and fro.
func (r *otlpRig) turn() error {
	r.mu.Lock()
	r.hung++
	number, status, text := (r.hung+1)/2, "True", "HUNG %d"
	if r.hung%2 == 0 {
		status, text = "False", "task %d WORKS again"
	}
	r.mu.Unlock()
	return r.write("hung", fmt.Sprintf(text, number), func(problem string) string { return agent.TransitionUID(problem, hang, status) })
}

func (r *otlpRig) expected() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.want)
}

// records are what the Collector has received, without how conditions stood at starts.
func (r *otlpRig) records(t *testing.T) (records []*logspb.LogRecord) {
	t.Helper()
	for _, resource := range r.collector.Logs(t) {
		for _, scope := range resource.GetScopeLogs() {
			for _, record := range scope.GetLogRecords() {
				if attributeOf(record, "otelnpd.transition.kind") != "snapshot" {
					records = append(records, record)
				}
			}
		}
	}
	return records
}

func attributeOf(record *logspb.LogRecord, key string) string {
	for _, one := range record.GetAttributes() {
		if one.GetKey() == key {
			return one.GetValue().GetStringValue()
		}
	}
	return ""
}

// missing are the texts that the Collector has not received yet.
func (r *otlpRig) missing(t *testing.T) (texts []string) {
	t.Helper()
	left := r.expected()
	for _, record := range r.records(t) {
		delete(left, attributeOf(record, "log.record.uid"))
	}
	for _, text := range left {
		texts = append(texts, text)
	}
	return texts
}

// otlpPatience is how long what is to arrive may take: after failures the agent waits
// for up to 37 s before it tries again.
const otlpPatience = 3 * time.Minute

// awaitAccepted waits until everything has arrived, and the last agent knows that.
func (r *otlpRig) awaitAccepted(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return len(r.missing(t)) == 0 }, otlpPatience, tick, "not at the Collector")
	a := r.agents[len(r.agents)-1]
	queued := map[string]string{"exporter": "otlp"}
	require.Eventually(t, func() bool { return a.Sum(t, "otelnpd_exporter_queue_length", queued) == 0 }, otlpPatience, tick, "records still wait")
	require.Zero(t, a.Sum(t, "otelnpd_exporter_dropped_records_total", queued))
}

// requireExact waits until everything has arrived, and requires that there is nothing
// else, and that copies are equal but for ObservedTimestamp.
func (r *otlpRig) requireExact(t *testing.T) {
	t.Helper()
	r.awaitAccepted(t)
	time.Sleep(300 * time.Millisecond) // the Collector's file: what is too much would be there by now
	want, told := r.expected(), map[string]*logspb.LogRecord{}
	records := r.records(t)
	for _, record := range records {
		uid := attributeOf(record, "log.record.uid")
		require.Contains(t, want, uid, "it was not written: %s", record)
		if record.GetBody().GetStringValue() != "no task hangs" {
			require.Equal(t, want[uid], record.GetBody().GetStringValue())
		}
		record.ObservedTimeUnixNano = 0
		if before := told[uid]; before != nil {
			require.True(t, proto.Equal(before, record), "told twice, and not the same:\n%s\n%s", before, record)
		}
		told[uid] = record
	}
	t.Logf("%d lines, told exactly, in %d records by %d lives", len(want), len(records), len(r.agents))
}

// awaitDegraded waits until the agent says that the Collector does not take records.
func awaitDegraded(t *testing.T, a *agent.Agent, text string) {
	t.Helper()
	a.WaitReady(t, process.Answers200(http.DefaultClient, "http://"+a.Status+"/healthz", nil))
	require.Eventually(t, func() bool {
		_, body := agent.Get(t, "http://"+a.Status+"/healthz?verbose")
		return strings.Contains(body, "does not take records") && strings.Contains(body, text)
	}, patience, tick, "the status does not tell of the Collector")
}
