package pstore_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/pstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The recorded trees are of a machine that crashed at crash and was up again a minute
// and a half later.
var (
	crash     = time.Unix(1764150000, 0)
	bootStart = crash.Add(90 * time.Second)
)

// machine is a made-up host on which receivers are started again and again.
type machine struct {
	t        *testing.T
	settings pipeline.Settings
	config   *pstore.Config
	clock    *pipelinetest.Clock
	reader   *sdkmetric.ManualReader
	statuses *pipelinetest.Statuses
	kept     []byte
}

func newMachine(t *testing.T, trees ...string) *machine {
	t.Helper()
	m := &machine{t: t, settings: pipelinetest.Settings(t, "pstore"), config: pstore.DefaultConfig(), statuses: &pipelinetest.Statuses{}}
	dir := t.TempDir()
	m.settings.Host.Root, m.settings.Host.Sys = filepath.Join(dir, "root"), filepath.Join(dir, "sys")
	m.settings.Report = m.statuses.Report
	m.boot(pipelinetest.BootID, bootStart)
	for _, tree := range trees {
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", tree))))
	}
	m.setTimes(dir)
	return m
}

// boot lets the machine boot; it is now five minutes later.
func (m *machine) boot(id string, start time.Time) {
	m.settings.Boot = pipeline.Boot{ID: id, Start: start}
	m.clock = pipelinetest.NewClock(pipeline.Instant{Wall: start.Add(5 * time.Minute), Boot: 5 * time.Minute})
	m.settings.Clock = m.clock
}

// setTimes gives files the times that a kernel gives them: of a dump that of the
// crash, which EFI's names hold; of all else that of the mount.
func (m *machine) setTimes(dir string) {
	m.t.Helper()
	require.NoError(m.t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		at := crash
		name := entry.Name()
		if id, ok := strings.CutPrefix(name, "dmesg-efi_pstore-"); ok {
			seconds, err := strconv.ParseInt(id[:10], 10, 64)
			require.NoError(m.t, err)
			at = time.Unix(seconds, 0)
		} else if !strings.HasPrefix(name, "dmesg-") {
			at = bootStart.Add(3 * time.Second)
		}
		return os.Chtimes(path, at, at)
	}))
}

func (m *machine) receiver(next pipeline.Consumer) *pstore.Receiver {
	m.t.Helper()
	m.reader = sdkmetric.NewManualReader()
	m.settings.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(m.reader)).Meter("test")
	require.NoError(m.t, m.config.Validate())
	receiver, err := pstore.New(m.settings, m.config, next)
	require.NoError(m.t, err)
	return receiver
}

// run starts a receiver that goes on from what the one before had kept, lets it look
// once, and returns what it has sent, but for the mark.
func (m *machine) run() []pipeline.Record {
	m.t.Helper()
	looked := make(chan struct{}, 1)
	report := m.settings.Report
	m.settings.Report = func(status pipeline.Status) { report(status); looked <- struct{}{} }
	sink := &pipelinetest.Sink{}
	receiver := m.receiver(sink)
	m.settings.Report = report
	if m.kept != nil {
		require.NoError(m.t, receiver.Resume(m.kept))
	}
	require.NoError(m.t, receiver.Start(m.t.Context()))
	select {
	case <-looked:
	case <-time.After(20 * time.Second):
		m.t.Fatal("the receiver has not looked")
	}
	shutdown(m.t, receiver)
	m.kept = kept(m.t, receiver)
	records := sink.Records()
	require.Equal(m.t, pipeline.EventBacklogEnd, records[0].EventName)
	complete, _ := records[0].Attribute(pipeline.AttributeBacklogComplete)
	require.True(m.t, complete.AsBool(), "of this boot nothing is missing")
	return records[1:]
}

func kept(t *testing.T, receiver *pstore.Receiver) []byte {
	t.Helper()
	text, err := receiver.Keep()()
	require.NoError(t, err)
	return text
}

func shutdown(t *testing.T, receiver pipeline.Component) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(t, receiver.Shutdown(ctx))
}

func bodies(records []pipeline.Record, eventName string) []string {
	found := []string{}
	for i := range records {
		if records[i].EventName == eventName {
			found = append(found, string(records[i].Body))
		}
	}
	return found
}

func problems(records []pipeline.Record) (found []*pipeline.Problem) {
	for i := range records {
		if records[i].Problem != nil {
			found = append(found, records[i].Problem)
		}
	}
	return found
}

