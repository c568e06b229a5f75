package packs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/config/packs"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/processors/rules"
)

// appName is the attribute that says which program has written a line.
const appName = "log.syslog.appname"

// services are the packs for what programs write.
var services = []string{"abrt", "containerd", "disk", "docker", "kubelet", "systemd"}

// TestPacksLookAtTheirOwnLines: a rule for one program must not match what another
// has written, and what a program writes is not taken for the kernel's.
func TestPacksLookAtTheirOwnLines(t *testing.T) {
	for _, name := range services {
		for _, rule := range read(t, name+".yaml").Rules {
			require.NotEmpty(t, rule.Where[appName], "%s/%s", name, rule.ID)
		}
	}
	require.Equal(t, "kern", read(t, "kernel-frequent.yaml").Rules[0].Where["log.facility"])
}

// TestPacksGoTogether: all of them at once, as somebody who wants them all writes.
func TestPacksGoTogether(t *testing.T) {
	loaded := rules.DefaultConfig(packs.FS)
	for _, name := range names(t) {
		loaded.Packs = append(loaded.Packs, strings.TrimSuffix(name, ".yaml"))
	}
	require.NoError(t, loaded.Validate())
	require.Empty(t, loaded.Warnings())
	healthy := map[string][2]string{}
	for _, one := range loaded.Declare().Types {
		healthy[one.Name] = [2]string{one.HealthyReason, one.HealthyMessage}
	}
	for name, want := range map[string][2]string{
		"CorruptDockerOverlay2":       {"NoCorruptDockerOverlay2", "docker overlay2 is functioning properly"},
		"FrequentKubeletRestart":      {"NoFrequentKubeletRestart", "kubelet is functioning properly"},
		"FrequentDockerRestart":       {"NoFrequentDockerRestart", "docker is functioning properly"},
		"FrequentContainerdRestart":   {"NoFrequentContainerdRestart", "containerd is functioning properly"},
		"FrequentUnregisterNetDevice": {"NoFrequentUnregisterNetDevice", "node is functioning properly"},
		"DiskBadBlock":                {"NoDiskBadBlock", "Disk no bad block"},
		"ReadonlyFilesystem":          {"FilesystemIsNotReadOnly", "Filesystem is not read-only"},
	} {
		require.Equal(t, want, healthy[name], name)
	}
}

// node is a node whose lines go through the rules of packs to the conditions.
type node struct {
	t     *testing.T
	rules pipeline.Processor
	book  *condition.Book
	state *condition.State
	now   condition.Now
	lines uint64
}

func newNode(t *testing.T, names ...string) *node {
	t.Helper()
	n := &node{t: t, now: condition.Now{Current: pipeline.Boot{ID: pipelinetest.BootID, Start: time.Unix(1_700_000_000, 0)}}}
	loaded := rules.DefaultConfig(packs.FS)
	loaded.Packs = names
	require.NoError(t, loaded.Validate())
	declared := loaded.Declare()
	var all []condition.Rule
	for _, rule := range declared.Rules {
		all = append(all, rule.Rule)
	}
	config := &condition.Config{Hash: "1", Rules: all, Types: declared.Types}
	var err error
	n.book, err = condition.NewBook(config)
	require.NoError(t, err)
	n.state = condition.NewState("node-1", n.book, n.now)
	n.state.Step(n.book, &condition.Receivers{IDs: []string{"journald"}}, n.now)
	n.state.Step(n.book, &condition.BacklogEnd{Receiver: "journald", Complete: true}, n.now)
	n.rules, err = rules.NewFactory(packs.FS).Create(pipelinetest.Settings(t, "rules"), loaded, pipeline.ConsumerFunc(n.judge))
	require.NoError(t, err)
	return n
}

