package hoststat

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// userHZ is how many ticks a second has in /proc/stat, on every machine that Go runs on
// (USER_HZ).
const userHZ = 100

// parse reads /proc/stat.
func (c *CPU) parse(text []byte) error {
	total := false
	each := make([]OneCPU, 0, bytes.Count(text, []byte("\ncpu")))
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		key, rest := nextField(line)
		var err error
		switch {
		case string(key) == "cpu":
			total = true
			err = c.Total.parse(rest)
		case bytes.HasPrefix(key, []byte("cpu")):
			each, err = appendCPU(each, key[3:], rest)
		default:
			err = c.count(key, rest)
		}
		if err != nil {
			*c = CPU{}
			return fmt.Errorf("the line of %.20q: %w", key, err)
		}
	}
	if !total {
		*c = CPU{}
		return errors.New("it has no line of all CPUs")
	}
	c.Each = each
	return nil
}

func appendCPU(each []OneCPU, name, line []byte) ([]OneCPU, error) {
	const most = 1 << 20
	n, err := number(name)
	if err != nil || n > most {
		return nil, errors.New("it has no number of a CPU")
	}
	one := OneCPU{Number: int(n)}
	if k := len(each); k > 0 && each[k-1].Number >= one.Number {
		return nil, errors.New("it is not in order")
	}
	err = one.parse(line)
	return append(each, one), err
}

// parse reads the ticks of a line. Kernels before 2.6.33 have fewer kinds.
func (t *CPUTimes) parse(line []byte) error {
	var ticks [10]uint64
	n, err := numbers(line, ticks[:])
	if err != nil {
		return err
	}
	if n < 4 {
		return errors.New("it has fewer than four times")
	}
	for i, to := range []*float64{&t.User, &t.Nice, &t.System, &t.Idle, &t.IOWait, &t.IRQ, &t.SoftIRQ, &t.Steal, &t.Guest, &t.GuestNice} {
		*to = float64(ticks[i]) / userHZ
	}
	return nil
}

// count reads a line of another kind. The one of interrupts has a number for each of
// thousands of them: the first is the sum.
func (c *CPU) count(key, line []byte) error {
	var to *uint64
	var boot uint64
	switch string(key) {
	case "intr":
		to = &c.Interrupts
	case "ctxt":
		to = &c.ContextSwitches
	case "processes":
		to = &c.ProcessesCreated
	case "procs_running":
		to = &c.Running
	case "procs_blocked":
		to = &c.Blocked
	case "btime":
		to = &boot
	default:
		return nil
	}
	field, _ := nextField(line)
	n, err := number(field)
	if err != nil {
		return err
	}
	*to = n
	if to == &boot {
		c.BootTime = time.Unix(int64(min(boot, 1<<40)), 0)
	}
	return nil
}

// parse reads /proc/loadavg: 0.20 0.18 0.12 1/80 11206.
func (l *Load) parse(text []byte) error {
	line, _ := nextLine(text)
	var read Load
	for _, to := range []*float64{&read.One, &read.Five, &read.Fifteen} {
		var field []byte
		var err error
		field, line = nextField(line)
		if *to, err = decimal(field); err != nil {
			return err
		}
	}
	field, _ := nextField(line)
	_, threads, ok := bytes.Cut(field, []byte("/"))
	if !ok {
		return errLine(line, "has no number of threads")
	}
	n, err := number(threads)
	if err != nil {
		return err
	}
	read.Threads = n
	*l = read
	return nil
}

// parse reads /proc/uptime.
func (u *Uptime) parse(text []byte) error {
	field, _ := nextField(text)
	seconds, err := decimal(bytes.TrimRight(field, "\n"))
	if err != nil {
		return err
	}
	u.Seconds = seconds
	return nil
}
