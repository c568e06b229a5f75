package checks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// NeighboursConfig is how full the kernel's tables of neighbours are (ARP for IPv4,
// NDP for IPv6), in per cent of gc_thresh3. Entries that are not of the kernel's own
// making do not count. It is 100 % only where the kernel could not make an entry
// in the last ten minutes: hosts that it has not talked to lately cannot be reached then.
// Each table is an instance.
type NeighboursConfig struct {
	Base `yaml:",inline"`
}

func defaultNeighbours() NeighboursConfig {
	return NeighboursConfig{Base: Base{
		Enabled: true, Condition: "NeighbourTablePressure",
		Warn: Limit{Enter: 90, Leave: 80, For: time.Minute, Reason: "NeighbourTableHigh"},
		Fail: Limit{Enter: 100, Leave: 95, Reason: "NeighbourTableFull"},
	}}
}

func (c *NeighboursConfig) entry() entry {
	return entry{
		name: "neighbours", class: "neighbour-table-exhaustion", unit: percent, base: &c.Base, asks: c, instances: true,
		// The table of neighbours (ARP, NDP) is nearly full. When it is, hosts on the same network cannot be
		// reached.
		// Remedy: raise net.ipv4.neigh.default.gc_thresh3 (and net.ipv6's).
		brings: healthyType("NeighbourTablePressure", "NeighbourTableHasRoom", "new neighbours can be found"),
		measures: func(s *system) measure {
			return func(context.Context) (measured, error) { return s.measureNeighbours() }
		},
	}
}

// family is a family of addresses and where its neighbours are told of.
type family struct {
	name, stat, sysctl string
	number             int
}

func families() []family {
	return []family{
		{"IPv4", "arp_cache", "ipv4", unix.AF_INET},
		{"IPv6", "ndisc_cache", "ipv6", unix.AF_INET6},
	}
}

func (s *system) measureNeighbours() (measured, error) {
	if err := s.view().SeesNetwork(); err != nil {
		return measured{}, err
	}
	m := measured{complete: true}
	for _, one := range families() {
		f, err := s.neighboursOf(one)
		switch {
		case errors.Is(err, fs.ErrNotExist): // the kernel was built without it
		case err != nil:
			m.figures = append(m.figures, figure{instance: one.name, err: err})
		default:
			m.figures = append(m.figures, f)
		}
	}
	return m, nil
}

func (s *system) neighboursOf(of family) (figure, error) {
	path := s.proc("net/stat/" + of.stat)
	text, err := readFile(path)
	if err != nil {
		return figure{}, err
	}
	stat, err := parseNeighbourStat(text)
	if err != nil {
		return figure{}, fmt.Errorf("read %s: %w", path, err)
	}
	most, err := readNumber(s.proc("sys/net/" + of.sysctl + "/neigh/default/gc_thresh3"))
	if errors.Is(err, fs.ErrNotExist) { // it is the first namespace's, as the table is
		return figure{}, hostview.NewBlind("the limit of "+of.name+" neighbours is not seen from this network namespace", hostview.HostNetworkRemedy)
	}
	if err != nil {
		return figure{}, err
	}
	exempt, err := s.kernel.exemptNeighbours(of.number)
	if err != nil {
		return figure{}, fmt.Errorf("list the %s neighbours: %w", of.name, err)
	}
	f := shareOf(of.name, stat.entries-min(stat.entries, exempt), most, of.name+" neighbours")
	f.text += " that gc_thresh3 allows"
	// The table may have more than it should, and be well, where another namespace has
	// entries that do not count; that it was full the kernel says itself.
	f.value = math.Min(f.value, 99)
	const window = 10 * time.Minute
	full := s.growth("neighbours/"+of.name, window, stat.full)
	if full.n > 0 {
		f.value = 100
		f.text += fmt.Sprintf("; it was full %s times in %s", decimal(float64(full.n)), full.in)
	}
	if full.most > 0 {
		f.atMost = 100
	}
	return f, nil
}

// neighbourStat is what the kernel says of a table.
type neighbourStat struct{ entries, full uint64 }

var errNeighbourStat = errors.New("it is not in the form of a table of neighbours' statistics")

// parseNeighbourStat reads /proc/net/stat/arp_cache: a line of names and one of hex
// numbers for each CPU (neigh_stat_seq_show in the kernel's net/core/neighbour.c).
// The entries are those of the table on each line, all else is of that CPU. The
// number of times that the table was full is there since Linux 4.3.
func parseNeighbourStat(text string) (stat neighbourStat, err error) {
	head, rest, _ := strings.Cut(text, "\n")
	entries, full := -1, -1
	for i, name := range strings.Fields(head) {
		switch name {
		case "entries":
			entries = i
		case "table_fulls":
			full = i
		}
	}
	if entries < 0 || rest == "" {
		return neighbourStat{}, errNeighbourStat
	}
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if stat.entries, err = hex(fields, entries); err != nil {
			return neighbourStat{}, err
		}
		if full < 0 {
			continue
		}
		n, err := hex(fields, full)
		if err != nil {
			return neighbourStat{}, err
		}
		stat.full += n
	}
	return stat, nil
}

func hex(fields []string, i int) (uint64, error) {
	if i >= len(fields) {
		return 0, errNeighbourStat
	}
	n, err := strconv.ParseUint(fields[i], 16, 64)
	if err != nil {
		return 0, errNeighbourStat
	}
	return n, nil
}

// exemptNeighbours counts the entries of the agent's network namespace that gc_thresh3
// does not limit: permanent ones and those that a routing daemon has learned
// (neigh_update_gc_list in the kernel's net/core/neighbour.c). It asks by netlink
// (rtnetlink(7)), for which no right is needed.
func exemptNeighbours(family int) (exempt uint64, err error) {
	answer, err := syscall.NetlinkRIB(unix.RTM_GETNEIGH, family)
	if err != nil {
		return 0, err
	}
	messages, err := syscall.ParseNetlinkMessage(answer)
	if err != nil {
		return 0, err
	}
	for i := range messages {
		if messages[i].Header.Type == unix.RTM_NEWNEIGH && isExempt(messages[i].Data) {
			exempt++
		}
	}
	return exempt, nil
}

// isExempt looks into a struct ndmsg (linux/neighbour.h): the state is the 16 bits at
// 8, the flags are the byte at 10.
func isExempt(message []byte) bool {
	if len(message) < 12 {
		return false
	}
	return binary.NativeEndian.Uint16(message[8:])&unix.NUD_PERMANENT != 0 || message[10]&unix.NTF_EXT_LEARNED != 0
}
