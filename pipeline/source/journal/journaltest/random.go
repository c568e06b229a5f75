package journaltest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// Random makes entries as a node's journal has them, of two boots, always the same
// for one seed.
func Random(seed uint64, n int) []Entry {
	random := rand.New(rand.NewPCG(seed, 1))
	boots := []journalfile.ID{{1, 0xb0}, {2, 0xb0}}
	entries := make([]Entry, 0, n)
	realtime, monotonic := uint64(1_700_000_000_000_000), uint64(5_000_000)
	for i := range n {
		if i == n/2 {
			monotonic = 1_000_000
		}
		step := 1 + random.Uint64N(2000)
		realtime, monotonic = realtime+step, monotonic+step
		boot := boots[i*2/max(n, 2)]
		entries = append(entries, Entry{
			Realtime: realtime, Monotonic: monotonic, Boot: boot, Fields: randomFields(random, i, boot),
		})
	}
	return entries
}

func randomFields(random *rand.Rand, i int, boot journalfile.ID) []string {
	transports := []string{"kernel", "journal", "syslog", "stdout"}
	transport := transports[random.IntN(len(transports))]
	fields := []string{
		"_BOOT_ID=" + boot.String(), "_MACHINE_ID=" + MachineID.String(), "_HOSTNAME=node-1", "_TRANSPORT=" + transport,
		fmt.Sprintf("PRIORITY=%d", random.IntN(8)), fmt.Sprintf("MESSAGE=line %d%s", i, randomText(random)),
		fmt.Sprintf("SYSLOG_IDENTIFIER=unit-%d", min(random.IntN(100), 6)),
	}
	if random.IntN(3) == 0 {
		fields = append(fields, fmt.Sprintf("_SYSTEMD_UNIT=unit-%d.service", random.IntN(5)), fmt.Sprintf("_PID=%d", random.IntN(50)))
	}
	if random.IntN(20) == 0 { // twice the same name, and what is no text
		fields = append(fields, "TAG=one", "TAG=two", "BINARY=\x00\xff\n=\x01")
	}
	if random.IntN(20) == 0 {
		fields = append(fields, "DOUBLE=same", "DOUBLE=same", "EMPTY=")
	}
	return fields
}

// randomText is now and then long, so that it is compressed.
func randomText(random *rand.Rand) string {
	switch random.IntN(40) {
	case 0:
		return " " + strings.Repeat("long and dull ", 10+random.IntN(200))
	case 1:
		text := make([]byte, random.IntN(3000))
		for i := range text {
			text[i] = "abcdefghijklmnopqrstuvwxyz \n"[random.IntN(28)]
		}
		return string(text)
	default:
		return strings.Repeat(" word", random.IntN(12))
	}
}
