package servers

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/integration/process"
)

const (
	journaldProgram = "/lib/systemd/systemd-journald"
	archivedFiles   = "system@*.journal"
)

// Journald is a systemd-journald of its own, on sockets of its own: it has nothing to do
// with that of this machine. Its methods can be called from any goroutine.
type Journald struct {
	// Directory has the journal.
	Directory string

	process *process.Process
	socket  *net.UnixConn
}

// StartJournald starts a journald that writes into a new directory.
func StartJournald(t testing.TB) *Journald {
	t.Helper()
	for _, program := range []string{journaldProgram, "journalctl"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") != "true" {
			t.Skipf("no %s here: install the package systemd", program)
		} else {
			require.NoError(t, err, "install the package systemd")
		}
	}
	runtime, err := os.MkdirTemp("", "jd") //nolint:usetesting // the path of a socket is short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(runtime) })
	j := &Journald{Directory: t.TempDir()}
	cmd := exec.Command(journaldProgram, "otelnpdtest") // the name of a namespace: it reads no kernel log
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+runtime, "LOGS_DIRECTORY="+j.Directory)
	j.process = process.Start(t, "systemd-journald", cmd)
	j.process.WaitReady(t, func(context.Context) error { return j.open(filepath.Join(runtime, "socket")) })
	t.Cleanup(func() { _ = j.socket.Close() })
	return j
}

// open connects to the socket, once there is a journal too.
func (j *Journald) open(socket string) error {
	if _, err := os.Stat(filepath.Join(j.Directory, "system.journal")); err != nil {
		return err
	}
	var err error
	j.socket, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	return err
}

// Send sends an entry (FIELD=value) by systemd's native protocol.
func (j *Journald) Send(fields ...string) error {
	var text bytes.Buffer
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		text.WriteString(name + "\n")
		text.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(value))))
		text.WriteString(value + "\n")
	}
	_, err := j.socket.Write(text.Bytes())
	return err
}

// Archived are the files that journald has done with.
func (j *Journald) Archived() []string {
	files, _ := filepath.Glob(filepath.Join(j.Directory, archivedFiles)) // the pattern is right
	return files
}

// Rotate has journald begin a new file, and returns when it has.
func (j *Journald) Rotate(ctx context.Context) error {
	before := len(j.Archived())
	if err := j.process.TrySignal(unix.SIGUSR2); err != nil {
		return fmt.Errorf("signal journald: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for len(j.Archived()) <= before {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("journald has not rotated: %w", ctx.Err())
		}
	}
	return nil
}

// Vacuum has journalctl remove archived files: --vacuum-files=1, for example.
func (j *Journald) Vacuum(ctx context.Context, how string) error {
	_, err := journalctl(ctx, "--directory", j.Directory, how)
	return err
}

// JournalEntry is an entry, and where it is.
type JournalEntry struct {
	// Series is the id of those that are numbered together, Sequence the number.
	Series   string
	Sequence uint64
	Message  string
}

// Entries returns the entries that are there and match (FIELD=value).
func (j *Journald) Entries(ctx context.Context, matches ...string) ([]JournalEntry, error) {
	return journalEntries(ctx, append([]string{"--directory", j.Directory}, matches...)...)
}

// LastArchived returns the last entry in archived files; there must be some.
func (j *Journald) LastArchived(ctx context.Context) (JournalEntry, error) {
	entries, err := journalEntries(ctx, "--lines=1", "--file", filepath.Join(j.Directory, archivedFiles))
	if err == nil && len(entries) != 1 {
		err = fmt.Errorf("journalctl has printed %d entries instead of one", len(entries))
	}
	if err != nil {
		return JournalEntry{}, err
	}
	return entries[0], nil
}

func journalEntries(ctx context.Context, args ...string) (entries []JournalEntry, err error) {
	output, err := journalctl(ctx, append([]string{"--output=json", "--output-fields=MESSAGE"}, args...)...)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(output) {
		entry, err := parseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("journalctl has printed %q: %w", line, err)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// parseEntry reads an entry as journalctl's JSON has it. Its cursor is
// s=SERIES;i=SEQUENCE;…, in hexadecimal.
func parseEntry(line []byte) (JournalEntry, error) {
	var text struct {
		Cursor  string `json:"__CURSOR"`
		Message string `json:"MESSAGE"`
	}
	if err := json.Unmarshal(line, &text); err != nil {
		return JournalEntry{}, err
	}
	entry := JournalEntry{Message: text.Message}
	_, err := fmt.Sscanf(text.Cursor, "s=%32s;i=%x;", &entry.Series, &entry.Sequence)
	return entry, err
}

func journalctl(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "journalctl", append([]string{"--no-pager", "--quiet"}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	output, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("journalctl %q: %w: %s", args, err, errs.Bytes())
	}
	return output, nil
}
