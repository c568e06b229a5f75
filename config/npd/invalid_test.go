package npd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/config/npd"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// convert converts one file, which it writes into a folder of its own.
func convert(t testing.TB, flag, text string) (*npd.Conversion, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.json")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return parseArguments(t, flag+path).Convert(npd.ForRunning)
}

const (
	logFlag    = "--config.system-log-monitor="
	pluginFlag = "--config.custom-plugin-monitor="
	statsFlag  = "--config.system-stats-monitor="
)

// withRule returns a log monitor of one rule.
func withRule(rule string) string {
	return `{"plugin": "kmsg", "source": "s", "rules": [` + rule + `]}`
}

// wrongFiles has a file for each thing that ends node-problem-detector at start.
var wrongFiles = map[string]struct{ flag, text, want string }{
	"empty":               {logFlag, " \n", `1:1: is empty: write a monitor in JSON`},
	"byte order mark":     {logFlag, "\ufeff{}", `1:1: is no JSON: it begins with a byte order mark: save it without`},
	"syntax":              {logFlag, "{\n  \"plugin\": kmsg}", `2:13: is no JSON: invalid character 'k' looking for beginning of value`},
	"cut off":             {logFlag, `{"plugin": "kmsg"`, `1:17: is no JSON: unexpected end of JSON input`},
	"comma at the end":    {logFlag, `{"plugin": "kmsg",}`, `1:19: is no JSON: invalid character '}' looking for beginning of object key string`},
	"something behind":    {logFlag, `{} {}`, `1:4: is no JSON: invalid character '{' after top-level value`},
	"nested too deep":     {logFlag, strings.Repeat("[", 200) + strings.Repeat("]", 200), `1:102: is nested too deep: at most 100 levels are allowed`},
	"no object":           {logFlag, `["kmsg"]`, `1:1: want an object {…}, not a list`},
	"no plugin":           {logFlag, `{}`, `1:1: plugin: is missing: write one of filelog, journald, kmsg`},
	"unknown plugin":      {logFlag, `{"plugin": "kmesg"}`, `1:2: plugin: "kmesg" is no plugin: did you mean "kmsg"?`},
	"plugin in capitals":  {logFlag, `{"plugin": "KMSG"}`, `1:2: plugin: "KMSG" is no plugin: did you mean "kmsg"?`},
	"lookback":            {logFlag, `{"plugin": "kmsg", "lookback": "5"}`, `1:20: lookback: "5" is no time: write one with its unit, for example "30s", "5m" or "1h30m"`},
	"delay":               {logFlag, `{"plugin": "journald", "delay": "5 m"}`, `1:24: delay: "5 m" is no time: write one with its unit, for example "30s", "5m" or "1h30m"`},
	"negative bufferSize": {logFlag, `{"plugin": "kmsg", "bufferSize": -1}`, `1:20: bufferSize: -1 is negative: write how many lines a pattern may span, for example 10`},
	"pattern":             {logFlag, withRule(`{"type": "temporary", "reason": "R", "pattern": "a(b"}`), "1:82: rules[0].pattern: \"a(b\" is no regular expression (missing closing ): \"a(b\"): write RE2 syntax"},
	"pattern of Perl":     {logFlag, withRule(`{"type": "temporary", "reason": "R", "pattern": "a(?=b)"}`), "1:82: rules[0].pattern: \"a(?=b)\" is no regular expression (invalid or unsupported Perl syntax: \"(?=\"): write RE2 syntax"},
	"types all at once": {logFlag, `{"plugin": 1, "pluginConfig": {"a": 1}, "logPath": false, "lookback": 5, "delay": {}, "bufferSize": "10",
 "source": [], "skipList": "a", "metricsReporting": "true",
 "conditions": {}, "rules": [{"type": 1, "condition": 2, "reason": 3, "pattern": 4, "patternGeneratedMessageSuffix": 5}, "rule"]}`, `1:2: plugin: want text like "kmsg", not 1
1:87: bufferSize: want a whole number, not "10"
2:2: source: want text like "…", not a list
2:16: skipList: want a list […], not "a"
2:33: metricsReporting: want true or false, not "true"
3:2: conditions: want a list […], not an object
3:31: rules[0].type: want text like "…", not 1
3:42: rules[0].condition: want text like "…", not 2
3:58: rules[0].reason: want text like "…", not 3
3:71: rules[0].pattern: want text like "…", not 4
3:85: rules[0].patternGeneratedMessageSuffix: want text like "…", not 5
3:122: rules[1]: want an object {…}, not "rule"`},
	"types of kmsg": {logFlag, `{"plugin": "kmsg", "logPath": 1, "pluginConfig": {"a": {}}, "lookback": 5, "delay": 1, "skipList": [1]}`, `1:20: logPath: want text like "…", not 1
1:51: pluginConfig.a: want text like "…", not an object
1:61: lookback: want a time like "30s", not 5
1:76: delay: want a time like "30s", not 1
1:101: skipList[0]: want text like "…", not 1`},
	"types of conditions": {logFlag, `{"plugin": "kmsg", "conditions": [{"type": 1, "reason": true, "message": null, "status": 1, "transition": 2}, []]}`, `1:36: conditions[0].type: want text like "…", not 1
1:47: conditions[0].reason: want text like "…", not true
1:80: conditions[0].status: want text like "…", not 1
1:93: conditions[0].transition: want text like "…", not 2
1:111: conditions[1]: want an object {…}, not a list`},
	"fractions":         {logFlag, `{"plugin": "kmsg", "bufferSize": 1.0}`, `1:20: bufferSize: want a whole number, not 1.0`},
	"patterns of files": {logFlag, `{"plugin": "filelog", "logPath": "/x", "pluginConfig": {"timestamp": "(", "message": "*", "timestampFormat": "("}}`, "1:57: pluginConfig.timestamp: \"(\" is no regular expression (missing closing ): \"(\"): write RE2 syntax\n1:75: pluginConfig.message: \"*\" is no regular expression (missing argument to repetition operator: \"*\"): write RE2 syntax"},

	"custom plugin":     {pluginFlag, `{"plugin": "kmsg"}`, `1:2: plugin: "kmsg" is no plugin: write "custom"`},
	"custom no object":  {pluginFlag, `1`, `1:1: want an object {…}, not 1`},
	"custom no config":  {pluginFlag, `{"plugin": "custom", "pluginConfig": []}`, `1:22: pluginConfig: want an object {…}, not a list`},
	"custom rule":       {pluginFlag, `{"plugin": "custom", "rules": [null, 1]}`, "1:32: rules[0]: is null: write a rule {…}, or take it out\n1:38: rules[1]: want an object {…}, not 1"},
	"custom times":      {pluginFlag, `{"plugin": "custom", "pluginConfig": {"invoke_interval": "", "timeout": "x"}}`, "1:39: pluginConfig.invoke_interval: \"\" is no time: write one with its unit, for example \"30s\", \"5m\" or \"1h30m\"\n1:62: pluginConfig.timeout: \"x\" is no time: write one with its unit, for example \"30s\", \"5m\" or \"1h30m\""},
	"custom bounds":     {pluginFlag, `{"plugin": "custom", "pluginConfig": {"invoke_interval": "0s", "concurrency": -1, "max_output_length": -1}}`, "1:39: pluginConfig.invoke_interval: 0s is no interval: write a time above 0, for example \"30s\"\n1:64: pluginConfig.concurrency: -1 is negative: write how many commands may run at once, for example 3\n1:83: pluginConfig.max_output_length: -1 is negative: write how many bytes of the output are kept, for example 80"},
	"custom timeout":    {pluginFlag, `{"plugin": "custom", "rules": [{"type": "temporary", "path": "/", "timeout": "6s"}]}`, `1:67: rules[0].timeout: 6s is longer than the 5s of pluginConfig.timeout: write at most that, or more there`},
	"custom condition":  {pluginFlag, `{"plugin": "custom", "conditions": [{"type": "A", "reason": "Fine"}], "rules": [{"type": "permanent", "condition": "B", "path": "/"}]}`, `1:103: rules[0].condition: the condition "B" is not listed: list it under conditions`},
	"custom no path":    {pluginFlag, `{"plugin": "custom", "rules": [{"type": "temporary", "reason": "R"}]}`, `1:32: rules[0].path: is missing: write the path of the command`},
	"custom rule types": {pluginFlag, `{"plugin": "custom", "rules": [{"type": "temporary", "path": 1, "args": [1], "reason": 1, "timeout": "", "invoke_interval": 1}]}`, "1:54: rules[0].path: want text like \"…\", not 1\n1:74: rules[0].args[0]: want text like \"…\", not 1\n1:78: rules[0].reason: want text like \"…\", not 1\n1:91: rules[0].timeout: \"\" is no time: write one with its unit, for example \"30s\", \"5m\" or \"1h30m\"\n1:106: rules[0].invoke_interval: want a time like \"30s\", not 1"},

	"stats no object": {statsFlag, `"x"`, `1:1: want an object {…}, not "x"`},
	"stats interval":  {statsFlag, `{"invokeInterval": "-1s"}`, "1:2: invokeInterval: -1s is no interval: write a time above 0, for example \"60s\""},
	"stats lsblk":     {statsFlag, `{"invokeInterval": "2s"}`, `1:1: disk.lsblkTimeout: 5s is longer than the invokeInterval of 2s: write at most that`},
	"stats lsblk 0":   {statsFlag, `{"disk": {"lsblkTimeout": "0s"}}`, `1:11: disk.lsblkTimeout: 0s is no timeout: write a time above 0, for example "5s"`},
	"stats sections":  {statsFlag, `{"cpu": 1, "net": {"excludeInterfaceRegexp": "("}, "host": {"metricsConfigs": [1]}, "memory": {"metricsConfigs": {"memory/bytes_used": "x"}}}`, "1:2: cpu: want an object {…}, not 1\n1:20: net.excludeInterfaceRegexp: \"(\" is no regular expression (missing closing ): \"(\"): write RE2 syntax\n1:61: host.metricsConfigs: want an object {…}, not a list\n1:115: memory.metricsConfigs.memory/bytes_used: want an object {…}, not \"x\""},
}

