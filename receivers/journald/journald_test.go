package journald_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
	"github.com/otelnpd/otelnpd/receivers/journald"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a host with a journal in /var/log/journal.
type node struct {
	t        *testing.T
	settings pipeline.Settings
	config   *journald.Config
	boot     journalfile.ID
	series   *journaltest.Series
	writer   *journaltest.Writer
	reader   *sdkmetric.ManualReader
	kept     []byte
	written  int
	archived int
}

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{
		t: t, settings: pipelinetest.Settings(t, "journald/1"), config: journald.DefaultConfig(),
		series: &journaltest.Series{ID: journaltest.NewID()},
	}
	n.settings.Host.Root = t.TempDir()
	n.settings.Keeping.IsDurable = func() bool { return true }
	n.settings.Clock = pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(10_000, 0), Boot: 1000 * time.Second})
	var err error
	n.boot, err = journalfile.ParseID(n.settings.Boot.ID)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(n.directory(), 0o755))
	return n
}

func (n *node) directory() string {
	return n.settings.Host.Path("/var/log/journal/" + journaltest.MachineID.String())
}

// write writes entries of this boot, one a second from 900 s on.
func (n *node) write(fields ...[]string) {
	n.t.Helper()
	if n.writer == nil {
		n.writer = journaltest.Create(n.t, filepath.Join(n.directory(), "system.journal"), journaltest.Layout{Keyed: true, Compact: true}, n.series)
	}
	for _, entry := range fields {
		since := uint64(900+n.written) * 1e6
		n.writer.Append(journaltest.Entry{
			Realtime: 9_000*1e6 + since, Monotonic: since, Boot: n.boot,
			Fields: append([]string{"_BOOT_ID=" + n.boot.String()}, entry...),
		})
		n.written++
	}
}

// lines makes entries "line FIRST" and so on.
func lines(first, count int, more ...string) (entries [][]string) {
	for i := range count {
		entries = append(entries, append([]string{fmt.Sprintf("MESSAGE=line %d", first+i), "_TRANSPORT=journal", "PRIORITY=6"}, more...))
	}
	return entries
}

// rotate archives the file.
func (n *node) rotate() string {
	n.t.Helper()
	n.archived++
	name := filepath.Join(n.directory(), fmt.Sprintf("system@%d.journal", n.archived))
	n.writer.SetState(2)
	require.NoError(n.t, os.Rename(filepath.Join(n.directory(), "system.journal"), name))
	n.writer = nil
	return name
}

func (n *node) receiver(next pipeline.Consumer) *journald.Receiver {
	n.t.Helper()
	require.NoError(n.t, n.config.Validate())
	receiver, err := journald.New(n.settings, n.config, next)
	require.NoError(n.t, err)
	return receiver
}

func hasBacklogEnd(records []pipeline.Record) bool {
	return slices.ContainsFunc(records, func(r pipeline.Record) bool { return r.EventName == pipeline.EventBacklogEnd })
}

func shutdown(t *testing.T, receiver pipeline.Component) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, receiver.Shutdown(ctx))
}

// run reads all that is there, going on from what the run before had kept.
func (n *node) run() []pipeline.Record {
	n.t.Helper()
	n.reader = sdkmetric.NewManualReader()
	n.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(n.reader)).Meter("test")
	sink := &pipelinetest.Sink{}
	receiver := n.receiver(sink)
	if n.kept != nil {
		require.NoError(n.t, receiver.Resume(n.kept))
	}
	require.NoError(n.t, receiver.Start(n.t.Context()))
	sink.WaitFor(n.t, "the end of the backlog", hasBacklogEnd)
	shutdown(n.t, receiver)
	if encode := receiver.Keep(); encode != nil {
		var err error
		n.kept, err = encode()
		require.NoError(n.t, err)
	}
	return sink.Records()
}

func named(records []pipeline.Record, name string) (bodies []string) {
	for _, record := range records {
		if record.EventName == name {
			bodies = append(bodies, string(record.Body))
		}
	}
	return bodies
}

func numbered(from, to int) (texts []string) {
	for i := from; i < to; i++ {
		texts = append(texts, fmt.Sprintf("line %d", i))
	}
	return texts
}

func (n *node) count(metric, reason string) (value int64) {
	n.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(n.t, n.reader.Collect(n.t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			sum, ok := m.Data.(metricdata.Sum[int64])
			if m.Name != metric || !ok {
				continue
			}
			for _, point := range sum.DataPoints {
				if found, _ := point.Attributes.Value("reason"); found.AsString() == reason {
					value += point.Value
				}
			}
		}
	}
	return value
}