// counts collects a counter by its reason, zeros left out.
func (m *machine) counts(name string) map[string]int64 {
	m.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(m.t, m.reader.Collect(m.t.Context(), &all))
	counts := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, metric := range scope.Metrics {
			if metric.Name != name {
				continue
			}
			for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
				reason, _ := point.Attributes.Value("reason")
				counts[reason.AsString()] = point.Value
			}
		}
	}
	maps.DeleteFunc(counts, func(_ string, n int64) bool { return n == 0 })
	return counts
}

// TestEFI: parts are put together in the right order, the panic repeats nothing of the
// oops before it, and each dump is told once.
func TestEFI(t *testing.T) {
	m := newMachine(t, "efi")
	records := m.run()
	require.Equal(t, []string{
		"IPv6: ADDRCONF(NETDEV_CHANGE): veth1a2b3c: link becomes ready",
		"cni0: port 3(veth1a2b3c) entered blocking state",
		"cni0: port 3(veth1a2b3c) entered forwarding state",
		"systemd[1]: Started kubelet: The Kubernetes Node Agent.",
		"nvme nvme0: I/O tag 7 (1007) opcode 0x2 (I/O Cmd) QID 3 timeout, aborting req_op:READ(0) size:4096",
		"EXT4-fs error (device nvme0n1p2): ext4_find_entry:1682: inode #131073: comm kubelet: reading directory lblock 0",
		"BUG: kernel NULL pointer dereference, address: 0000000000000028",
		"#PF: supervisor read access in kernel mode",
		"#PF: error_code(0x0000) - not-present page",
		"Oops: 0000 [#1] PREEMPT SMP PTI",
		"CPU: 3 PID: 4242 Comm: containerd-shim Not tainted 6.8.0-45-generic #45-Ubuntu",
		"RIP: 0010:ovl_get_acl+0x1c/0x90 [overlay]",
		"Call Trace:",
		"<TASK>",
		"ovl_permission+0x4b/0x130 [overlay]",
		"inode_permission+0x9a/0x170",
		"</TASK>",
		"CR2: 0000000000000028",
		"---[ end trace 0000000000000000 ]---",
		"Kernel panic - not syncing: Fatal exception",
		"Kernel Offset: 0x1e000000 from 0xffffffff81000000 (relocation range: 0xffffffff80000000-0xffffffffbfffffff)",
	}, bodies(records, ""))
	require.Len(t, bodies(records, pipeline.EventContext), 19, "the panic's dump has the oops again")

	told := problems(records)
	require.Len(t, told, 2)
	require.Equal(t, "EarlierBootOops", told[0].Reason)
	require.Equal(t, "otelnpd/pstore-oops", told[0].Rule)
	require.Equal(t, log.SeverityError, told[0].Severity)
	require.Equal(t, "EarlierBootPanic", told[1].Reason)
	require.Equal(t, log.SeverityFatal, told[1].Severity)
	require.Empty(t, told[1].Condition)
	lines := strings.Split(told[1].Message, "\n")
	require.Equal(t, "an earlier boot ended in a panic at 2025-11-26T09:40:01Z: Kernel panic - not syncing: Fatal exception", lines[0])
	require.Equal(t, "IPv6: ADDRCONF(NETDEV_CHANGE): veth1a2b3c: link becomes ready", lines[1], "all fits")
	require.True(t, strings.HasPrefix(lines[len(lines)-1], "Kernel Offset: "))
	require.Equal(t, map[string]int64{"Oops": 1, "Panic": 1}, m.counts("otelnpd.pstore.told_dumps"))
	require.Equal(t, pipeline.ComponentOK, m.statuses.Last().State)
}

