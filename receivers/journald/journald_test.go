package journald_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
	"github.com/otelnpd/otelnpd/receivers/journald"
)

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
	require.Equal(t, pipeline.Place{Scope: pipelinetest.BootID, Source: "journal:" + n.series.ID.String(), Position: 1}, first.Place)
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
