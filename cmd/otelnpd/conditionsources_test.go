package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/config/packs"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/receivers/checks"
)

// declaredBy are the conditions and rules of a configuration.
func declaredBy(t *testing.T, text string) condition.Config {
	t.Helper()
	parsed, err := config.Parse([]byte(text), "page.yaml", configFactories())
	require.NoError(t, err, text)
	return parsed.Conditions
}

// around makes a configuration of a receiver and perhaps a processor.
func around(receiver, processors string) string {
	name, _, _ := strings.Cut(receiver, ":")
	return "receivers: {" + receiver + "}\nprocessors: {" + processors + "}\nexporters: {console: }\n" +
		"service: {pipelines: {logs: {receivers: [" + name + "], exporters: [console]}}}\n"
}

func packNames(t *testing.T) (names []string) {
	t.Helper()
	entries, err := packs.FS.ReadDir(".")
	require.NoError(t, err)
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), ".yaml"))
	}
	return names
}

func (b conditionBook) addPacks(t *testing.T) {
	t.Helper()
	for _, pack := range packNames(t) {
		b.add(declaredBy(t, around("kmsg: ", "rules: {packs: ["+pack+"]}")), func(rule condition.Rule) string {
			return "rule `" + rule.ID + "`"
		})
	}
}

// checkLimits are the keys of a check that a page tells of.
type checkLimits struct {
	Enabled   bool   `yaml:"enabled"`
	Condition string `yaml:"condition"`
	Fail      struct {
		Enter float64 `yaml:"enter"`
		Leave float64 `yaml:"leave"`
		For   string  `yaml:"for"`
	} `yaml:"fail"`
}

func (b conditionBook) addChecks(t *testing.T) {
	t.Helper()
	file, _ := described(t)
	text, err := yaml.Marshal(checks.DefaultConfig())
	require.NoError(t, err)
	var all map[string]yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		var c checkLimits
		node := all[name]
		if node.Kind != yaml.MappingNode {
			continue
		}
		require.NoError(t, node.Decode(&c))
		if c.Condition != "" {
			b.addCheck(t, name, c, file.Key("receivers", "checks", name).Meaning)
		}
	}
}

// addCheck takes a check with its default limit; one that has none gets one.
func (b conditionBook) addCheck(t *testing.T, name string, c checkLimits, figure string) {
	t.Helper()
	keys, limit := "enabled: true", c.limit(figure)
	if c.Fail.Enter == 0 {
		keys = "enabled: true, fail: {enter: 99}, warn: {enter: 0}"
	}
	if name == "dns" {
		keys += ", names: [example.com]" // it has no default
	}
	b.add(declaredBy(t, around("checks: {"+name+": {"+keys+"}}", "")), func(rule condition.Rule) string {
		if rule.ID != "checks/"+name {
			return "" // those that are on by default are brought beside it
		}
		return "check `" + name + "`: " + strings.TrimSuffix(figure, ".") + "; " + limit
	})
}

// limit says when a check's condition turns.
func (c checkLimits) limit(figure string) string {
	if c.Fail.Enter == 0 {
		if c.Enabled {
			return "no limit: an Event alone"
		}
		return "no limit"
	}
	unit := ""
	if strings.Contains(figure, "per cent") {
		unit = " %"
	}
	limit := fmt.Sprintf("True from %v%s", c.Fail.Enter, unit)
	if c.Fail.For != "0s" {
		limit += " for " + withoutZeros(c.Fail.For)
	}
	if c.Fail.Leave != 0 && c.Fail.Leave != c.Fail.Enter {
		limit += fmt.Sprintf(", False below %v%s", c.Fail.Leave, unit)
	}
	return limit
}

// withoutZeros is a duration without the zeros that Go writes: 20m for 20m0s.
func withoutZeros(duration string) string {
	duration = strings.Replace(duration, "m0s", "m", 1)
	return strings.Replace(duration, "h0m", "h", 1)
}

