package npd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/config/npd"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/processors/rules"
	"github.com/otelnpd/otelnpd/receivers/kmsg"
)

const nothingLeft = "\n: no rule in it looks for anything: this does not run"

// oddFiles start under node-problem-detector, and so they do here, with warnings.
var oddFiles = map[string]struct{ flag, text, want string }{
	"nothing odd":            {logFlag, `{"plugin": "kmsg", "source": "s"}`, ""},
	"only white space":       {logFlag, "\t\r\n{\t\"plugin\"\r\n:\"kmsg\" , \"source\":\"s\"\t}\r\n", ""},
	"no source":              {logFlag, `{"plugin": "kmsg"}`, `1:1: source: is missing: Events name otelnpd as their component`},
	"other case":             {logFlag, `{"Plugin": "kmsg", "SOURCE": "s"}`, "1:2: Plugin: write the key as \"plugin\"\n1:20: SOURCE: write the key as \"source\""},
	"set twice":              {logFlag, `{"plugin": "filelog", "plugin": "kmsg", "source": "s"}`, `1:23: plugin: is set twice: this one counts`},
	"set twice in two cases": {logFlag, `{"plugin": "kmsg", "source": "s", "Source": "t"}`, "1:35: Source: write the key as \"source\"\n1:35: Source: is set twice: this one counts"},
	"unknown key":            {logFlag, `{"plugin": "kmsg", "source": "s", "lockback": {"a": [1, null]}, "x": 1}`, "1:35: lockback: is unknown and has no effect: did you mean \"lookback\"?\n1:65: x: is unknown and has no effect: leave it out"},
	"null everywhere":        {logFlag, `{"plugin": "kmsg", "source": "s", "pluginConfig": null, "logPath": null, "lookback": null, "delay": null, "bufferSize": null, "skipList": null, "metricsReporting": null, "conditions": null, "rules": null}`, nothingLeft[1:]},
	"no UTF-8":               {logFlag, "{\"plugin\": \"kmsg\", \"source\": \"s\xff\"}", ""},
	"bufferSize":             {logFlag, `{"plugin": "kmsg", "source": "s", "bufferSize": 5000}`, "1:35: bufferSize: 5000 is more than 1000 lines, which is what a pattern can span at most here"},
	"negative times":         {logFlag, `{"plugin": "kmsg", "source": "s", "lookback": "-1m", "delay": "-1h"}`, "1:35: lookback: -1m0s is negative: lines from now on are read\n1:54: delay: -1h0m0s is negative: it has no effect"},
	"other path":             {logFlag, `{"plugin": "kmsg", "source": "s", "logPath": "/var/log/kern.log"}`, `1:35: logPath: "/var/log/kern.log" is read, where node-problem-detector reads /dev/kmsg whatever stands here: write /dev/kmsg unless you mean it`},
	"relative path":          {logFlag, `{"plugin": "kmsg", "source": "s", "logPath": "kmsg"}`, `1:35: logPath: "kmsg" is no absolute path: /dev/kmsg is read, as node-problem-detector does`},
	"skipList of kmsg":       {logFlag, `{"plugin": "kmsg", "source": "s", "skipList": ["a"]}`, "1:35: skipList: has no effect on a monitor of kmsg: node-problem-detector skips lines of filelog alone"},
	"pluginConfig of kmsg":   {logFlag, `{"plugin": "kmsg", "source": "s", "pluginConfig": {"source": "kernel", "source": "k"}}`, "1:72: pluginConfig.source: is set twice: this one counts\n1:72: pluginConfig.source: a monitor of kmsg does not read it: leave it out"},
	"condition": {logFlag, `{"plugin": "kmsg", "source": "s", "conditions": [{"type": "", "reason": "R"}, {"type": "Disk/Failing 1", "reason": "all well", "message": "m", "status": "True", "transition": "x"}, {"type": "B"}, null]}`, `1:51: conditions[0].type: is missing: the condition is left out; write its type, for example KernelDeadlock
1:79: conditions[1]: no rule uses the condition Disk.Failing.1: it stays healthy
1:80: conditions[1].type: "Disk/Failing 1" is told as Disk.Failing.1: a type is letters, digits and any of . _ -, at most 63
1:106: conditions[1].reason: "all well" is told as all_well: a reason is letters, digits and any of _ , : at most 128
1:144: conditions[1].status: has no effect: a condition starts healthy, now
1:162: conditions[1].transition: has no effect: a condition starts healthy, now
1:182: conditions[2].reason: is missing: Healthy is told instead; write what the condition says while all is well
1:182: conditions[2]: no rule uses the condition B: it stays healthy
1:197: conditions[3].type: is missing: the condition is left out; write its type, for example KernelDeadlock`},
	"condition twice": {logFlag, `{"plugin": "kmsg", "source": "s", "conditions": [{"type": "A", "reason": "R"}, {"type": "A", "reason": "S"}],
"rules": [{"type": "permanent", "condition": "A", "reason": "X", "pattern": "x"}]}`, "1:80: conditions[1]: the condition A is listed twice: the first counts"},
	"long texts": {logFlag, `{"plugin": "kmsg", "source": "s", "conditions": [{"type": "A", "reason": "R", "message": "` + strings.Repeat("ä", 2100) + `"}],
"rules": [{"type": "permanent", "condition": "A", "reason": "X", "pattern": "x", "patternGeneratedMessageSuffix": "` + strings.Repeat("x", 4097) + `"}]}`, "1:79: conditions[0].message: has 4200 bytes, and is cut to 4096\n2:82: rules[0].patternGeneratedMessageSuffix: has 4097 bytes, and is cut to 4096"},
	"reason": {logFlag, withRule(`{"type": "temporary", "reason": "disk is-failing!", "pattern": "x"}, {"type": "temporary", "pattern": "y"}, {"type": "temporary", "pattern": "y", "reason": "9p"}, {"type": "temporary", "pattern": "z", "reason": "磁盘"}`),
		`1:67: rules[0].reason: "disk is-failing!" is told as disk_is_failing: a reason is letters, digits and any of _ , : at most 128
1:114: rules[1].reason: is missing: Unknown is told instead; write a CamelCase word
1:191: rules[2].reason: "9p" is told as Reason9p: a reason is letters, digits and any of _ , : at most 128
1:246: rules[3].reason: "磁盘" is told as Reasonde7b72a3: a reason is letters, digits and any of _ , : at most 128`},
	"kinds of rules": {logFlag, withRule(`{"type": "temporary", "condition": "A", "reason": "R", "pattern": "x"}, {"type": "sometimes", "condition": "A", "reason": "R", "pattern": "x"}, {"reason": "R", "pattern": "x"}, null`),
		`1:67: rules[0].condition: has no effect on a temporary rule, which makes an Event alone: write type permanent, or leave it out
1:118: rules[1].type: "sometimes" is read as permanent, as node-problem-detector does: write temporary or permanent
1:139: rules[1].condition: the condition A is not listed: the rule is left out, since node-problem-detector does nothing at it; list it under conditions
1:189: rules[2].type: "" is read as permanent, as node-problem-detector does: write temporary or permanent
1:189: rules[2].condition: is missing: the rule has no effect and is left out; write a condition that the file lists, or type temporary
1:222: rules[3].type: "" is read as permanent, as node-problem-detector does: write temporary or permanent
1:222: rules[3].condition: is missing: the rule has no effect and is left out; write a condition that the file lists, or type temporary
1:222: rules[3].pattern: "" matches the empty text, and so every line: the rule is left out; write what the line must hold`},
	"branches": {logFlag, withRule(`{"type": "temporary", "reason": "R", "pattern": "bad sector|bad block"}, {"type": "temporary", "reason": "R", "pattern": "bad (sector|block)"}`),
		`1:82: rules[0].pattern: every branch of "bad sector|bad block" must match up to the end of the line here; for node-problem-detector only the last: write .* behind the others if text may follow`},
	"empty branches": {logFlag, withRule(`{"type": "temporary", "reason": "R", "pattern": "bad|"}`), `1:82: rules[0].pattern: "bad|" matches the empty text, and so every line: the rule is left out; write what the line must hold` + nothingLeft},
	"open quotes":    {logFlag, withRule(`{"type": "temporary", "reason": "R", "pattern": "\\Qa.b("}`), ""},
	"journald": {logFlag, `{"plugin": "journald", "source": "s", "skipList": ["a"], "pluginConfig": {"Source": "x"}, "conditions": [{"type": "A", "reason": "R"}]}`,
		`1:39: skipList: has no effect on a monitor of journald: node-problem-detector skips lines of filelog alone
1:58: pluginConfig: source is missing: node-problem-detector does not start this monitor; write {"source": IDENTIFIER}, for example kubelet
1:75: pluginConfig.Source: a monitor of journald does not read it: did you mean "source"?
: pluginConfig has no source: this does not run` + ", and its conditions are not told: A"},
	"filelog": {logFlag, `{"plugin": "filelog", "source": "s", "pluginConfig": {"timestamp": "x", "format": "x"}}`, `1:1: logPath: is missing: node-problem-detector does not start this monitor; write the path of the file
1:38: pluginConfig: message is missing: node-problem-detector takes no line without it
1:38: pluginConfig: timestampFormat is missing: node-problem-detector takes no line without it
1:73: pluginConfig.format: a monitor of filelog does not read it: leave it out
: it names no file: this does not run`},
	"filelog that takes nothing": {logFlag, `{"plugin": "filelog", "source": "s", "logPath": "/x", "pluginConfig": {"timestamp": "x", "message": "x", "timestampFormat": "YYYY"}, "skipList": ["", "a"]}`, `1:106: pluginConfig.timestampFormat: "YYYY" is no layout of a time: write how Go would write Mon Jan 2 15:04:05 2006
1:134: skipList: holds an empty text, and so every line is skipped: take it out
: its skipList leaves out every line: this does not run`},
	"filelog of Windows": {logFlag, `{"plugin": "filelog", "source": "s", "logPath": "C:\\log.txt"}`, ": Windows is not supported: this does not run"},
	"custom": {pluginFlag, `{"plugin": "custom", "pluginConfig": {"concurrency": 0, "x": 1}, "rules": [{"path": "/none", "timeout": "1s", "reason": "R", "condition": "A", "args": ["a"]}]}`,
		`1:1: source: is missing: Events name otelnpd as their component
1:39: pluginConfig.concurrency: 0 lets no command run: write how many may run at once, for example 3
1:57: pluginConfig.x: is unknown and has no effect: leave it out
1:76: rules[0].type: "" is read as permanent, as node-problem-detector does: write temporary or permanent
1:77: rules[0].path: "/none" does not exist: node-problem-detector does not start without it; here it is unknown what it would find, until it can be run; write the path of the command
: concurrency 0 lets no command run: this does not run`},
	"custom bounds": {pluginFlag, `{"plugin": "custom", "source": "s", "pluginConfig": {"concurrency": 2000, "invoke_interval": "1ms", "timeout": "0s", "max_output_length": 5000}, "rules": [{"type": "temporary", "path": "bin/sh", "reason": "R", "invoke_interval": "-1s"}, {"type": "temporary", "reason": "R", "path": "/bin/sh"}]}`,
		`1:54: pluginConfig.concurrency: 2000 is out of range: 1000 is taken
1:75: pluginConfig.invoke_interval: 1ms is out of range: 100ms is taken
1:101: pluginConfig.timeout: 0s is out of range: 1ms is taken
1:118: pluginConfig.max_output_length: 5000 is more than 4096, which is what a message has at most
1:211: rules[0].invoke_interval: -1s is out of range: 100ms is taken`},
	"stats bounds": {statsFlag, `{"invokeInterval": "100ms", "disk": {"lsblkTimeout": "50ms"}, "procPath": "proc", "host": {"metricsConfigs": {"host/uptime": {"displayName": "host/uptime"}}}}`,
		`1:2: invokeInterval: 100ms is out of bounds: figures are read every 1s
1:63: procPath: "proc" is no absolute path of a proc file system: /proc is read`},
	"stats names": {statsFlag, `{"cpu": {"metricsConfigs": {"cpu/load_1m": {"displayName": "load 1"}, "cpu/load_5m": {"displayName": "problem_counter"}, "cpu/load_15m": {"displayName": "load/1"}}}}`,
		`1:29: cpu.metricsConfigs.cpu/load_1m: "load 1" is served as load_1: a name is letters, digits and any of _ . / -, at most 255, and no other metric's
1:71: cpu.metricsConfigs.cpu/load_5m: "problem_counter" is served as node_problem_counter: a name is letters, digits and any of _ . / -, at most 255, and no other metric's
1:122: cpu.metricsConfigs.cpu/load_15m: load/1 is served already, by FOLDER/a.json: that one counts`},
	"stats": {statsFlag, `{"cpu": {"metricsConfigs": {"cpu/load": {"displayName": "x"}, "cpu/load_1m": {"displayname": ""}}}, "osFeature": {"knownModulesConfigPath": "none.json"}, "procPath": "/proc"}`,
		`1:29: cpu.metricsConfigs.cpu/load: is no metric of cpu: leave it out
1:63: cpu.metricsConfigs.cpu/load_1m: has no displayName and is not measured: write {"displayName": "cpu/load_1m"}
1:79: cpu.metricsConfigs.cpu/load_1m.displayname: write the key as "displayName"
1:115: osFeature.knownModulesConfigPath: "FOLDER/none.json" does not exist: write the path of a list of modules, from the folder of this file on
: no metric in it has a displayName: this does not run`},
}