func TestRecords(t *testing.T) {
	m := newMachine(t, "efi")
	records := m.run()
	nvme := records[4]
	require.Equal(t, log.SeverityWarn, nvme.Severity)
	require.Equal(t, "pstore", nvme.Receiver)
	require.Equal(t, 86300123456*time.Microsecond, nvme.Boot.At)
	require.NotEqual(t, pipelinetest.BootID, nvme.Boot.ID, "another boot")
	require.NotEmpty(t, nvme.Boot.ID)
	require.WithinDuration(t, crash.Add(86300123456*time.Microsecond-86400100080*time.Microsecond), nvme.Time, 0)
	require.Equal(t, m.clock.Now().Wall, nvme.ObservedTime)
	attributes := map[string]string{}
	for key, value := range nvme.Attributes.All() {
		attributes[key] = value.String()
		again, ok := nvme.Attributes.Get(key)
		require.True(t, ok)
		require.Equal(t, value, again)
	}
	require.Equal(t, map[string]string{
		"log.facility": "kern", "log.severity": "warning", "kmsg.timestamp_us": "86300123456",
		"pstore.type": "dmesg", "pstore.backend": "efi_pstore", "pstore.reason": "Oops",
	}, attributes)
	facility, _ := records[3].Attribute("log.facility")
	require.Equal(t, "daemon", facility.String())

	last := records[len(records)-1]
	require.Equal(t, bootStart, last.Time, "it is told as of this boot's start")
	require.Equal(t, pipeline.ProblemUID("node-1", last.Place, last.Problem.Rule), last.Problem.UID)
	reason, _ := last.Attribute("pstore.reason")
	require.Equal(t, "Panic", reason.String())
	_, known := last.Attribute("log.facility")
	require.False(t, known)
	for i := 1; i < len(records); i++ {
		if records[i].Place.SameSequence(records[i-1].Place) {
			require.Greater(t, records[i].Place.Position, records[i-1].Place.Position)
		}
	}
}

// TestArchives: whatever systemd-pstore does with the files, they hold the same dumps.
func TestArchives(t *testing.T) {
	want := newMachine(t, "efi").run()
	for name, change := range map[string]func(m *machine, archive string){
		"as it is": func(*machine, string) {},
		"also still in pstore": func(m *machine, _ string) {
			require.NoError(m.t, os.CopyFS(filepath.Dir(m.settings.Host.Sys), os.DirFS("testdata/efi")))
		},
		"the parts were cleaned up": func(m *machine, archive string) { removeAll(m.t, archive, "dmesg-*") },
	} {
		for _, tree := range []string{"archived", "archived_old"} {
			t.Run(tree+" "+name, func(t *testing.T) {
				m := newMachine(t, tree)
				change(m, m.settings.Host.Path(m.config.Archive))
				m.setTimes(filepath.Dir(m.settings.Host.Sys))
				got := m.run()
				require.Equal(t, bodies(want, ""), bodies(got, ""))
				require.Len(t, problems(got), 2)
				for i, problem := range problems(got) {
					require.Equal(t, problems(want)[i].UID, problem.UID, "the same identity, wherever it is found")
				}
			})
		}
	}
}

func removeAll(t *testing.T, directory, pattern string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if match, _ := filepath.Match(pattern, entry.Name()); match {
			return os.Remove(path)
		}
		return err
	}))
}

func TestARestartTellsNothingAgain(t *testing.T) {
	for _, tree := range []string{"efi", "archived", "ramoops", "erst", "reset", "clean"} {
		m := newMachine(t, tree)
		m.run()
		require.Empty(t, m.run(), tree)
		m.boot("another", bootStart.Add(24*time.Hour))
		require.Empty(t, m.run(), "nor does the next boot: "+tree)
	}
}

// TestMovedBetweenStarts: systemd-pstore has moved the files, and times with them.
func TestMovedBetweenStarts(t *testing.T) {
	for _, tree := range []string{"archived", "archived_old"} {
		m := newMachine(t, "efi")
		require.Len(t, problems(m.run()), 2)
		require.NoError(t, os.RemoveAll(m.settings.Host.Sys))
		require.NoError(t, os.CopyFS(filepath.Dir(m.settings.Host.Sys), os.DirFS(filepath.Join("testdata", tree))))
		require.Empty(t, m.run(), "times are those of the copy")
	}
}

func TestRamoops(t *testing.T) {
	m := newMachine(t, "ramoops")
	records := m.run()
	require.Equal(t, []string{
		"watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [kworker/1:2:311]",
		"Modules linked in: veth bridge stp llc overlay",
		"Kernel panic - not syncing: softlockup: hung tasks",
		"SMP: stopping secondary CPUs",
		"---[ end Kernel panic - not syncing: softlockup: hung tasks ]---",
		"supervisor: slot A is good",
		"supervisor: I/O error on the recorder",
	}, bodies(records, ""), "the console has nothing that the dump has not")
	require.Len(t, problems(records), 1)
	user := records[len(records)-1]
	facility, _ := user.Attribute("log.facility")
	require.Equal(t, "user", facility.String(), "a process wrote it, and is not taken for the kernel")
	require.Equal(t, map[string]int64{"covered": 1, "unknown_type": 1}, m.counts("otelnpd.pstore.skipped_files"))
}

