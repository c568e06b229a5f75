package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// All system log monitors of an image in one process, each on the log that it names: the
// kernel's, a journal that journald writes, and text files.
func TestNPDImage(t *testing.T) {
	k, log := servers.StartKubernetes(t), kernellog.Open(t)
	t.Run("own files", func(t *testing.T) {
		im := newImage(t, k, log, "testdata/npd")
		require.Empty(t, im.unmet(t))
		im.check(t)
	})
	t.Run("node-problem-detector's files", func(t *testing.T) {
		shared := os.Getenv("OTELNPD_SHARED")
		if shared == "" {
			t.Skip("OTELNPD_SHARED names no folder with sample files")
		}
		im := newImage(t, k, log, filepath.Join(shared, "npd-config"))
		// Its reader takes what follows the last "] " of a line, its pattern holds a "] ".
		require.Equal(t, []string{"kernel-monitor-filelog.json rule 5"}, im.unmet(t))
		im.check(t)
	})
}

// image is an agent on a Node, with what it reads and what is to come of it.
type image struct {
	files  []npdFile
	logs   *npdLogs
	k      *servers.Kubernetes
	node   string
	watch  *servers.NodeWatch
	agent  *agent.Agent
	events map[npdEvent]int
	// problems are the conditions that become True, with their reasons.
	problems map[string]string
	// held are the reasons of what a file itself holds a condition for.
	held map[npdHeld]string
	// series are the metrics that begin with problem_.
	series map[string]float64
}

type npdEvent struct{ component, reason, message string }

type npdHeld struct{ file, condition string }

func newImage(t *testing.T, k *servers.Kubernetes, log *kernellog.Log, folder string) *image {
	t.Helper()
	im := &image{files: npdFiles(t, folder), k: k, node: "node-" + kernellog.Tag(),
		events: map[npdEvent]int{}, problems: map[string]string{}, held: map[npdHeld]string{}}
	k.CreateNode(t, servers.Node{Name: im.node, BootID: bootID(t), Conditions: []servers.NodeCondition{ready()}})
	im.watch = k.WatchNode(t, im.node)
	im.logs = newNPDLogs(t, log, im.files)
	var paths []string
	for _, f := range im.files {
		paths = append(paths, f.path)
	}
	t.Log(strings.Join(paths, " "))
	im.agent = agent.StartNPDOnLogs(t, binary, agent.NewSettings(t), im.logs.folder,
		"--config.system-log-monitor="+strings.Join(paths, ","), "--hostname-override="+im.node,
		"--apiserver-override="+k.URL+"?inClusterConfig=false&auth="+k.Kubeconfig(servers.Detector).Write(t))
	im.agent.WaitReady(t, im.agent.Ready())
	return im
}

// unmet are the rules that fit no line of their logs.
func (im *image) unmet(t *testing.T) (rules []string) {
	t.Helper()
	for _, f := range im.files {
		for i, rule := range f.Rules {
			if !slices.ContainsFunc(npdProblems(), func(text string) bool {
				message, taken := f.message(t, f.line(time.Now(), text))
				return taken && rule.fits(message)
			}) {
				rules = append(rules, fmt.Sprintf("%s rule %d", filepath.Base(f.path), i+1))
			}
		}
	}
	return rules
}

func (im *image) check(t *testing.T) {
	t.Helper()
	im.requireHealthy(t)
	im.logs.write(t, im.expect)
	im.requireTold(t)
}

// conditions are those that the files list, as the first of them does.
func (im *image) conditions() map[string]agent.Condition {
	all := map[string]agent.Condition{}
	for _, f := range im.files {
		for _, c := range f.Conditions {
			if _, listed := all[c.Type]; !listed {
				all[c.Type] = agent.Condition{Type: c.Type, Status: "False", Reason: c.Reason, Message: c.Message}
			}
		}
	}
	return all
}