func TestWrongFiles(t *testing.T) {
	for name, test := range wrongFiles {
		t.Run(name, func(t *testing.T) {
			conversion, err := convert(t, test.flag, test.text)
			require.Nil(t, conversion)
			var errs strictyaml.Errors
			require.ErrorAs(t, err, &errs)
			var got []string
			for i := range errs {
				_, place, found := strings.Cut(errs[i].Error(), "a.json:")
				require.True(t, found)
				got = append(got, place)
			}
			require.Equal(t, test.want, strings.Join(got, "\n"))
		})
	}
}

func TestStackdriverFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	options := parseArguments(t, "--config.system-log-monitor=testdata/kernel.json", "--exporter.stackdriver="+path)
	write(`{"exportPeriod": "x", "apiEndpoint": 1, "panicOnMetadataFetchFailure": "yes", "metadataFetchTimeout": "", "metadataFetchInterval": 1,
"customMetricPrefix": 1, "gceMetadata": {"projectID": 1}}`)
	_, err := options.Convert(npd.ForRunning)
	require.EqualError(t, err, strings.ReplaceAll(`F:1:2: exportPeriod: "x" is no time: write one with its unit, for example "30s", "5m" or "1h30m"
F:1:23: apiEndpoint: want text like "…", not 1
F:1:41: panicOnMetadataFetchFailure: want true or false, not "yes"
F:1:107: metadataFetchInterval: want a time like "30s", not 1
F:2:1: customMetricPrefix: want text like "…", not 1
F:2:42: gceMetadata.projectID: want text like "…", not 1`, "F:", path+":"))
	write(`{"apiEndpoint": "https://me:secret@h:443"}`)
	_, err = options.Convert(npd.ForRunning)
	require.EqualError(t, err, path+`:1:2: apiEndpoint: "https://…@h:443" is no endpoint: write HOST:PORT, for example "monitoring.googleapis.com:443"`)
	write(`[]`)
	_, err = options.Convert(npd.ForRunning)
	require.EqualError(t, err, path+`:1:1: want an object {…}, not a list`)
}