func attributesOf(record pipeline.Record) map[string]string {
	all := map[string]string{}
	for key, value := range record.Attributes.All() {
		all[key] = value.String()
	}
	return all
}

func TestRecords(t *testing.T) {
	n := newNode(t)
	n.write(
		[]string{"_TRANSPORT=kernel", "PRIORITY=3", "SYSLOG_FACILITY=0", "SYSLOG_IDENTIFIER=kernel", "MESSAGE= I/O error, dev sda \n", "_KERNEL_SUBSYSTEM=block",
			"_KERNEL_DEVICE=b8:0", "_SOURCE_MONOTONIC_TIMESTAMP=899999000", "_HOSTNAME=node", "_MACHINE_ID=0c480000000000000000000000000001"},
		[]string{"_TRANSPORT=kernel", "PRIORITY=4", "SYSLOG_FACILITY=1", "SYSLOG_IDENTIFIER=app", "SYSLOG_PID=12", "MESSAGE=by a process", "_SOURCE_MONOTONIC_TIMESTAMP=5"},
		[]string{"_TRANSPORT=journal", "PRIORITY=5", "SYSLOG_FACILITY=3", "SYSLOG_IDENTIFIER=kubelet", "MESSAGE=three", "_SYSTEMD_UNIT=kubelet.service", "_PID=77", "_UID=0",
			"_COMM=kubelet", "_EXE=/usr/bin/kubelet", "CODE_FILE=a.go", "CODE_LINE=5", "MESSAGE_ID=abc", "_BINARY=x", "BYTES=\xff"},
	)
	records := n.run()
	require.Len(t, records, 4)
	first := records[0]
	require.Equal(t, "I/O error, dev sda", string(first.Body))
	require.Equal(t, log.SeverityError, first.Severity)
	require.Equal(t, "journald/1", first.Receiver)
	require.Equal(t, pipeline.Place{Scope: journaltest.MachineID.String(), Source: "journal:" + n.series.ID.String(), Position: 1}, first.Place)
	require.Equal(t, pipeline.BootTime{ID: pipelinetest.BootID, At: 900 * time.Second}, first.Boot)
	require.True(t, first.Time.Equal(time.Unix(9_900, 0)), first.Time)
	require.Equal(t, time.Unix(10_000, 0), first.ObservedTime)
	require.Equal(t, map[string]string{
		"log.facility": "kern", "log.severity": "err", "kmsg.timestamp_us": "899999000",
		"log.dictionary.SUBSYSTEM": "block", "log.dictionary.DEVICE": "b8:0",
	}, attributesOf(first), "as receivers/kmsg gives them")

	require.Equal(t, "app[12]: by a process", string(records[1].Body), "as /dev/kmsg has it")
	require.Equal(t, "user", attributesOf(records[1])["log.facility"])

	require.Equal(t, map[string]string{
		"log.facility": "daemon", "log.severity": "notice", "log.syslog.appname": "kubelet", "systemd.unit.name": "kubelet.service",
		"process.pid": "77", "process.user.id": "0", "process.command": "kubelet", "process.executable.path": "/usr/bin/kubelet",
		"code.file.path": "a.go", "code.line.number": "5", "journald.MESSAGE_ID": "abc", "journald.BYTES": "\uFFFD",
	}, attributesOf(records[2]))
	require.Equal(t, log.SeverityInfo2, records[2].Severity)
	require.Equal(t, pipeline.EventBacklogEnd, records[3].EventName)
}

// TestEveryFieldCanBeAskedFor while the batch is valid.
func TestEveryFieldCanBeAskedFor(t *testing.T) {
	n := newNode(t)
	n.write([]string{"MESSAGE=x", "_TRANSPORT=kernel", "_HOSTNAME=node", "_BINARY=y"})
	got := make(chan string, 10)
	receiver := n.receiver(pipeline.ConsumerFunc(func(_ context.Context, batch []pipeline.Record) error {
		for _, key := range []string{"host.name", "journald._BINARY", "journald.NONE", "none"} {
			value, _ := batch[0].Attribute(key)
			got <- value.AsString()
		}
		return nil
	}))
	require.NoError(t, receiver.Start(t.Context()))
	require.Equal(t, []string{"node", "y", "", ""}, []string{<-got, <-got, <-got, <-got})
	shutdown(t, receiver)
}

