package kmsg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/euank/go-kmsg-parser/kmsgparser"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// recorded are records as kernels give them, and some that none ever gave.
var recorded = []string{
	"5,0,0,-;Linux version 6.18.44 (gcc (GCC) 15.3.0, GNU ld (GNU Binutils) 2.46) #1 SMP PREEMPT_DYNAMIC @0\n",
	"6,2,0,-;BIOS-provided physical RAM map:\n",
	"6,40,3082,-;  DMA      [mem 0x0000000000001000-0x0000000000ffffff]\n",
	"6,89,242939,-;rcu: \\x09RCU restricting CPUs from NR_CPUS=256 to nr_cpu_ids=2.\n",
	"6,188,315026,-;acpi PNP0A08:00: PCIe port services disabled; not requesting _OSC control\n SUBSYSTEM=acpi\n DEVICE=+acpi:PNP0A08:00\n",
	"5,335,1275841,-;virtio_blk virtio1: [vda] new size: 536870912 512-byte logical blocks\n SUBSYSTEM=virtio\n DEVICE=+virtio:virtio1\n",
	"4,339,140900,c;continued line\n",
	"4,340,140901,+;fragment\n",
	"6,341,140902,-,caller=T1;printed by a thread\n",
	"7,342,140903,-,caller=C0,future=1;printed by a CPU\n",
	"12,343,2744340514,-;written by a user\n",
	"30,344,2744340515,-;systemd[1]: Started a unit.\n",
	"6,345,2744340516,-;two\\x0alines and a \\x5c and \\xc3\\xbc\n",
	"6,346,2744340517,-;\n",
	"3,347,98765432109876,-;after three years; with; semicolons\n SUBSYSTEM=block\n DEVICE=b8:0\n",
	"0,348,98765432109877,-;Kernel panic - not syncing: Fatal exception\n",
	"6,349,98765432109878,-;" + strings.Repeat("x", 976) + "\n",
}

// oracleMessage is what the child process says that the library has read.
type oracleMessage struct {
	Priority, Sequence int
	Microseconds       int64
	Message            string
}

// requireSameAsOracle checks a record against the library's reading of it. The
// library leaves dictionary and escapes in the message: both are put back.
func requireSameAsOracle(t *testing.T, want oracleMessage, raw string) {
	t.Helper()
	var record Record
	require.NoError(t, Parse(&record, []byte(raw)), raw)
	require.Equal(t, want.Priority, record.Facility<<3|record.Severity, raw)
	require.Equal(t, want.Sequence, int(record.Sequence), raw)
	require.Equal(t, want.Microseconds, record.Microseconds, raw)
	message := kernelEscape(string(record.Text)) + "\n"
	for key := range record.dictionaryLines {
		value, ok := record.Dictionary(string(key))
		require.True(t, ok)
		message += " " + string(key) + "=" + kernelEscape(value) + "\n"
	}
	require.Equal(t, want.Message, message, raw)
}

// kernelEscape escapes as the kernel does.
func kernelEscape(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < ' ' || c >= 127 || c == '\\' {
			fmt.Fprintf(&b, "\\x%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// readRaw reads all that /dev/kmsg has.
func readRaw(t *testing.T) []string {
	t.Helper()
	device, err := openDevice("/dev/kmsg")
	require.NoError(t, err)
	defer device.close()
	var all []string
	buffer := make([]byte, MaxRecord)
	for {
		n, err := device.read(buffer)
		if errors.Is(err, errDrained) {
			return all
		}
		require.NoError(t, err)
		all = append(all, string(buffer[:n]))
	}
}

func TestSameAsLibraryOnThisMachine(t *testing.T) {
	lockKmsg(t) // a burst would overwrite what both must read
	raw := readRaw(t)
	require.NotEmpty(t, raw)
	parser, err := kmsgparser.NewParser()
	require.NoError(t, err)
	var first int64
	messages := parser.Parse()
	for i, one := range raw {
		var message kmsgparser.Message
		select {
		case message = <-messages:
		case <-time.After(patience):
			t.Fatal("the library gives no more")
		}
		var record Record
		require.NoError(t, Parse(&record, []byte(one)))
		if i == 0 { // it does not tell the stamp itself, only times since a boot of its own
			first = message.Timestamp.UnixMicro() - record.Microseconds
		}
		requireSameAsOracle(t, oracleMessage{
			Priority: message.Priority, Sequence: message.SequenceNumber,
			Microseconds: message.Timestamp.UnixMicro() - first, Message: message.Message,
		}, one)
	}
	require.NoError(t, parser.Close())
	for range messages { // a line may come in between; then it ends
	}
}

// TestSameAsLibraryOnRecordedLines lets the library, which knows no other path,
// read a FIFO that is mounted over its /dev/kmsg.
func TestSameAsLibraryOnRecordedLines(t *testing.T) {
	needRoot(t)
	path, writer := fifo(t)
	var out bytes.Buffer
	child := exec.Command("/proc/self/exe", "-test.run=^$")
	child.Env = append(os.Environ(), roleVariable+"="+roleOracle, "OTELNPD_TEST_FIFO="+path)
	child.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	child.Stdout, child.Stderr = &out, t.Output()
	ready, err := child.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	for _, raw := range recorded {
		write(t, writer, raw)
		requireEmptied(t, writer)
	}
	require.NoError(t, ready.Close())
	require.NoError(t, child.Wait())

	decoder := json.NewDecoder(&out)
	for _, raw := range recorded {
		var message oracleMessage
		require.NoError(t, decoder.Decode(&message), raw)
		requireSameAsOracle(t, message, raw)
	}
}

// requireEmptied waits until the reader of a FIFO has read all.
func requireEmptied(t *testing.T, f *os.File) {
	t.Helper()
	require.Eventually(t, func() bool {
		n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCINQ)
		return err == nil && n == 0
	}, patience, 100*time.Microsecond)
}

// playOracle is the child: it prints what the library reads until its standard
// input ends.
func playOracle() error {
	path := os.Getenv("OTELNPD_TEST_FIFO")
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount(filepath.Clean(path), "/dev/kmsg", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over /dev/kmsg: %w", err)
	}
	parser, err := kmsgparser.NewParser()
	if err != nil {
		return err
	}
	messages := parser.Parse()
	out := json.NewEncoder(os.Stdout)
	boot := int64(-1)
	for range recorded {
		m := <-messages
		if boot < 0 { // the first record's stamp is 0
			boot = m.Timestamp.UnixMicro()
		}
		if err := out.Encode(oracleMessage{m.Priority, m.SequenceNumber, m.Timestamp.UnixMicro() - boot, m.Message}); err != nil {
			return err
		}
	}
	return nil
}