func TestUnreadableFiles(t *testing.T) {
	folder := t.TempDir()
	large := filepath.Join(folder, "large.json")
	require.NoError(t, os.WriteFile(large, []byte(strings.Repeat(" ", 1<<20+1)), 0o600))
	bad := filepath.Join(folder, "bad.json")
	require.NoError(t, os.WriteFile(bad, []byte("x"), 0o600))
	fifo := filepath.Join(folder, "fifo.json")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	none := filepath.Join(folder, "none.json")
	options := parseArguments(t, logFlag+none+","+fifo+","+folder+","+large, pluginFlag+bad)
	_, err := options.Convert(npd.ForPrinting)
	require.EqualError(t, err, folder+`:1:1: cannot be read (it is no regular file): write the path of a file that is there
`+bad+`:1:1: is no JSON: invalid character 'x' looking for beginning of value
`+fifo+`:1:1: cannot be read (it is no regular file): write the path of a file that is there
`+large+`:1:1: has more than 1048576 bytes: split it into several files
`+none+`:1:1: cannot be read (no such file or directory): write the path of a file that is there`)
}

// The YAML of several files may be larger than what the configuration takes.
func TestTooMuch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "many.json")
	rule := `{"type": "temporary", "reason": "R", "pattern": "` + strings.Repeat("x", 900) + `"},`
	require.NoError(t, os.WriteFile(path, []byte(withRule(strings.TrimSuffix(strings.Repeat(rule, 600), ","))), 0o600))
	_, err := parseArguments(t, logFlag+path).Convert(npd.ForRunning)
	require.NoError(t, err)
	_, err = parseArguments(t, logFlag+path+","+path).Convert(npd.ForRunning)
	require.ErrorContains(t, err, "bytes of YAML, at most 1048576 are taken: spread them over two agents")
}