func (n *node) judge(_ context.Context, batch []pipeline.Record) error {
	for i := range batch {
		if p := batch[i].Problem; p != nil {
			n.state.Step(n.book, &condition.Match{Occurrence: condition.Occurrence{
				Problem: p, Order: batch[i].Order(), Time: batch[i].Time, Receiver: "journald",
			}}, n.now)
		}
	}
	return nil
}

// pass lets time pass.
func (n *node) pass(d time.Duration) {
	n.now.Boot += d
	n.now.Wall = n.now.Current.Start.Add(n.now.Boot)
	n.state.Step(n.book, &condition.Tick{}, n.now)
}

// write lets a program write a line after a while.
func (n *node) write(after time.Duration, identifier, text string) {
	n.t.Helper()
	n.pass(after)
	n.lines++
	line := pipelinetest.Lines("journald", n.lines, text)
	line[0].Boot.At, line[0].Time = n.now.Boot, n.now.Wall
	line[0].Attributes = pipeline.AttributeList{attribute.String(appName, identifier), attribute.String("log.facility", facilityOf(identifier))}
	require.NoError(n.t, n.rules.Consume(context.Background(), line))
}

func facilityOf(identifier string) string {
	if identifier == "kernel" {
		return "kern"
	}
	return "daemon"
}

func (n *node) status(conditionType string) pipeline.ConditionStatus {
	return n.state.Types[conditionType].Shown.Status
}

// TestFrequentRestarts: five restarts that systemd had to make within twenty minutes;
// twenty minutes without one, and only of a log that can be read, end it.
func TestFrequentRestarts(t *testing.T) {
	for _, service := range []struct{ unit, condition string }{
		{"kubelet", "FrequentKubeletRestart"}, {"docker", "FrequentDockerRestart"}, {"containerd", "FrequentContainerdRestart"},
	} {
		t.Run(service.unit, func(t *testing.T) {
			n := newNode(t, "systemd")
			restart := func(after time.Duration) {
				n.write(after, "systemd", service.unit+".service: Scheduled restart job, restart counter is at 7.")
				n.write(time.Second, "systemd", "Started "+service.unit+".service.")
			}
			n.pass(time.Hour)
			for range 4 {
				restart(time.Minute)
			}
			restart(20 * time.Minute) // the first is too long ago
			require.Equal(t, pipeline.ConditionFalse, n.status(service.condition))
			for range 10 { // an operator's
				n.write(time.Second, "systemd", "Stopping "+service.unit+".service...")
				n.write(time.Second, "systemd", "Started "+service.unit+".service.")
			}
			n.write(time.Second, "sshd", service.unit+".service: Scheduled restart job, restart counter is at 8.")
			require.Equal(t, pipeline.ConditionFalse, n.status(service.condition))
			for range 4 {
				restart(time.Minute)
			}
			require.Equal(t, pipeline.ConditionTrue, n.status(service.condition))

			n.state.Step(n.book, &condition.SourceState{Receiver: "journald", Degraded: true}, n.now)
			n.pass(3 * time.Hour)
			require.Equal(t, pipeline.ConditionTrue, n.status(service.condition), "silence is not health")
			n.state.Step(n.book, &condition.SourceState{Receiver: "journald"}, n.now)
			n.pass(19 * time.Minute)
			require.Equal(t, pipeline.ConditionTrue, n.status(service.condition))
			n.pass(2 * time.Minute)
			require.Equal(t, pipeline.ConditionFalse, n.status(service.condition))
		})
	}
}

func TestFrequentUnregisterNetDevice(t *testing.T) {
	n := newNode(t, "kernel", "kernel-frequent")
	const text = "unregister_netdevice: waiting for lo to become free. Usage count = 1"
	n.pass(time.Hour)
	for range 3 {
		n.write(10*time.Second, "container", text)
	}
	n.write(10*time.Second, "kernel", text)
	n.write(10*time.Second, "kernel", text)
	require.Equal(t, pipeline.ConditionFalse, n.status("FrequentUnregisterNetDevice"))
	n.write(10*time.Second, "kernel", text)
	require.Equal(t, pipeline.ConditionTrue, n.status("FrequentUnregisterNetDevice"))
	n.pass(21 * time.Minute)
	require.Equal(t, pipeline.ConditionFalse, n.status("FrequentUnregisterNetDevice"))
}