func TestFilters(t *testing.T) {
	for name, c := range map[string]struct {
		change func(c *journald.Config)
		want   []string
	}{
		"all":         {func(*journald.Config) {}, []string{"a", "b", "c", "d"}},
		"identifiers": {func(c *journald.Config) { c.Identifiers = []string{"kubelet", "sshd"} }, []string{"b", "c"}},
		"units":       {func(c *journald.Config) { c.Units = []string{"kubelet", "x.scope"} }, []string{"b", "d"}},
		"transports":  {func(c *journald.Config) { c.Transports = []journald.Transport{"kernel"} }, []string{"a"}},
		"priorities":  {func(c *journald.Config) { c.Priorities = []journald.Priority{"err", "warn"} }, []string{"a", "b"}},
		"matches":     {func(c *journald.Config) { c.Matches = []string{"FOO=bar"} }, []string{"d"}},
		"several": {func(c *journald.Config) {
			c.Identifiers, c.Priorities = []string{"kubelet", "sshd"}, []journald.Priority{"info", "debug"}
		}, []string{"c"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.write(
				[]string{"MESSAGE=a", "_TRANSPORT=kernel", "PRIORITY=3", "SYSLOG_IDENTIFIER=kernel", "SYSLOG_FACILITY=0"},
				[]string{"MESSAGE=b", "_TRANSPORT=stdout", "PRIORITY=4", "SYSLOG_IDENTIFIER=kubelet", "_SYSTEMD_UNIT=kubelet.service"},
				[]string{"MESSAGE=c", "_TRANSPORT=syslog", "PRIORITY=6", "SYSLOG_IDENTIFIER=sshd", "_SYSTEMD_UNIT=sshd.service"},
				[]string{"MESSAGE=d", "_TRANSPORT=journal", "PRIORITY=7", "FOO=bar", "_SYSTEMD_UNIT=x.scope"},
			)
			c.change(n.config)
			require.Equal(t, c.want, named(n.run(), ""))
		})
	}
}

// TestFirstStart is the later of boot + delay and start − lookback.
func TestFirstStart(t *testing.T) {
	for name, c := range map[string]struct {
		lookback pipeline.Lookback
		delay    time.Duration
		first    int
	}{
		"this boot":             {pipeline.LookbackBoot, 0, 0},
		"after a delay":         {pipeline.LookbackBoot, 905 * time.Second, 5},
		"a time":                {pipeline.Lookback(97 * time.Second), 0, 3},
		"longer than this boot": {pipeline.Lookback(3000 * time.Hour), 0, 0},
		"from now on":           {0, 0, 10},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			earlier := journaltest.Create(t, filepath.Join(n.directory(), "old.journal"), journaltest.Layout{}, n.series)
			earlier.Append(journaltest.Entry{Realtime: 8_000e6, Monotonic: 5000e6, Boot: journalfile.ID{7}, Fields: []string{"MESSAGE=earlier", "_BOOT_ID=" + journalfile.ID{7}.String()}})
			n.write(lines(0, 10)...)
			n.config.Lookback, n.config.Delay = c.lookback, c.delay
			require.Equal(t, numbered(c.first, 10), named(n.run(), ""))
			n.write(lines(10, 2)...)
			require.Equal(t, numbered(10, 12), named(n.run(), ""), "later it goes on")
		})
	}
}

func TestGoesOn(t *testing.T) {
	n := newNode(t)
	n.config.Buffer = 3
	n.write(lines(0, 10)...)
	require.Equal(t, numbered(0, 10), named(n.run(), ""))
	n.rotate()
	n.write(lines(10, 5)...)
	records := n.run()
	require.Equal(t, numbered(7, 10), named(records, pipeline.EventContext))
	require.Equal(t, numbered(10, 15), named(records, ""))
	require.Empty(t, named(records, pipeline.EventProblem))

	n.settings.Boot.ID = "00000000-0000-4000-8000-000000000001" // a reboot: what was not read is told
	n.write(lines(15, 1)...)
	require.Equal(t, numbered(15, 16), named(n.run(), ""))

	n.config.Directories = []string{"/run/log/journal", "/var/log/journal"}
	require.Empty(t, named(n.run(), pipeline.EventContext), "other directories are a first start")
}

func TestWhatTheLookbackSkippedIsNoContext(t *testing.T) {
	n := newNode(t)
	n.config.Lookback = 0
	n.write(lines(0, 5)...)
	require.Empty(t, named(n.run(), ""))
	n.write(lines(5, 2)...)
	require.Equal(t, numbered(5, 7), named(n.run(), ""))
	require.Equal(t, numbered(4, 7), named(n.run(), pipeline.EventContext), "from the position of the first start on")
}

