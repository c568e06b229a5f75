package hoststat

import (
	"bytes"
	"errors"
	"fmt"
)

// of returns where a figure of /proc/meminfo goes; nil: nowhere. unit is its unit.
func (m *Memory) of(key string) (to *Amount) {
	switch key {
	case "MemTotal":
		return &m.Total
	case "MemFree":
		return &m.Free
	case "MemAvailable":
		return &m.Available
	case "Buffers":
		return &m.Buffers
	case "Cached":
		return &m.Cached
	case "Slab":
		return &m.Slab
	case "SReclaimable":
		return &m.SlabReclaimable
	case "SUnreclaim":
		return &m.SlabUnreclaimable
	case "Active(anon)":
		return &m.ActiveAnon
	case "Inactive(anon)":
		return &m.InactiveAnon
	case "Active(file)":
		return &m.ActiveFile
	case "Inactive(file)":
		return &m.InactiveFile
	case "Unevictable":
		return &m.Unevictable
	case "Mlocked":
		return &m.Locked
	}
	return m.ofMore(key)
}

func (m *Memory) ofMore(key string) (to *Amount) {
	switch key {
	case "Dirty":
		return &m.Dirty
	case "Writeback":
		return &m.Writeback
	case "Shmem":
		return &m.Shmem
	case "AnonPages":
		return &m.Anon
	case "Mapped":
		return &m.Mapped
	case "PageTables":
		return &m.PageTables
	case "KernelStack":
		return &m.KernelStack
	case "SwapTotal":
		return &m.SwapTotal
	case "SwapFree":
		return &m.SwapFree
	case "SwapCached":
		return &m.SwapCached
	case "CommitLimit":
		return &m.CommitLimit
	case "Committed_AS":
		return &m.Committed
	case "HugePages_Total":
		return &m.HugePagesTotal
	case "HugePages_Free":
		return &m.HugePagesFree
	case "HugePages_Rsvd":
		return &m.HugePagesReserved
	case "HugePages_Surp":
		return &m.HugePagesSurplus
	case "Hugepagesize":
		return &m.HugePageSize
	}
	return nil
}

// parse reads /proc/meminfo: "MemTotal: 49367244 kB", "HugePages_Total: 0".
func (m *Memory) parse(text []byte) error {
	var read Memory
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		key, rest, _ := bytes.Cut(line, []byte(":"))
		to := read.of(string(key))
		if to == nil {
			continue
		}
		if err := to.parse(rest); err != nil {
			return fmt.Errorf("the line of %s: %w", key, err)
		}
	}
	if !read.Total.Known || !read.Free.Known || read.Free.N > read.Total.N {
		return errors.New("it does not tell how much memory there is, and how much of it is free")
	}
	*m = read
	return nil
}

// parse reads a number and perhaps its unit, kB.
func (a *Amount) parse(line []byte) error {
	field, rest := nextField(line)
	n, err := number(field)
	if err != nil {
		return err
	}
	unit, _ := nextField(rest)
	switch string(unit) {
	case "":
	case "kB":
		if n, err = times(n, 1024); err != nil {
			return err
		}
	default:
		return fmt.Errorf("the unit %.20q is not known", unit)
	}
	*a = Amount{n, true}
	return nil
}

// of returns where a figure of /proc/vmstat goes, and its unit.
func (p *Paging) of(key []byte) (to *Amount, unit uint64) {
	switch string(key) {
	case "pgfault":
		return &p.Faults, 1
	case "pgmajfault":
		return &p.MajorFaults, 1
	case "pswpin":
		return &p.SwappedIn, 1
	case "pswpout":
		return &p.SwappedOut, 1
	case "pgpgin":
		return &p.PagedIn, 1024
	case "pgpgout":
		return &p.PagedOut, 1024
	}
	return nil, 0
}

// parse reads /proc/vmstat: "pgfault 4711".
func (p *Paging) parse(text []byte) error {
	var read Paging
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		key, rest := nextField(line)
		to, unit := read.of(key)
		if to == nil {
			continue
		}
		field, _ := nextField(rest)
		n, err := number(field)
		if err == nil {
			n, err = times(n, unit)
		}
		if err != nil {
			return fmt.Errorf("the line of %s: %w", key, err)
		}
		*to = Amount{n, true}
	}
	if !read.Faults.Known {
		return errors.New("it does not count page faults")
	}
	*p = read
	return nil
}
