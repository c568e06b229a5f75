package rules

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// The benchmarks count one line as one operation: ns/op is ns a line, allocs/op
// allocations a line. The reference is node-problem-detector's documented way.

var ordinaryLines = []string{
	"audit: type=1400 audit(1767323045.120:88): apparmor=\"STATUS\" operation=\"profile_load\" name=\"cri-containerd\"",
	"IPv6: ADDRCONF(NETDEV_CHANGE): veth4f21c3d0: link becomes ready and is used by the bridge from now on",
	"cni0: port 12(veth4f21c3d0) entered forwarding state after it had been learning for fifteen seconds",
	"nvme nvme1: 16/0/0 default/read/poll queues, host memory buffer not in use, shutdown timeout set to 10 s",
	"EXT4-fs (dm-5): mounted filesystem 0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0 r/w with ordered data mode.",
	"usb 1-1.4: new high-speed USB device number 7 using xhci_hcd, product: Storage, manufacturer: Generic",
	"systemd[1]: Started Kubernetes kubelet and reached target multi-user system on this node after 12.4 s.",
	"device veth4f21c3d0 entered promiscuous mode, then left it again; the bridge has eleven ports by now",
}

// benchmarkRules returns n rules: those of the kernel pack that
// node-problem-detector's users know, fourteen of them, then made ones.
func benchmarkRules(b *testing.B, n int) []Rule {
	b.Helper()
	source := DefaultConfig(os.DirFS("../../config/packs"))
	source.Packs = []string{"kernel"}
	require.NoError(b, source.Validate())
	wanted := map[string]bool{
		"oom-killing": true, "task-hung": true, "docker-hung": true, "unregister-netdevice": true, "null-pointer": true,
		"divide-error": true, "ext4-error": true, "ext4-warning": true, "buffer-io-error": true, "xfs-shutdown": true,
		"memory-read-error": true, "cper-corrected": true, "cper-recoverable": true, "cper-fatal": true,
	}
	var list []Rule
	for _, rule := range source.loaded.rules {
		if wanted[rule.config.ID] {
			list = append(list, Rule{ID: rule.config.ID, Pattern: rule.config.Pattern, Reason: rule.config.Reason})
		}
	}
	require.Len(b, list, 14)
	words := []string{"link", "queue", "port", "fan", "bank", "channel", "engine", "sensor", "lane", "page", "power", "clock"}
	random := rand.New(rand.NewPCG(1, 2))
	for i := len(list); i < n; i++ {
		list = append(list, Rule{
			ID: fmt.Sprint("made-", i), Reason: "Made",
			Pattern: fmt.Sprintf(`drv%d[a-z]* \S+: %s %s failure 0x[0-9a-f]+ \(code %d\)`, random.IntN(1e6),
				words[random.IntN(len(words))], words[random.IntN(len(words))], random.IntN(1e6)),
		})
	}
	return list
}

func withWindow(list []Rule) []Rule {
	windowed := append([]Rule(nil), list...)
	for i := range windowed {
		windowed[i].Window = &Window{Lines: 10}
		windowed[i].Pattern = "(?:" + windowed[i].Pattern + ").*" // up to the end of the line
	}
	return windowed
}

func BenchmarkOrdinaryLine(b *testing.B) { compare(b, ordinaryLines) }

func BenchmarkMatchingLine(b *testing.B) {
	compare(b, []string{
		"INFO: task jbd2/dm-0-8:611 blocked for more than 122 seconds.",
		"EXT4-fs error (device sdb1): ext4_lookup:1602: inode #131074: comm ls: deleted inode referenced: 131090",
		"BUG: kernel NULL pointer dereference, address: 0000000000000010",
		"Buffer I/O error on dev dm-1, logical block 1310704, async page read",
	})
}

// BenchmarkKernelPack is an ordinary line of a kernel with the built-in pack.
func BenchmarkKernelPack(b *testing.B) {
	config := DefaultConfig(os.DirFS("../../config/packs"))
	config.Packs = []string{"kernel"}
	benchmarkConfig(b, config, ordinaryLines)
}

func compare(b *testing.B, lines []string) {
	b.Helper()
	for _, n := range []int{14, 1000} {
		list := benchmarkRules(b, n)
		b.Run(fmt.Sprintf("impl=otelnpd/rules=%d", n), func(b *testing.B) { benchmarkProcessor(b, list, lines) })
		b.Run(fmt.Sprintf("impl=otelnpd-window/rules=%d", n), func(b *testing.B) { benchmarkProcessor(b, withWindow(list), lines) })
		b.Run(fmt.Sprintf("impl=reference/rules=%d", n), func(b *testing.B) { benchmarkReference(b, withWindow(list), lines) })
	}
}

func benchmarkProcessor(b *testing.B, list []Rule, lines []string) {
	b.Helper()
	config := DefaultConfig(nil)
	config.Rules = list
	benchmarkConfig(b, config, lines)
}

func benchmarkConfig(b *testing.B, config *Config, lines []string) {
	b.Helper()
	require.NoError(b, config.Validate())
	discard := pipeline.ConsumerFunc(func(context.Context, []pipeline.Record) error { return nil })
	processor, err := create(pipelinetest.Settings(b, "rules"), config, discard)
	require.NoError(b, err)
	batch := benchmarkBatch(lines)
	require.NoError(b, processor.Consume(context.Background(), batch))
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += len(batch) {
		if err := processor.Consume(context.Background(), batch[:min(len(batch), b.N-done)]); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkReference(b *testing.B, list []Rule, lines []string) {
	b.Helper()
	reference := newReference(10, list)
	batch := benchmarkBatch(lines)
	for i := range batch[:10] {
		reference.push(string(batch[i].Body), batch[i].Time)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for done := range b.N {
		record := &batch[done%len(batch)]
		reference.push(string(record.Body), record.Time)
	}
}

// benchmarkBatch repeats the lines to a batch as a busy receiver sends it.
func benchmarkBatch(lines []string) []pipeline.Record {
	var repeated []string
	for len(repeated) < 256 {
		repeated = append(repeated, lines...)
	}
	return pipelinetest.Lines("kmsg", 1, repeated...)
}

// TestOrdinaryLinesCostNoMemory holds with and without windows.
func TestOrdinaryLinesCostNoMemory(t *testing.T) {
	for name, window := range map[string]*Window{"one line": nil, "window": {Lines: 10}} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig(nil)
			config.Rules = []Rule{
				{ID: "a", Pattern: `soft lockup`, Reason: "A", Window: window},
				{ID: "b", Pattern: `BUG: \w+`, Reason: "B", Window: window, Where: map[string]string{"log.facility": "kern"}},
				{ID: "c", Pattern: `(?s)Call Trace:.*end trace`, Reason: "C", Window: window},
			}
			require.NoError(t, config.Validate())
			processor, err := create(pipelinetest.Settings(t, "rules"), config, pipeline.ConsumerFunc(
				func(context.Context, []pipeline.Record) error { return nil }))
			require.NoError(t, err)
			batch := benchmarkBatch(ordinaryLines)
			consume := func() { require.NoError(t, processor.Consume(context.Background(), batch)) }
			for range 100 { // the ring's memory is at its size by then
				consume()
			}
			require.Zero(t, testing.AllocsPerRun(50, consume))
		})
	}
}
