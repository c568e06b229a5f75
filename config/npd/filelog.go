package npd

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// filelog makes the receiver of a text file.
func filelog(m *monitor, file object) {
	config := file.texts("pluginConfig")
	unread(config, "filelog", "timestamp", "message", "timestampFormat")
	skip := file.textList("skipList")
	back, after := lookback(file), delay(file)
	if why := filelogFault(file, config, skip); why != "" {
		*m = *unavailable(file.jsonValue, m.origin, why, m.conditions)
		return
	}
	m.receiver, m.rules.keepSpace = "filelog", true
	m.settings = block(
		entry{key: "include", value: words(filelogPath(file.text("logPath")))},
		entry{key: "timestamp", value: pattern(config["timestamp"].text)},
		entry{key: "timestamp_format", value: pattern(config["timestampFormat"].text)},
		entry{key: "message", value: pattern(config["message"].text)},
		entry{key: "unparsed", value: plain("skip")},
		entry{key: "skip", value: optionalWords(skip)},
		entry{key: "lookback", value: plain(back)},
		entry{key: "delay", value: after},
	)
}

// filelogFault tells why node-problem-detector would not start a monitor, or take no
// line; empty: it would.
func filelogFault(file object, config map[string]jsonValue, skip []string) (why string) {
	for _, key := range []string{"timestamp", "message", "timestampFormat"} {
		v := config[key]
		if v.text == "" {
			file.at("pluginConfig").warn("%s is missing: node-problem-detector takes no line without it", key)
			why = "no line is taken without timestamp, message and timestampFormat"
		} else if _, err := regexp.Compile(v.text); err != nil && key != "timestampFormat" {
			v.fail("%s", patternFault(v.text, err))
		}
	}
	if layout := config["timestampFormat"]; layout.text != "" && !isLayout(layout.text) {
		layout.warn("%s is no layout of a time: write how Go would write Mon Jan 2 15:04:05 2006", quoted(layout.text))
		why = "no time looks like its timestampFormat"
	}
	if file.text("logPath") == "" {
		file.at("logPath").warn("is missing: node-problem-detector does not start this monitor; write the path of the file")
		why = "it names no file"
	}
	if slices.Contains(skip, "") {
		file.at("skipList").warn("holds an empty text, and so every line is skipped: take it out")
		why = "its skipList leaves out every line"
	}
	return why
}

// isLayout tells whether different times look different.
func isLayout(layout string) bool {
	one, other := time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC), time.Date(2006, 11, 22, 23, 34, 56, 0, time.UTC)
	return one.Format(layout) != other.Format(layout)
}

// filelogPath is a path as the configuration takes it: no pattern. A relative one is
// from /, where node-problem-detector runs.
func filelogPath(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(filepath.Join("/", path))
}

func optionalWords(list []string) *node {
	if len(list) == 0 {
		return nil
	}
	return words(list...)
}