// TestLastingConditions end with the boot, not by silence.
func TestLastingConditions(t *testing.T) {
	n := newNode(t, "docker", "disk")
	const overlay = "level=error msg=\"returned error: readlink /var/lib/docker/overlay2/l: invalid argument\""
	n.write(time.Hour, "app", overlay)
	require.Equal(t, pipeline.ConditionFalse, n.status("CorruptDockerOverlay2"))
	n.write(time.Second, "dockerd", overlay)
	n.write(time.Second, "smartd", "Device: /dev/sda [SAT], 104 Currently unreadable (pending) sectors")
	n.pass(240 * time.Hour)
	for _, one := range []string{"CorruptDockerOverlay2", "DiskBadBlock"} {
		require.Equal(t, pipeline.ConditionTrue, n.status(one))
	}
	n.now.Current = pipeline.Boot{ID: "another", Start: n.now.Wall}
	n.now.Boot = 0
	n.state.Step(n.book, &condition.NewBoot{}, n.now)
	for _, one := range []string{"CorruptDockerOverlay2", "DiskBadBlock"} {
		require.Equal(t, pipeline.ConditionFalse, n.status(one))
	}
}

// TestServicesDetection measures the packs against a corpus of labelled lines that is
// not part of this repository: OTELNPD_SHARED names the directory that has it.
func TestServicesDetection(t *testing.T) {
	shared := os.Getenv("OTELNPD_SHARED")
	if shared == "" {
		t.Skip("needs OTELNPD_SHARED, a directory with detection/open.jsonl")
	}
	corpus, err := os.Open(filepath.Join(shared, "detection/open.jsonl"))
	require.NoError(t, err)
	defer func() { _ = corpus.Close() }()
	loaded := rules.DefaultConfig(packs.FS)
	loaded.Packs = services
	require.NoError(t, loaded.Validate())
	var classes []string
	processor, err := rules.NewFactory(packs.FS).Create(pipelinetest.Settings(t, "rules"), loaded,
		pipeline.ConsumerFunc(func(_ context.Context, batch []pipeline.Record) error {
			for i := range batch {
				if p := batch[i].Problem; p != nil && p.Severity >= log.SeverityWarn {
					classes = append(classes, p.Class)
				}
			}
			return nil
		}))
	require.NoError(t, err)
	cases, found, falseAlarms := 0, 0, 0
	lines := bufio.NewScanner(corpus)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c struct {
			ID, Kind, Ident string
			Lines, Labels   []string
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c))
		classes = nil
		batch := pipelinetest.Lines("journald", 1, c.Lines...)
		for i := range batch {
			batch[i].Attributes = pipeline.AttributeList{attribute.String(appName, c.Ident)}
		}
		require.NoError(t, processor.Consume(context.Background(), batch))
		switch {
		case len(c.Labels) == 0 && len(classes) > 0:
			falseAlarms++
			t.Logf("false alarm %v in %s: %.200q", classes, c.ID, c.Lines)
		case c.Kind == "journal" && len(c.Labels) > 0:
			cases++
			if slices.ContainsFunc(c.Labels, func(label string) bool { return slices.Contains(classes, label) }) {
				found++
			} else {
				t.Logf("missed %v (found %v) in %s: %.300q", c.Labels, classes, c.ID, c.Lines)
			}
		}
	}
	require.NoError(t, lines.Err())
	t.Logf("the packs for services find %d of %d problems in the journal, with %d false alarms", found, cases, falseAlarms)
	require.GreaterOrEqual(t, found, cases*9/10)
	require.Zero(t, falseAlarms)
}