func TestERST(t *testing.T) {
	m := newMachine(t, "erst")
	records := m.run()
	require.Equal(t, []string{
		"device eth0 left promiscuous mode",
		"mce: [Hardware Error]: CPU 4: Machine Check Exception: 5 Bank 7: be00000000800400",
		"mce: [Hardware Error]: Machine check: Processor context corrupt",
		"Kernel panic - not syncing: Fatal machine check",
	}, bodies(records, ""), "part 2 is older than part 1; callers are cut off")
	require.Equal(t, map[string]int64{"compressed": 1, "unknown_type": 1}, m.counts("otelnpd.pstore.skipped_files"))
}

// TestConsole: a log without an end tells of a reset; one with an orderly end tells
// nothing, for it was read when it was written.
func TestConsole(t *testing.T) {
	m := newMachine(t, "reset")
	records := m.run()
	require.Len(t, bodies(records, ""), 3)
	told := problems(records)
	require.Len(t, told, 1)
	require.Equal(t, "EarlierBootReset", told[0].Reason)
	require.Contains(t, told[0].Message, "an earlier boot ended without a panic and without a shutdown at 2025-11-26T09:41:30Z\n")
	require.True(t, strings.HasSuffix(told[0].Message, "\nmmc0: Timeout waiting for hardware interrupt."))

	m = newMachine(t, "clean")
	require.Empty(t, m.run())
	require.Equal(t, map[string]int64{"clean_end": 1}, m.counts("otelnpd.pstore.skipped_files"))
}

// write puts a file into pstore, saved at a time.
func (m *machine) write(name, content string, at time.Time) string {
	m.t.Helper()
	path := filepath.Join(m.settings.Host.Sys, m.config.Path, name)
	require.NoError(m.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(m.t, os.WriteFile(path, []byte(content), 0o600))
	require.NoError(m.t, os.Chtimes(path, at, at))
	return path
}

// TestBoots: what the agent has read live in that boot is not told again, and the
// dump is known to be of it.
func TestBoots(t *testing.T) {
	m := newMachine(t)
	before := bootStart.Add(-2 * time.Hour)
	m.boot("before", before)
	m.clock.Advance(time.Hour - 5*time.Minute)
	require.Empty(t, m.run()) // the last cut is an hour after its start

	m.boot(pipelinetest.BootID, bootStart)
	m.write("dmesg-erst-1", "Panic#1 Part1\n<4>[   10.000000] old\n<4>[ 3590.000000] read live\n<4>[ 3599.000000] perhaps not\n"+
		"<0>[ 7000.000000] Kernel panic - not syncing: x\n", before.Add(7000*time.Second))
	records := m.run()
	require.Equal(t, []string{"old", "read live"}, bodies(records, pipeline.EventContext))
	require.Equal(t, []string{"perhaps not", "Kernel panic - not syncing: x"}, bodies(records, ""))
	for _, record := range records {
		require.Equal(t, "before", record.Boot.ID)
	}
}

// TestThisBoot: an oops that the kernel survived is told by its log.
func TestThisBoot(t *testing.T) {
	m := newMachine(t)
	m.write("dmesg-erst-1", "Oops#1 Part1\n<4>[   40.000000] Oops: 0000\n", bootStart.Add(41*time.Second))
	require.Empty(t, m.run())
	require.Equal(t, map[string]int64{"this_boot": 1}, m.counts("otelnpd.pstore.skipped_files"))
	m.boot("another", bootStart.Add(time.Hour))
	require.Len(t, problems(m.run()), 1, "the next boot tells that there was one")
}

// TestTimes: a clock that was wrong loses no panic.
func TestTimes(t *testing.T) {
	for name, c := range map[string]struct {
		saved, want time.Time
	}{
		"as it should be":       {crash, crash},
		"never set":             {time.Unix(30, 0), bootStart},
		"ahead":                 {bootStart.Add(time.Hour), bootStart},
		"no time but the mount": {bootStart.Add(2 * time.Second), bootStart},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.write("dmesg-ramoops-0", "Panic#1 Part1\n<4>[   10.500000] a\nno stamp\n<0>[   12.000000] Kernel panic - not syncing: x\n", c.saved)
			records := m.run()
			require.WithinDuration(t, c.want.Add(-1500*time.Millisecond), records[0].Time, 0)
			require.WithinDuration(t, c.want.Add(-1500*time.Millisecond), records[1].Time, 0, "that of the line before")
			require.WithinDuration(t, c.want, records[2].Time, 0)
			require.Contains(t, problems(records)[0].Message, c.want.UTC().Format(time.RFC3339))
		})
	}
	m := newMachine(t)
	m.write("dmesg-ramoops-0", "Panic#1 Part1\n<0>[   12.000000] Kernel panic - not syncing: x\n", crash.Add(-8*24*time.Hour))
	require.Empty(t, m.run())
	require.Equal(t, map[string]int64{"too_old": 1}, m.counts("otelnpd.pstore.skipped_files"))
	m.config.MaxAge = 30 * 24 * time.Hour
	require.Len(t, problems(m.run()), 1)
}