func TestRemovedEntriesAreToldAndCounted(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 10)...)
	n.run()
	first := n.rotate()
	n.write(lines(10, 10)...)
	second := n.rotate()
	n.write(lines(20, 1)...)
	require.NoError(t, os.Remove(first))
	require.NoError(t, os.Remove(second))
	records := n.run()
	require.Equal(t, numbered(20, 21), named(records, ""))
	require.Equal(t, pipeline.EventProblem, records[0].EventName)
	problem := records[0].Problem
	require.Equal(t, "otelnpd/journal-entries-lost", problem.Rule)
	require.Equal(t, "JournalEntriesLost", problem.Reason)
	require.Equal(t, "up to 10 journal entries were removed before they were read", problem.Message)
	require.Equal(t, log.SeverityWarn, problem.Severity)
	require.Equal(t, int64(10), n.count("otelnpd.receiver.lost_records", "removed"))
	require.Empty(t, named(n.run(), pipeline.EventProblem), "once")
}

func TestRemovedWhileFollowing(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 3)...)
	sink, reached, release := &pipelinetest.Sink{}, make(chan struct{}), make(chan struct{})
	held := false
	sink.Gate = func(context.Context) error {
		if !held {
			held = true
			close(reached)
			<-release
		}
		return nil
	}
	receiver := n.receiver(sink)
	require.NoError(t, receiver.Start(t.Context()))
	<-reached
	n.write(lines(3, 4)...)
	archived := n.rotate()
	n.write(lines(7, 1)...)
	require.NoError(t, os.Truncate(archived, 0)) // as journald does
	require.NoError(t, os.Remove(archived))
	close(release)
	sink.WaitFor(t, "the line behind the gap", func(records []pipeline.Record) bool { return slices.Contains(named(records, ""), "line 7") })
	shutdown(t, receiver)
	require.Equal(t, append(numbered(0, 3), "line 7"), sink.Lines())
	require.Len(t, named(sink.Records(), pipeline.EventProblem), 1)
	for _, record := range sink.Records() {
		if record.Problem != nil {
			require.Equal(t, "up to 4 journal entries were removed before they were read", record.Problem.Message)
		}
	}
}

func TestDamageAndCutsAreCounted(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 1)...)
	n.write([]string{"MESSAGE=" + strings.Repeat("long ", 50_000)}, []string{"MESSAGE=to be damaged"})
	path := filepath.Join(n.directory(), "system.journal")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	at := strings.Index(string(text), "to be damaged")
	text[at] = 'X'
	require.NoError(t, os.WriteFile(path, text, 0o600))
	bodies := named(n.run(), "")
	require.Len(t, bodies, 2)
	require.Less(t, len(bodies[1]), 64<<10)
	require.Equal(t, int64(1), n.count("otelnpd.receiver.lost_records", "damaged"))
	require.Equal(t, int64(1), n.count("otelnpd.receiver.cut_fields", "length"))
}

func TestRefusedLinesAreReadAgainOrCounted(t *testing.T) {
	for _, durable := range []bool{false, true} {
		n := newNode(t)
		n.settings.Keeping.IsDurable = func() bool { return durable }
		n.write(lines(0, 300)...)
		n.reader = sdkmetric.NewManualReader()
		n.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(n.reader)).Meter("test")
		batches, last := 0, make(chan struct{})
		receiver := n.receiver(pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error {
			if batches++; batches == 2 {
				close(last)
				return errors.New("shutting down")
			}
			return nil
		}))
		require.NoError(t, receiver.Start(t.Context()))
		<-last
		shutdown(t, receiver)
		require.Equal(t, 2, batches, "nothing more is sent")
		text, err := receiver.Keep()()
		require.NoError(t, err)
		require.Contains(t, string(text), ";i=100;", "256")
		require.Equal(t, map[bool]int64{false: 44, true: 0}[durable], n.count("otelnpd.receiver.lost_records", "refused"))
	}
}

func TestStatus(t *testing.T) {
	n := newNode(t)
	statuses := &pipelinetest.Statuses{}
	n.settings.Report = statuses.Report
	n.run()
	require.Equal(t, pipeline.ComponentDegraded, statuses.Last().State)
	require.Contains(t, statuses.Last().Reason, "there is no journal of this machine in /var/log/journal, /run/log/journal")
	n.write(lines(0, 1)...)
	n.run()
	require.Equal(t, pipeline.Status{State: pipeline.ComponentOK}, statuses.Last())

	require.NoError(t, os.RemoveAll(n.settings.Host.Path("/var")))
	n.run()
	status := statuses.Last()
	require.Equal(t, pipeline.ComponentDegraded, status.State)
	require.Contains(t, status.Reason, "there is no journal: none of /var/log/journal, /run/log/journal is there")
	require.Contains(t, status.Remedy, "is mounted where service.host.root says")
	require.ErrorIs(t, status.Err, os.ErrNotExist)
}

