package hoststat

import (
	"bytes"

	"golang.org/x/sys/unix"
)

// readInterfaces reads the interfaces of the node's first process, whose network
// namespace is the node's, whatever that of the agent is. Where it is not seen, the
// agent's own are the node's only if it is in the node's network namespace.
func (r *Reader) readInterfaces(i *Interfaces) error {
	if r.unseen == nil {
		return r.proc("1/net/dev", i.parse)
	}
	if err := r.view.SeesNetwork(); err != nil {
		return err
	}
	return r.proc("net/dev", i.parse)
}

// parse reads /proc/net/dev (proc_pid_net(5)): two lines of headings, then "name: " and
// sixteen numbers.
func (i *Interfaces) parse(text []byte) error {
	_, text = nextLine(text)
	head, text := nextLine(text)
	if !bytes.Contains(head, []byte("|bytes")) {
		return errLine(head, "is not the heading that was expected")
	}
	each := make([]Interface, 0, bytes.Count(text, []byte("\n")))
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		one, err := parseInterface(line)
		if err != nil {
			return err
		}
		each = append(each, one)
	}
	i.Each = each
	return nil
}

// parseInterface reads a line. A name may hold colons: the last one ends it.
func parseInterface(line []byte) (one Interface, err error) {
	end := bytes.LastIndexByte(line, ':')
	if end < 0 {
		return one, errLine(line, "has no name")
	}
	var n [16]uint64
	got, err := numbers(line[end+1:], n[:])
	name := bytes.TrimLeft(line[:end], " ")
	if err != nil || got < len(n) || len(name) == 0 {
		return one, errLine(line, "has no sixteen numbers behind a name")
	}
	return Interface{
		Name:    clean(string(name)),
		RxBytes: n[0], RxPackets: n[1], RxErrors: n[2], RxDropped: n[3],
		RxFIFO: n[4], RxFrame: n[5], RxCompressed: n[6], RxMulticast: n[7],
		TxBytes: n[8], TxPackets: n[9], TxErrors: n[10], TxDropped: n[11],
		TxFIFO: n[12], TxCollisions: n[13], TxCarrier: n[14], TxCompressed: n[15],
	}, nil
}

// countProcesses counts the directories of processes in /proc.
func (r *Reader) countProcesses(p *Processes) error {
	if r.unseen != nil {
		return r.unseen
	}
	dir, err := openDirectory(r.view.Proc)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	p.Count, err = countNumbers(int(dir.Fd()), make([]byte, 32<<10))
	return err
}

// countNumbers counts the names in a directory that begin with a digit.
func countNumbers(dir int, buffer []byte) (count uint64, err error) {
	for {
		n, err := unix.ReadDirent(dir, buffer)
		if err != nil || n <= 0 {
			return count, err
		}
		names := make([]string, 0, 512)
		_, _, names = unix.ParseDirent(buffer[:n], -1, names)
		for _, name := range names {
			if name[0] >= '1' && name[0] <= '9' {
				count++
			}
		}
	}
}