func TestKinds(t *testing.T) {
	for head, want := range map[string]string{
		"Panic#1 Part1\n":                     "EarlierBootPanic an earlier boot ended in a panic at",
		"Oops#7 Part1\n":                      "EarlierBootOops an earlier boot had an oops at",
		"Emergency#1 Part1\n":                 "EarlierBootEmergency an earlier boot ended in an emergency restart at",
		"Shutdown#1 Part1\n":                  "EarlierBootShutdown an earlier boot was shut down at",
		"Poweroff#1 Part1\n":                  "EarlierBootShutdown an earlier boot was shut down at",
		"Unknown#1 Part1\n":                   "EarlierBootDump an earlier boot left a dump at",
		"Later#1 Part1\n":                     "EarlierBootDump an earlier boot left a dump at",
		"":                                    "EarlierBootDump an earlier boot left a dump at",
		"====1764150000.5-D\nPanic#1 Part1\n": "EarlierBootPanic an earlier boot ended in a panic at",
	} {
		m := newMachine(t)
		m.write("dmesg-ramoops-0", head+"<0>[ 9000.000000] last words\n", crash)
		told := problems(m.run())
		require.Len(t, told, 1, head)
		require.Contains(t, told[0].Reason+" "+told[0].Message, want)
		require.True(t, strings.HasSuffix(told[0].Message, "last words"), told[0].Message)
	}
}

// TestMessageIsBounded, and harmless to show: it ends in the last lines.
func TestMessageIsBounded(t *testing.T) {
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "<4>[%5d.000000] line %d \x1b[31m\xff %s\n", i, i, strings.Repeat("é", 40))
	}
	m := newMachine(t)
	m.write("dmesg-erst-1", "Panic#1 Part1\n"+text.String(), crash)
	message := problems(m.run())[0].Message
	require.LessOrEqual(t, len(message), 4096)
	require.Greater(t, len(message), 3800)
	require.NotContains(t, message, "\x1b")
	require.Contains(t, message, "Z\n…\nline 2")
	require.Contains(t, message, `line 299 \x1b[31m\xff é`)
}

// TestDumpsOfTwoBoots: each boot counts its dumps anew.
func TestDumpsOfTwoBoots(t *testing.T) {
	m := newMachine(t)
	m.write("dmesg-erst-2", "Panic#1 Part2\n<4>[ 5000.000000] the boot before, of which part 1 is gone\n", crash.Add(-time.Hour))
	m.write("dmesg-erst-7", "Panic#1 Part1\n<0>[ 1000.000000] Kernel panic - not syncing: x\n", crash)
	told := problems(m.run())
	require.Len(t, told, 2)
	require.NotContains(t, told[1].Message, "the boot before")
}

// TestAnOopsIsNoEnd: the console tells what came after it.
func TestAnOopsIsNoEnd(t *testing.T) {
	m := newMachine(t)
	m.write("dmesg-ramoops-0", "Oops#1 Part1\n<4>[ 1000.000000] Oops: 0000\n", crash)
	m.write("console-ramoops-0", "[ 1000.000000] Oops: 0000\n[ 2000.000000] mmc0: Timeout waiting\n", bootStart.Add(time.Second))
	told := problems(m.run())
	require.Len(t, told, 2)
	require.Equal(t, "EarlierBootReset", told[1].Reason)
}

// TestKeptBoots: the one that runs is kept once, and few before it.
func TestKeptBoots(t *testing.T) {
	m := newMachine(t)
	for i := range 8 {
		m.boot(fmt.Sprintf("boot-%d", i), bootStart.Add(time.Duration(i)*time.Hour))
		m.run()
		m.run()
	}
	require.Equal(t, 5, strings.Count(string(m.kept), `"id"`))
	require.Equal(t, 1, strings.Count(string(m.kept), `"boot-7"`))
}