func TestNewerFileIsToldOnce(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 1)...)
	text, err := os.ReadFile(filepath.Join(n.directory(), "system.journal"))
	require.NoError(t, err)
	text[12] |= 0x40
	require.NoError(t, os.WriteFile(filepath.Join(n.directory(), "newer.journal"), text, 0o600))
	statuses := &pipelinetest.Statuses{}
	n.settings.Report = statuses.Report
	require.Equal(t, numbered(0, 1), named(n.run(), ""), "the others are read")
	require.Equal(t, pipeline.ComponentDegraded, statuses.Last().State)
	require.Contains(t, statuses.Last().Reason, "features that this version does not know")
	require.Equal(t, "update otelnpd", statuses.Last().Remedy)
}

func TestOtherMachinesAreNotRead(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 1)...)
	require.NoError(t, os.MkdirAll(n.settings.Host.Path("/etc"), 0o755))
	require.NoError(t, os.WriteFile(n.settings.Host.Path("/etc/machine-id"), []byte("ffffffffffffffffffffffffffffffff\n"), 0o600))
	require.Empty(t, named(n.run(), ""))
	n.config.AllMachines = true
	require.Equal(t, numbered(0, 1), named(n.run(), ""))
}

func TestResumeRefuses(t *testing.T) {
	n := newNode(t)
	for name, text := range map[string]string{
		"no JSON":   `{`,
		"no cursor": `{"source": "/var/log/journal:/run/log/journal"}`,
		"junk":      `{"source": "/var/log/journal:/run/log/journal", "cursor": "junk"}`,
	} {
		t.Run(name, func(t *testing.T) {
			receiver := n.receiver(&pipelinetest.Sink{})
			require.ErrorContains(t, receiver.Resume([]byte(text)), "kept position")
			require.Nil(t, receiver.Keep())
		})
	}
}

func TestFactory(t *testing.T) {
	settings := pipelinetest.Settings(t, "journald")
	factory := journald.NewFactory()
	require.Equal(t, "journald", factory.Type)
	receiver, err := factory.Create(settings, factory.DefaultConfig(), &pipelinetest.Sink{})
	require.NoError(t, err)
	shutdown(t, receiver)
	_, err = factory.Create(settings, nil, &pipelinetest.Sink{})
	require.ErrorContains(t, err, "is not for receiver journald")
}

func TestContractOverFiles(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 900)...)
	n.rotate()
	n.write(lines(900, 900)...)
	pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
			t.Helper()
			return n.receiver(next)
		},
		AtLeast: 1800,
	})
}

func TestContractOverAGrowingJournal(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 5)...)
	fed := 5
	pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
			t.Helper()
			return n.receiver(next)
		},
		Feed: func(t *testing.T, count int) {
			t.Helper()
			if n.writer != nil && fed%7 == 6 {
				n.rotate()
			}
			n.write(lines(fed, count)...)
			fed += count
		},
		AtLeast: 3,
	})
}

// TestJournald receives from a live journald.
func TestJournald(t *testing.T) {
	n := newNode(t)
	n.settings.Clock = pipeline.SystemClock{}
	n.config.Directories, n.config.Lookback = []string{"/journal"}, 0
	n.config.Identifiers = []string{"test"}
	sink := &pipelinetest.Sink{}
	receiver := n.receiver(sink)
	require.NoError(t, receiver.Start(t.Context()))
	directory := n.settings.Host.Path("/journal")
	require.NoError(t, os.Mkdir(directory, 0o755))
	daemon := journaltest.StartJournald(t, directory)
	for i := range 100 {
		daemon.Send("SYSLOG_IDENTIFIER=test", fmt.Sprintf("MESSAGE=line %d", i), "PRIORITY=4")
		daemon.Send("SYSLOG_IDENTIFIER=other", "MESSAGE=not this")
		if i == 50 {
			daemon.Rotate()
		}
	}
	sink.WaitFor(t, "all lines", func(records []pipeline.Record) bool { return len(named(records, "")) >= 100 })
	shutdown(t, receiver)
	require.Equal(t, numbered(0, 100), sink.Lines())
	require.Equal(t, log.SeverityWarn, sink.Records()[1].Severity)
}
