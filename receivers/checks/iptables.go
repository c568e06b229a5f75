package checks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// IPTablesMixConfig is whether there are iptables rules of both kinds, legacy and nft:
// packets pass through both, and each program sees the half of them. The figure is 1
// where there are, else 0. Nodes may live well with it: so it is off.
type IPTablesMixConfig struct {
	Base `yaml:",inline"`
}

// The reason is that of node-problem-detector's plugin for the same.
func defaultIPTablesMix() IPTablesMixConfig {
	return IPTablesMixConfig{Base: Base{
		Interval: time.Hour,
		Warn:     Limit{Enter: 1, Reason: "IPTablesVersionsMismatch"},
		Fail:     Limit{Reason: "IPTablesVersionsMismatch"},
	}}
}

func (c *IPTablesMixConfig) entry() entry {
	return entry{
		name: "iptables_mix", class: "iptables-mix", unit: count, base: &c.Base, asks: c,
		measures: func(s *system) measure {
			return func(context.Context) (measured, error) { return s.measureIPTables() }
		},
	}
}

func (s *system) measureIPTables() (measured, error) {
	if err := s.view().SeesNetwork(); err != nil {
		return measured{}, err
	}
	legacy, err := s.legacyTables()
	if err != nil {
		return measured{}, needsNetAdmin("list the legacy iptables rules", err)
	}
	if len(legacy) == 0 { // no need to ask for more
		return measured{figures: []figure{{text: "there are no legacy iptables rules"}}}, nil
	}
	nft, err := s.kernel.nftTables()
	if err != nil {
		return measured{}, needsNetAdmin("list the nftables rules", err)
	}
	names := iptablesNames(nft)
	if len(names) == 0 {
		return measured{figures: []figure{{text: "there are legacy iptables rules alone: in " + strings.Join(legacy, ", ")}}}, nil
	}
	return measured{figures: []figure{{value: 1, text: "there are both legacy iptables rules (in " + strings.Join(legacy, ", ") +
		") and nft ones (in " + strings.Join(names, ", ") + ")"}}}, nil
}

func needsNetAdmin(what string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return hostview.NewBlind(what+": "+err.Error(), "give the agent the capability NET_ADMIN, or turn the check off")
	}
	return fmt.Errorf("%s: %w", what, err)
}

// legacyTables returns the tables of legacy iptables that have rules or chains beyond
// those that each table begins with. A table is there as soon as somebody has looked.
func (s *system) legacyTables() (names []string, err error) {
	for _, one := range []struct {
		file, prefix string
		family       int
	}{{"ip_tables_names", "", unix.AF_INET}, {"ip6_tables_names", "ip6 ", unix.AF_INET6}} {
		text, err := readFile(s.proc("net/" + one.file))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the kernel has no legacy iptables, or has not loaded them
		}
		if err != nil {
			return nil, err
		}
		for table := range strings.FieldsSeq(text) {
			entries, hooks, err := s.kernel.legacyEntries(one.family, table)
			if err != nil {
				return nil, fmt.Errorf("ask for the table %.40q: %w", table, err)
			}
			// A policy for each hook, and the end.
			if entries > hooks+1 {
				names = append(names, one.prefix+table)
			}
		}
	}
	return names, nil
}

// nftTable is a table of nftables that has rules.
type nftTable struct {
	family uint8 // NFPROTO_*
	name   string
}

// iptablesNames returns the tables that iptables-nft keeps its rules in.
func iptablesNames(tables []nftTable) (names []string) {
	for _, one := range tables {
		if !isOfIPTables(one) {
			continue
		}
		if one.family == unix.NFPROTO_IPV6 {
			one.name = "ip6 " + one.name
		}
		names = append(names, one.name)
	}
	return names
}

func isOfIPTables(one nftTable) bool {
	return (one.family == unix.NFPROTO_IPV4 || one.family == unix.NFPROTO_IPV6) &&
		slices.Contains([]string{"filter", "nat", "mangle", "raw", "security"}, one.name)
}

// What legacy iptables tells of a table (linux/netfilter_ipv4/ip_tables.h, and the
// same in ip6_tables.h): the option and the form of struct ipt_getinfo.
const (
	soGetInfo      = 64 // IPT_SO_GET_INFO, IP6T_SO_GET_INFO
	getInfoSize    = 84
	getInfoHooksAt = 32 // behind the name
	getInfoCountAt = 76
)

// legacyEntries asks legacy iptables how many entries a table has, and how many hooks.
func legacyEntries(family int, table string) (entries, hooks int, err error) {
	level := unix.IPPROTO_IP
	if family == unix.AF_INET6 {
		level = unix.IPPROTO_IPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	var info [getInfoSize]byte
	copy(info[:getInfoHooksAt-1], table)
	size := uint32(len(info))
	// The option is asked for with the table's name in it, which x/sys/unix has no call for.
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), soGetInfo,
		uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0) //nolint:gosec // see above
	if errno != 0 {
		return 0, 0, errno
	}
	hooks = bits.OnesCount32(binary.NativeEndian.Uint32(info[getInfoHooksAt:]))
	return int(binary.NativeEndian.Uint32(info[getInfoCountAt:])), hooks, nil
}