// requireHealthy requires that each condition is told as its file says, and each series
// as 0, before anything has happened.
func (im *image) requireHealthy(t *testing.T) {
	t.Helper()
	for name, want := range im.conditions() {
		seen := im.watch.WaitFor(t, name+" False "+want.Reason, 0, servers.Is(name, "False", want.Reason))
		require.Equal(t, want.Message, seen.Condition(name).Message)
		now := im.agent.Conditions(t)[name]
		now.Transition = ""
		require.Equal(t, want, now)
	}
	im.series = map[string]float64{ // what the agent can tell of itself
		counterOf("KernelLogRecordsLost"): 0, counterOf("JournalEntriesLost"): 0, counterOf("LogFileLost"): 0,
	}
	for _, f := range im.files {
		for _, rule := range f.Rules {
			im.series[counterOf(rule.Reason)] = 0
			if rule.Condition != "" {
				im.series[gaugeOf(rule)] = 0
			}
		}
	}
	im.requireSeries(t)
	require.Zero(t, im.agent.Sum(t, "otelnpd_config_warnings", nil))
	require.Empty(t, im.k.Events(t, "default", im.node))
}

func counterOf(reason string) string { return "problem_counter{reason=" + reason + "}" }

func gaugeOf(rule npdRule) string {
	return "problem_gauge{reason=" + rule.Reason + ",type=" + rule.Condition + "}"
}

// expect notes what is to come of a line for a file that reads it.
func (im *image) expect(t *testing.T, f npdFile, line string) {
	t.Helper()
	message, taken := f.message(t, line)
	for _, rule := range f.Rules {
		if !taken || !rule.fits(message) {
			continue
		}
		if rule.Condition == "" {
			im.events[npdEvent{f.Source, rule.Reason, message}]++
			im.series[counterOf(rule.Reason)]++
			continue
		}
		im.problems[rule.Condition] = rule.Reason
		if file := (npdHeld{f.path, rule.Condition}); im.held[file] != rule.Reason { // again it changes nothing
			im.held[file] = rule.Reason
			im.events[npdEvent{f.Source, rule.Reason, fmt.Sprintf("Node condition %s is now: True, reason: %s, message: %q", rule.Condition, rule.Reason, message)}]++
			im.series[counterOf(rule.Reason)]++
		}
		im.series[gaugeOf(rule)] = 1
	}
}

// requireTold requires what is to come of all lines, and nothing else.
func (im *image) requireTold(t *testing.T) {
	t.Helper()
	var told map[npdEvent]int
	require.Eventually(t, func() bool {
		told = im.toldEvents(t)
		return len(told) >= len(im.events)
	}, patience, tick)
	require.Equal(t, im.events, told)
	for name := range im.conditions() {
		reason := im.problems[name]
		im.watch.WaitFor(t, name+" True "+reason, 0, servers.Is(name, "True", reason))
		require.Equal(t, []string{"", "False", "True"}, im.watch.Statuses(t, name))
		shown := im.agent.Conditions(t)[name]
		require.Equal(t, []string{"True", reason}, []string{shown.Status, shown.Reason}, name)
	}
	require.Len(t, im.k.Node(t, im.node).Conditions, 1+len(im.conditions()), "those of the files, and Ready")
	im.requireSeries(t)
}

// toldEvents are the Events of the Node, with their counts.
func (im *image) toldEvents(t *testing.T) map[npdEvent]int {
	t.Helper()
	told := map[npdEvent]int{}
	for _, e := range im.k.Events(t, "default", im.node) {
		require.Equal(t, "Warning", e.Type)
		require.Equal(t, e.Source.Component, e.ReportingComponent)
		require.Equal(t, im.node, e.Source.Host)
		told[npdEvent{e.Source.Component, e.Reason, e.Message}] += e.Count
	}
	return told
}

// requireSeries requires the metrics that are expected by now.
func (im *image) requireSeries(t *testing.T) {
	t.Helper()
	var series map[string]float64
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && !maps.Equal(im.series, series); time.Sleep(tick) {
		scrape, err := im.agent.Scrape(t.Context())
		require.NoError(t, err)
		series = scrape.Values
		maps.DeleteFunc(series, func(name string, _ float64) bool { return !strings.HasPrefix(name, "problem_") })
	}
	require.Equal(t, im.series, series)
}
