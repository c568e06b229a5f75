package journaltest

import (
	"bytes"
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds what must happen soon. It is no measure of speed.
const patience = 20 * time.Second

// Daemon is a journald of its own, whose journal nobody else writes.
type Daemon struct {
	// Directory has the journal.
	Directory string

	t      testing.TB
	cmd    *exec.Cmd
	socket *net.UnixConn
}

// StartJournald starts a journald that writes into a directory. It ends with the
// test.
func StartJournald(t testing.TB, directory string) *Daemon {
	t.Helper()
	Need(t, Journald)
	if os.Geteuid() != 0 {
		t.Skip("journald runs as root alone")
	}
	runtime, err := os.MkdirTemp("", "jd") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(runtime) })
	cmd := exec.Command(Journald, "otelnpdtest")
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+runtime, "LOGS_DIRECTORY="+directory)
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &Daemon{Directory: directory, t: t, cmd: cmd}
	t.Cleanup(d.Stop)
	Await(t, "journald's socket", func() bool { return d.dial(filepath.Join(runtime, "socket")) })
	t.Cleanup(func() { _ = d.socket.Close() })
	Await(t, "journald's file", func() bool {
		_, err := os.Stat(filepath.Join(directory, "system.journal"))
		return err == nil
	})
	return d
}

func (d *Daemon) dial(path string) bool {
	socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		d.socket = socket
	}
	return err == nil
}

// Send sends an entry by the native protocol.
func (d *Daemon) Send(fields ...string) {
	d.t.Helper()
	var text bytes.Buffer
	for _, field := range fields {
		name, value, _ := strings.Cut(field, "=")
		text.WriteString(name + "\n")
		text.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(value))))
		text.WriteString(value + "\n")
	}
	if _, err := d.socket.Write(text.Bytes()); err != nil {
		d.t.Fatal(err)
	}
}

// Rotate has journald begin a new file, and waits for it.
func (d *Daemon) Rotate() {
	d.t.Helper()
	before := d.archived()
	if err := d.cmd.Process.Signal(unix.SIGUSR2); err != nil {
		d.t.Fatal(err)
	}
	Await(d.t, "the rotation", func() bool { return d.archived() > before })
}

func (d *Daemon) archived() int {
	names, _ := filepath.Glob(filepath.Join(d.Directory, "system@*.journal")) // the pattern is right
	return len(names)
}

// Vacuum removes all archived files but the newest n.
func (d *Daemon) Vacuum(n string) {
	d.t.Helper()
	if output, err := exec.Command("journalctl", "-D", d.Directory, "--vacuum-files="+n).CombinedOutput(); err != nil {
		d.t.Fatalf("vacuum: %v\n%s", err, output)
	}
}

// Stop ends journald and waits for it; twice is once.
func (d *Daemon) Stop() { d.end(unix.SIGTERM) }

// Kill ends journald without notice.
func (d *Daemon) Kill() { d.end(unix.SIGKILL) }

func (d *Daemon) end(signal unix.Signal) {
	if d.cmd.ProcessState == nil {
		_ = d.cmd.Process.Signal(signal)
		_ = d.cmd.Wait()
	}
}

// Await returns once done says yes.
func Await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