func (b conditionBook) addHealth(t *testing.T) {
	t.Helper()
	b.add(declaredBy(t, around("health: {docker: {enabled: true}, kube_proxy: {enabled: true}}", "")), func(rule condition.Rule) string {
		return fmt.Sprintf("receiver `health`, `%s`: %d bad answers in a row", strings.TrimPrefix(rule.ID, "health/"), rule.FailureThreshold)
	})
}

// npdFiles are the monitors of the image, each with the flag that names it.
func npdFiles(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "deploy/image/config/*.json"))
	require.NoError(t, err)
	files := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var monitor struct {
			Plugin     string `json:"plugin"`
			Conditions []any  `json:"conditions"`
		}
		require.NoError(t, json.Unmarshal(text, &monitor), path)
		switch {
		case len(monitor.Conditions) == 0:
		case monitor.Plugin == "custom":
			files[filepath.Base(path)] = "--config.custom-plugin-monitor=" + path
		default:
			files[filepath.Base(path)] = "--config.system-log-monitor=" + path
		}
	}
	return files
}

func npdConditions(t *testing.T, flags ...string) condition.Config {
	t.Helper()
	options, err := parseNPD(flags)
	require.NoError(t, err)
	loaded, _, err := loadNPD(options)
	require.NoError(t, err)
	return loaded.Conditions
}

func (b conditionBook) addNPD(t *testing.T) {
	t.Helper()
	files := npdFiles(t)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		brings := npdConditions(t, files[name])
		b.add(brings, func(condition.Rule) string { return "`" + name + "`" })
		for _, one := range brings.Types {
			b[one.Name].files = append(b[one.Name].files, name)
		}
	}
}

// defaultSets are the conditions that are on by default, by where.
type defaultSets map[string]map[string]bool

var defaultOrder = []struct{ key, short, long string }{
	{"agent", "agent", "the agent without a file"}, {"chart", "chart", "the chart"}, {"npd", "compat image", "the image otelnpd-compat"},
}

func (s defaultSets) short(name string) string {
	return s.list(name, func(i int) string { return defaultOrder[i].short })
}

func (s defaultSets) long(name string) string {
	return s.list(name, func(i int) string { return defaultOrder[i].long })
}

func (s defaultSets) list(name string, text func(int) string) string {
	var found []string
	for i := range defaultOrder {
		if s[defaultOrder[i].key][name] {
			found = append(found, text(i))
		}
	}
	return strings.Join(found, ", ")
}

func defaults(t *testing.T) defaultSets {
	t.Helper()
	sets := defaultSets{}
	take := func(key string, brings condition.Config) {
		sets[key] = map[string]bool{}
		for _, rule := range brings.Rules {
			sets[key][rule.Condition] = true
		}
		delete(sets[key], "")
	}
	take("agent", declaredBy(t, string(config.Default())))
	take("chart", declaredBy(t, chartConfiguration(t)))
	take("npd", npdConditions(t, imageFlags(t)...))
	return sets
}

// chartConfiguration is what the chart gives to the agent.
func chartConfiguration(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy/manifests/otelnpd.yaml"))
	require.NoError(t, err)
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var object struct {
			Kind string            `yaml:"kind"`
			Data map[string]string `yaml:"data"`
		}
		require.NoError(t, yaml.Unmarshal([]byte(document), &object))
		if object.Kind == "ConfigMap" {
			return object.Data["otelnpd.yaml"]
		}
	}
	t.Fatal("the manifests have no ConfigMap")
	return ""
}

// imageFlags are the flags in the Dockerfile of the image that takes node-problem-detector's
// place, on the files in this repository.
func imageFlags(t *testing.T) (flags []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy/image/Dockerfile"))
	require.NoError(t, err)
	match := regexp.MustCompile(`ENTRYPOINT (\["/node-problem-detector".*\])`).FindSubmatch(text)
	require.NotNil(t, match)
	var words []string
	require.NoError(t, json.Unmarshal(match[1], &words))
	for _, word := range words[1:] {
		flags = append(flags, strings.ReplaceAll(word, "/config/", filepath.Join(root, "deploy/image/config")+"/"))
	}
	return flags
}
