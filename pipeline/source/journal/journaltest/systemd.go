package journaltest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// Remote and Journald are systemd's programs that write journals.
const (
	Remote   = "/lib/systemd/systemd-journal-remote"
	Journald = "/lib/systemd/systemd-journald"
)

// MachineID is the machine of the files that Create makes.
var MachineID = journalfile.ID{0x0c, 0x48, 15: 0x01}

// NewID returns a random id.
func NewID() (id journalfile.ID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// Need skips a test where programs are missing; in CI it fails.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: install the packages systemd and systemd-journal-remote", program)
		}
		t.Skipf("%s is missing: install the packages systemd and systemd-journal-remote", program)
	}
}

// writeExport writes an entry in the Journal Export Format.
func writeExport(text *bytes.Buffer, e Entry) {
	fmt.Fprintf(text, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n", e.Realtime, e.Monotonic, e.Boot)
	for _, field := range e.Fields {
		name, value, _ := strings.Cut(field, "=")
		if name == "_BOOT_ID" {
			continue
		}
		if isPlain(value) {
			text.WriteString(field + "\n")
			continue
		}
		text.WriteString(name + "\n")
		text.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(value))))
		text.WriteString(value + "\n")
	}
	text.WriteByte('\n')
}

func isPlain(value string) bool {
	return !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' })
}

// WriteRemote has systemd-journal-remote write a file. It knows no compression but
// zstd in newer versions.
func WriteRemote(t testing.TB, path string, layout Layout, entries []Entry) {
	t.Helper()
	Need(t, Remote)
	cmd := exec.Command(Remote, "-o", path, "-")
	cmd.Env = append(os.Environ(), "SYSTEMD_JOURNAL_COMPACT="+flag(layout.Compact), "SYSTEMD_JOURNAL_KEYED_HASH="+flag(layout.Keyed))
	var text bytes.Buffer
	for _, entry := range entries {
		writeExport(&text, entry)
	}
	cmd.Stdin = &text
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", Remote, err, output)
	}
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

// Journalctl runs journalctl and returns what it printed.
func Journalctl(t testing.TB, args ...string) []byte {
	t.Helper()
	Need(t, "journalctl")
	cmd := exec.Command("journalctl", append([]string{"--no-pager", "--quiet"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && out.Len() > 0 {
		t.Fatalf("journalctl %q: %v\n%s", args, err, errs.Bytes())
	}
	return out.Bytes()
}

// Verify has journalctl check a whole file.
func Verify(t testing.TB, path string) {
	t.Helper()
	Need(t, "journalctl")
	if output, err := exec.Command("journalctl", "--verify", "--file", path).CombinedOutput(); err != nil {
		t.Fatalf("journalctl --verify: %v\n%s", err, output)
	}
}

// Exported is an entry of the Journal Export Format.
type Exported struct {
	Cursor              string
	Realtime, Monotonic uint64
	Boot                string
	Fields              []string // FIELD=value, in order
}

// ParseExport reads what journalctl -o export printed.
func ParseExport(t testing.TB, text []byte) (entries []Exported) {
	t.Helper()
	var e Exported
	begun := false
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		if len(line) == 0 {
			if begun {
				entries = append(entries, e)
			}
			e, begun = Exported{}, false
			continue
		}
		begun = true
		name, value, plain := strings.Cut(string(line), "=")
		if !plain {
			length := binary.LittleEndian.Uint64(text)
			value, text = string(text[8:8+length]), text[8+length+1:]
		}
		e.add(name, value)
	}
	return entries
}

func (e *Exported) add(name, value string) {
	switch name {
	case "__CURSOR":
		e.Cursor = value
	case "__REALTIME_TIMESTAMP":
		e.Realtime, _ = strconv.ParseUint(value, 10, 64)
	case "__MONOTONIC_TIMESTAMP":
		e.Monotonic, _ = strconv.ParseUint(value, 10, 64)
	case "__SEQNUM", "__SEQNUM_ID": // newer versions
	case "_BOOT_ID":
		e.Boot = value
	default:
		e.Fields = append(e.Fields, name+"="+value)
	}
}
