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
	t.Run("the files of the image", func(t *testing.T) {
		im := newImage(t, k, log, "../deploy/image/config")
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
	files []npdFile
	// plugins are custom plugin monitors beside the files.
	plugins []pluginFile
	// unknown are the conditions whose plugin cannot tell, with what it says.
	unknown map[string]string
	// repeats are the reasons that plugins tell at each run: once and more is the same.
	repeats []string

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
	return startImage(t, k, log, npdFiles(t, folder), func(im *image) *agent.Agent {
		a := agent.StartNPDOnLogs(t, binary, agent.NewSettings(t), im.logs.folder,
			"--config.system-log-monitor="+strings.Join(im.paths(), ","), "--hostname-override="+im.node,
			"--apiserver-override="+k.URL+"?inClusterConfig=false&auth="+k.Kubeconfig(servers.Detector).Write(t))
		a.WaitReady(t, a.Ready())
		return a
	})
}

// startImage makes the logs of some files and starts an agent on them by start, which
// returns once it is ready.
func startImage(t *testing.T, k *servers.Kubernetes, log *kernellog.Log, files []npdFile, start func(im *image) *agent.Agent) *image {
	t.Helper()
	im := &image{files: files, k: k, node: "node-" + kernellog.Tag(),
		events: map[npdEvent]int{}, problems: map[string]string{}, held: map[npdHeld]string{}}
	k.CreateNode(t, servers.Node{Name: im.node, BootID: bootID(t), Conditions: []servers.NodeCondition{ready()}})
	im.watch = k.WatchNode(t, im.node)
	im.logs = newNPDLogs(t, log, im.files)
	t.Log(strings.Join(im.paths(), " "))
	im.agent = start(im)
	return im
}

func (im *image) paths() (paths []string) {
	for _, f := range im.files {
		paths = append(paths, f.path)
	}
	return paths
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
	list := func(conditions []struct{ Type, Reason, Message string }) {
		for _, c := range conditions {
			if _, listed := all[c.Type]; !listed {
				all[c.Type] = agent.Condition{Type: c.Type, Status: "False", Reason: c.Reason, Message: c.Message}
			}
		}
	}
	for _, f := range im.files {
		list(f.Conditions)
	}
	for _, f := range im.plugins {
		list(f.Conditions)
	}
	for name, message := range im.unknown {
		all[name] = agent.Condition{Type: name, Status: "Unknown", Reason: all[name].Reason, Message: message}
	}
	return all
}

// requireHealthy requires that each condition is told as its file says, and each series
// as 0, before anything has happened.
func (im *image) requireHealthy(t *testing.T) {
	t.Helper()
	for name, want := range im.conditions() {
		seen := im.watch.WaitFor(t, name+" "+want.Status+" "+want.Reason, 0, servers.Is(name, want.Status, want.Reason))
		require.Equal(t, want.Message, seen.Condition(name).Message)
		now := im.agent.Conditions(t)[name]
		now.Transition = ""
		require.Equal(t, want, now)
	}
	im.series = map[string]float64{}
	for _, f := range im.files {
		im.series[counterOf(lostOf(f))] = 0 // what the agent can tell of itself
		for _, rule := range f.Rules {
			im.series[counterOf(rule.Reason)] = 0
			if rule.Condition != "" {
				im.series[gaugeOf(rule)] = 0
			}
		}
	}
	im.expectPlugins()
	im.requireSeries(t)
	require.Zero(t, im.agent.Sum(t, "otelnpd_config_warnings", nil))
	im.requireEvents(t)
}

// lostOf is the reason with which a reader tells that records were lost.
func lostOf(f npdFile) string {
	switch f.Plugin {
	case "kmsg":
		return "KernelLogRecordsLost"
	case "journald":
		return "JournalEntriesLost"
	}
	return "LogFileLost"
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
	im.requireEvents(t)
	for name, healthy := range im.conditions() {
		reason, problem := im.problems[name]
		if !problem {
			require.Equal(t, []string{"", healthy.Status}, im.watch.Statuses(t, name))
			continue
		}
		im.watch.WaitFor(t, name+" True "+reason, 0, servers.Is(name, "True", reason))
		require.Equal(t, []string{"", "False", "True"}, im.watch.Statuses(t, name))
		shown := im.agent.Conditions(t)[name]
		require.Equal(t, []string{"True", reason}, []string{shown.Status, shown.Reason}, name)
	}
	require.Len(t, im.k.Node(t, im.node).Conditions, 1+len(im.conditions()), "those of the files, and Ready")
	im.requireSeries(t)
}

// requireEvents requires the Events that are expected by now, and no others.
func (im *image) requireEvents(t *testing.T) {
	t.Helper()
	var told map[npdEvent]int
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(tick) {
		if told = im.toldEvents(t); maps.Equal(im.events, told) {
			break
		}
	}
	require.Equal(t, im.events, told)
}

// toldEvents are the Events of the Node, with their counts.
func (im *image) toldEvents(t *testing.T) map[npdEvent]int {
	t.Helper()
	told := map[npdEvent]int{}
	for _, e := range im.k.Events(t, "default", im.node) {
		eventType := "Warning"
		if strings.HasPrefix(e.Message, "Node condition ") && !strings.Contains(e.Message, " is now: True, ") {
			eventType = "Normal"
		}
		require.Equal(t, eventType, e.Type, e.Message)
		require.Equal(t, e.Source.Component, e.ReportingComponent)
		require.Equal(t, im.node, e.Source.Host)
		told[npdEvent{e.Source.Component, e.Reason, e.Message}] += e.Count
	}
	for event := range told {
		if slices.Contains(im.repeats, event.reason) {
			told[event] = 1
		}
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
		for _, reason := range im.repeats {
			if value, told := series[counterOf(reason)]; told {
				series[counterOf(reason)] = min(value, 1)
			}
		}
	}
	require.Equal(t, im.series, series)
}
