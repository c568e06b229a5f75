package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/servers"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
)

// pluginFile is a custom plugin monitor.
type pluginFile struct {
	Source       string
	PluginConfig struct {
		MaxOutputLength int `json:"max_output_length"`
	}
	Conditions []struct{ Type, Reason, Message string }
	Rules      []struct {
		Type, Condition, Reason, Path string
		Args                          []string
	}
}

// pluginEvent is an Event of a plugin's file.
type pluginEvent struct {
	eventType string
	npdEvent
}

// turned is the Event of a condition that turns.
func (f *pluginFile) turned(conditionType, status, reason, message string) pluginEvent {
	eventType := "Normal"
	if status == "True" {
		eventType = "Warning"
	}
	text := fmt.Sprintf("Node condition %s is now: %s, reason: %s, message: %q", conditionType, status, reason, message)
	return pluginEvent{eventType, npdEvent{f.Source, reason, text}}
}

// pluginImage is an agent in node-problem-detector's image.
type pluginImage struct {
	agent.Image
	settings      agent.Settings
	files         []pluginFile
	flags         []string
	commands, net string // folders of stand-ins: commands, and /proc/sys/net
	journal       *journaltest.Daemon
	k             *servers.Kubernetes
	node          string
	watch         *servers.NodeWatch
	agent         *agent.Agent
}

// startPluginServer starts an apiserver, if the tests of plugins can run here.
func startPluginServer(t *testing.T) *servers.Kubernetes {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: plugins are at the paths of node-problem-detector's image")
	}
	if os.Getenv("OTELNPD_SHARED") == "" {
		t.Skip("OTELNPD_SHARED names no folder with sample files")
	}
	return servers.StartKubernetes(t)
}

// newPluginImage makes an image with some of node-problem-detector's files, and a Node.
func newPluginImage(t *testing.T, k *servers.Kubernetes, names ...string) *pluginImage {
	t.Helper()
	plugins, err := filepath.Abs("../deploy/plugins")
	require.NoError(t, err)
	im := &pluginImage{
		Image: agent.Image{Logs: t.TempDir(), Plugins: plugins}, settings: agent.NewSettings(t),
		k: k, node: "node-" + kernellog.Tag(),
	}
	var paths []string
	for _, name := range names {
		path := filepath.Join(os.Getenv("OTELNPD_SHARED"), "npd-config", name)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var file pluginFile
		require.NoError(t, json.Unmarshal(text, &file))
		im.files = append(im.files, file)
		paths = append(paths, path)
	}
	k.CreateNode(t, servers.Node{Name: im.node, BootID: bootID(t), Conditions: []servers.NodeCondition{ready()}})
	im.watch = k.WatchNode(t, im.node)
	im.flags = []string{
		"--config.custom-plugin-monitor=" + strings.Join(paths, ","), "--hostname-override=" + im.node,
		"--apiserver-override=" + k.URL + "?inClusterConfig=false&auth=" + k.Kubeconfig(servers.Detector).Write(t),
	}
	return im
}

func (im *pluginImage) start(t *testing.T) {
	t.Helper()
	im.agent = agent.StartNPDInImage(t, binary, im.settings, im.Image, im.flags...)
	im.agent.WaitReady(t, im.agent.Ready())
	require.Zero(t, im.agent.Sum(t, "otelnpd_plugin_failed_runs_total", nil), "all could be run")
}

func (im *pluginImage) stop(t *testing.T) {
	t.Helper()
	im.agent.Signal(t, syscall.SIGTERM)
	require.Zero(t, im.agent.Wait(t, patience))
}

// requireHealthy requires the healthy reasons and messages of the files, and no Event.
func (im *pluginImage) requireHealthy(t *testing.T) {
	t.Helper()
	for _, file := range im.files {
		for _, one := range file.Conditions {
			seen := im.watch.WaitFor(t, one.Type+" False "+one.Reason, 0, servers.Is(one.Type, "False", one.Reason))
			require.Equal(t, one.Message, seen.Condition(one.Type).Message)
			require.Equal(t, []string{"", "False"}, im.watch.Statuses(t, one.Type))
		}
	}
	require.Empty(t, im.k.Events(t, "default", im.node), "all is well")
}

// events are the Events of the Node, and how often each was told.
func (im *pluginImage) events(t *testing.T) map[pluginEvent]int {
	t.Helper()
	told := map[pluginEvent]int{}
	for _, e := range im.k.Events(t, "default", im.node) {
		told[pluginEvent{e.Type, npdEvent{e.Source.Component, e.Reason, e.Message}}] += e.Count
	}
	return told
}