// A file whose metrics are all served by another one has metrics.
func TestStatsThatAreServedAlready(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"cpu": {"metricsConfigs": {"cpu/load_1m": {"displayName": "load"}}}}`), 0o600))
	conversion, err := parseArguments(t, statsFlag+path+","+path).Convert(npd.ForRunning)
	require.NoError(t, err)
	last := conversion.Warnings[len(conversion.Warnings)-1]
	require.Contains(t, last.String(), "all metrics in it are served already")
}

func TestOddFiles(t *testing.T) {
	for name, test := range oddFiles {
		t.Run(name, func(t *testing.T) {
			conversion, err := convert(t, test.flag, withSomeRule(test.text))
			require.NoError(t, err)
			var got []string
			for _, one := range conversion.Warnings {
				place := strings.TrimPrefix(one.String(), one.File)
				if one.Line > 0 {
					place = place[1:]
				}
				got = append(got, strings.ReplaceAll(place, filepath.Dir(one.File), "FOLDER"))
			}
			require.Equal(t, strings.TrimPrefix(test.want, "\n"), strings.Join(got, "\n"))
			_, err = config.Parse(conversion.YAML, "npd.yaml", factories())
			require.NoError(t, err, "%s", conversion.YAML)
		})
	}
}

// withSomeRule adds a rule to a monitor that has none.
func withSomeRule(text string) string {
	end := strings.LastIndex(text, "}")
	if !strings.Contains(text, "kmsg") || strings.Contains(text, "rules") {
		return text
	}
	return text[:end] + `, "rules": [{"type": "temporary", "reason": "R", "pattern": "x"}]` + text[end:]
}

// rulesOf returns the rules that a file becomes.
func rulesOf(t testing.TB, text string) []rules.Rule {
	t.Helper()
	conversion, err := convert(t, logFlag, text)
	require.NoError(t, err)
	parsed, err := config.Parse(conversion.YAML, "npd.yaml", factories())
	require.NoError(t, err)
	for id, component := range parsed.Graph.Processors {
		if id.Type == rules.Type {
			return component.(*rules.Config).Rules
		}
	}
	return nil
}

func TestRules(t *testing.T) {
	window := func(lines int) *rules.Window { return &rules.Window{Lines: lines} }
	off := false
	for name, test := range map[string]struct {
		text string
		want []rules.Rule
	}{
		"namesakes": {withRule(`{"type": "temporary", "reason": "R", "pattern": "a"}, {"type": "temporary", "reason": "R", "pattern": "b"}, {"type": "temporary", "reason": "R", "pattern": "c"}`), []rules.Rule{
			{ID: "s/R", Pattern: "a", Reason: "R", Window: window(10)}, {ID: "s/R#2", Pattern: "b", Reason: "R", Window: window(10)}, {ID: "s/R#3", Pattern: "c", Reason: "R", Window: window(10)},
		}},
		"texts stay as they are": {`{"plugin": "kmsg", "source": "my source/1", "bufferSize": 3, "metricsReporting": false, "rules": [
			{"type": "temporary", "reason": "A:b,c_1", "pattern": "${env:HOME}\\n\\t'\"# : {x}\u0001\u2028é", "patternGeneratedMessageSuffix": " $${env:X} "}]}`, []rules.Rule{{
			ID: "my-source-1/A-b-c_1", Pattern: "${env:HOME}\\n\\t'\"# : {x}\u0001\u2028é", Reason: "A:b,c_1", MetricsReporting: &off,
			Window: &rules.Window{Lines: 3, Suffix: " $${env:X} "},
		}}},
		"quoted to the end": {withRule(`{"type": "temporary", "reason": "R", "pattern": "\\Qa.b("}`), []rules.Rule{{ID: "s/R", Pattern: `\Qa.b(\E`, Reason: "R", Window: window(10)}}},
		"looks like YAML":   {withRule(`{"type": "temporary", "reason": "True", "pattern": "null"}`), []rules.Rule{{ID: "s/True", Pattern: "null", Reason: "True", Window: window(10)}}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, rulesOf(t, test.text)) })
	}
}

func TestReceivers(t *testing.T) {
	for text, want := range map[string]kmsg.Config{
		`{"plugin": "kmsg"}`: {Path: "/dev/kmsg", Lookback: 0},
		`{"plugin": "kmsg", "logPath": "/run/x", "lookback": "1h30m", "delay": "90s"}`: {Path: "/run/x", Lookback: 90 * 60e9, Delay: 90e9},
		`{"plugin": "kmsg", "lookback": "0", "delay": "0"}`:                            {Path: "/dev/kmsg"},
		`{"plugin": "kmsg", "lookback": "1.5s", "delay": "10h"}`:                       {Path: "/dev/kmsg", Lookback: 1.5e9, Delay: 10 * 3600e9},
	} {
		conversion, err := convert(t, logFlag, withSomeRule(text))
		require.NoError(t, err)
		parsed, err := config.Parse(conversion.YAML, "npd.yaml", factories())
		require.NoError(t, err)
		require.Equal(t, &want, parsed.Graph.Receivers[pipeline.ID{Type: "kmsg", Name: "a"}], text)
	}
}

// Names are made of sources; where those are odd or the same, names still are valid
// and different.
func TestNames(t *testing.T) {
	for source, want := range map[string]string{
		"a b//c": "a-b-c", "1st": "monitor-1st", "-x-": "x", "": "a", "é": "monitor-" + "4a99557e", strings.Repeat("x", 300): strings.Repeat("x", 100),
		"a.": "a", "b_C-1": "b_C-1",
	} {
		conversion, err := convert(t, logFlag, withSomeRule(`{"plugin": "kmsg", "source": "`+source+`"}`))
		require.NoError(t, err)
		require.Contains(t, string(conversion.YAML), "\n  kmsg/"+want+":", source)
		_, err = config.Parse(conversion.YAML, "npd.yaml", factories())
		require.NoError(t, err)
	}
}

func TestWarningOfAFile(t *testing.T) {
	require.Equal(t, "a.json:1:2: odd", npd.Warning{File: "a.json", Line: 1, Column: 2, Message: "odd"}.String())
	require.Equal(t, "a.json: odd", npd.Warning{File: "a.json", Message: "odd"}.String())
	require.Equal(t, "odd", npd.Warning{Message: "odd"}.String())
	require.Equal(t, `"a\nb": odd`, npd.Warning{File: "a\nb", Message: "odd"}.String())
}
