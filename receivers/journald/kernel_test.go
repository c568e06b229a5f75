package journald_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journaltest"
	kmsgsource "github.com/otelnpd/otelnpd/pipeline/source/kmsg"
	"github.com/otelnpd/otelnpd/receivers/journald"
	"github.com/otelnpd/otelnpd/receivers/kmsg"
)

// startWholeJournald starts a journald that reads the kernel's log, in a mount namespace
// of its own, and returns where its /run can be seen.
func startWholeJournald(t *testing.T) (run string) {
	t.Helper()
	journaltest.Need(t, journaltest.Journald, "sh", "mount")
	etc := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(etc, "journald.conf"), []byte("[Journal]\nReadKMsg=yes\nStorage=volatile\nRateLimitBurst=0\n"), 0o600))
	cmd := exec.Command("sh", "-c", "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind "+etc+" /etc/systemd && exec "+journaltest.Journald)
	cmd.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	run = filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "root")
	journaltest.Await(t, "the journal of a journald that reads the kernel's log", func() bool {
		names, _ := filepath.Glob(run + "/run/log/journal/*/system.journal") // the pattern is right
		return len(names) > 0
	})
	return run
}

// TestKernelLinesAreThoseOfKmsg: the same rules fit, whatever the receiver.
func TestKernelLinesAreThoseOfKmsg(t *testing.T) {
	device, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if (err != nil || os.Geteuid() != 0) && os.Getenv("CI") != "true" {
		t.Skipf("needs root and a writable /dev/kmsg: %v", err)
	}
	require.NoError(t, err)
	defer device.Close()
	lock, err := os.OpenFile("/tmp/otelnpd-kmsg.lock", os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	defer lock.Close()
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX)) // no burst of another test overwrites the ring meanwhile

	tag := fmt.Sprintf("otelnpd-test-%d", time.Now().UnixNano())
	for _, line := range []string{"<3>" + tag + ": plain", "<30>" + tag + "[77]: with\ta tab and \\ ü", "<4>" + tag + " no identifier"} {
		_, err := device.WriteString(line + "\n")
		require.NoError(t, err)
	}
	settings := pipelinetest.Settings(t, "journald")
	settings.Boot, err = pipeline.ReadBoot(settings.Host, settings.Clock)
	require.NoError(t, err)
	fromKmsg, fromJournal := &pipelinetest.Sink{}, &pipelinetest.Sink{}
	one, err := kmsg.New(kmsgsource.NewShared(kmsgsource.Options{Logger: settings.Logger, Clock: settings.Clock}), settings, kmsg.DefaultConfig(), fromKmsg)
	require.NoError(t, err)
	settings.Host.Root = startWholeJournald(t)
	config := journald.DefaultConfig()
	config.Transports = []journald.Transport{"kernel"}
	other, err := journald.New(settings, config, fromJournal)
	require.NoError(t, err)
	for _, receiver := range []pipeline.Component{one, other} {
		require.NoError(t, receiver.Start(t.Context()))
		defer shutdown(t, receiver)
	}
	tagged := func(records []pipeline.Record) (found []pipeline.Record) {
		for _, record := range records {
			if record.IsLine() && strings.Contains(string(record.Body), tag) {
				found = append(found, record)
			}
		}
		return found
	}
	for _, sink := range []*pipelinetest.Sink{fromKmsg, fromJournal} {
		sink.WaitFor(t, "the lines", func(records []pipeline.Record) bool { return len(tagged(records)) == 3 })
	}
	journal := tagged(fromJournal.Records())
	for i, line := range tagged(fromKmsg.Records()) {
		require.Equal(t, string(line.Body), string(journal[i].Body))
		require.Equal(t, line.Severity, journal[i].Severity)
		require.Equal(t, line.Boot.ID, journal[i].Boot.ID)
		want := attributesOf(line)
		delete(want, kmsgsource.AttributeSequence) // the journal does not have it
		require.Equal(t, want, attributesOf(journal[i]))
	}
	requireSame(t, fromKmsg.Records(), fromJournal.Records())
}

// requireSame compares all lines that both have.
func requireSame(t *testing.T, fromKmsg, fromJournal []pipeline.Record) {
	t.Helper()
	name := func(record *pipeline.Record) string {
		stamp, _ := record.Attribute(kmsgsource.AttributeTimestamp)
		return stamp.String() + string(record.Body)
	}
	journal := map[string]*pipeline.Record{}
	for i := range fromJournal {
		journal[name(&fromJournal[i])] = &fromJournal[i]
	}
	compared := 0
	for i := range fromKmsg {
		other := journal[name(&fromKmsg[i])]
		if !fromKmsg[i].IsLine() || other == nil {
			continue
		}
		want := attributesOf(fromKmsg[i])
		delete(want, kmsgsource.AttributeSequence)
		require.Equal(t, want, attributesOf(*other), "%s", other.Body)
		compared++
	}
	t.Logf("%d lines compared", compared)
	require.GreaterOrEqual(t, compared, 3)
}
