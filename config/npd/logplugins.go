package npd

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const kmsgPath = "/dev/kmsg"

// kmsg makes the receiver of the kernel's log.
func kmsg(m *monitor, file object) {
	unskipped(file, "kmsg")
	unread(file.texts("pluginConfig"), "kmsg")
	m.receiver = "kmsg"
	m.settings = flow(
		entry{key: "path", value: text(kmsgLogPath(file))},
		entry{key: "lookback", value: plain(lookback(file))},
		entry{key: "delay", value: delay(file)},
	)
}

// kmsgLogPath is the file to read. node-problem-detector reads /dev/kmsg whatever
// the key says.
func kmsgLogPath(file object) string {
	path := file.text("logPath")
	switch {
	case path == "":
		return kmsgPath
	case !filepath.IsAbs(path):
		file.at("logPath").warn("%s is no absolute path: %s is read, as node-problem-detector does", quoted(path), kmsgPath)
		return kmsgPath
	case filepath.Clean(path) != kmsgPath:
		file.at("logPath").warn("%s is read, where node-problem-detector reads %s whatever stands here: write %s unless you mean it", quoted(path), kmsgPath, kmsgPath)
	}
	return path
}

// lookback is how far to read back at start.
func lookback(file object) string {
	switch back := file.duration("lookback", 0, true); {
	case back < 0:
		file.at("lookback").warn("%s is negative: lines from now on are read", back)
		return "now"
	case back == 0:
		return "now"
	default:
		return short(back)
	}
}

// delay is the time after the boot that is skipped.
func delay(file object) *node {
	after := file.duration("delay", 0, true)
	if after < 0 {
		file.at("delay").warn("%s is negative: it has no effect", after)
	}
	if after <= 0 {
		return nil
	}
	return plain(short(after))
}

// checkStart checks from where on a monitor reads.
func checkStart(file object) {
	lookback(file)
	delay(file)
}

// short writes a time as people do: 5m, not 5m0s.
func short(d time.Duration) string {
	written := d.String()
	if strings.HasSuffix(written, "m0s") {
		written = strings.TrimSuffix(written, "0s")
	}
	if strings.HasSuffix(written, "h0m") {
		written = strings.TrimSuffix(written, "0m")
	}
	return written
}

// journald makes the receiver of the journal's entries of one identifier.
func journald(m *monitor, file object) {
	unskipped(file, "journald")
	config := file.texts("pluginConfig")
	unread(config, "journald", "source")
	identifier := config["source"].text
	if identifier == "" {
		checkStart(file)
		file.at("pluginConfig").warn("source is missing: node-problem-detector does not start this monitor; write {\"source\": IDENTIFIER}, for example kubelet")
		*m = *unavailable(file.jsonValue, m.origin, "pluginConfig has no source", m.conditions)
		return
	}
	m.receiver = "journald"
	m.settings = flow(
		entry{key: "directories", value: journalDirectories(file)},
		entry{key: "all_machines", value: allMachines(file)},
		entry{key: "identifiers", value: words(identifier)},
		entry{key: "lookback", value: plain(lookback(file))},
		entry{key: "delay", value: delay(file)},
		entry{key: "buffer", value: plain(strconv.Itoa(m.rules.lines))},
	)
}

// journalDirectories is what to read; nil: the system's.
func journalDirectories(file object) *node {
	path := file.text("logPath")
	switch {
	case path == "":
		return nil
	case !filepath.IsAbs(path):
		file.at("logPath").warn("%s is no absolute path: the system's journal is read", quoted(path))
		return nil
	default:
		return words(path)
	}
}

// allMachines: node-problem-detector, in a container without the host's machine id, reads
// whichever journals a directory has; only the system's it reads for its own machine.
func allMachines(file object) *node {
	if !filepath.IsAbs(file.text("logPath")) {
		return nil
	}
	return plain("true")
}
