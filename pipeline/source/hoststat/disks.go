package hoststat

import (
	"bytes"
	"errors"
	"math"
	"time"
)

// readDisks reads the counters, then what /sys says of the devices.
func (r *Reader) readDisks(d *Disks) error {
	d.Time = time.Now()
	if err := r.proc("diskstats", d.parse); err != nil {
		return err
	}
	d.SysErr = r.describe(d.Each)
	return nil
}

// sector is the unit of /proc/diskstats and of a size in /sys, whatever the device's is.
const sector = 512

// parse reads /proc/diskstats: major, minor, name, and 11 numbers, 15 since Linux 4.18,
// 17 since 5.5; later ones may have more.
func (d *Disks) parse(text []byte) error {
	each := make([]Disk, 0, bytes.Count(text, []byte("\n")))
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		one, err := parseDisk(line)
		if err != nil {
			return errLine(line, err.Error())
		}
		each = append(each, one)
	}
	d.Each = each
	return nil
}

func parseDisk(line []byte) (one Disk, err error) {
	var id [2]uint64
	for i := range id {
		var field []byte
		field, line = nextField(line)
		if id[i], err = number(field); err != nil || id[i] > math.MaxUint32 {
			return one, errors.New("has no number of a device")
		}
	}
	name, line := nextField(line)
	var n [17]uint64
	got, err := numbers(line, n[:])
	if err != nil || got < 11 || len(name) == 0 {
		return one, errors.New("has no eleven numbers behind a name")
	}
	one = Disk{
		Name: string(name), Major: uint32(id[0]), Minor: uint32(id[1]), //nolint:gosec // see above
		Reads: n[0], ReadsMerged: n[1], ReadMillis: n[3],
		Writes: n[4], WritesMerged: n[5], WriteMillis: n[7],
		InFlight: n[8], IOMillis: n[9], WeightedMillis: n[10],
	}
	if got >= 15 {
		one.Discards, one.DiscardsMerged, one.DiscardMillis = Amount{n[11], true}, Amount{n[12], true}, Amount{n[14], true}
		one.DiscardedBytes.Known = true
	}
	if got >= 17 {
		one.Flushes, one.FlushMillis = Amount{n[15], true}, Amount{n[16], true}
	}
	for i, to := range [...]*uint64{2: &one.ReadBytes, 6: &one.WrittenBytes, 13: &one.DiscardedBytes.N} {
		if to == nil {
			continue
		}
		if *to, err = times(n[i], sector); err != nil {
			return one, errors.New("has more sectors than can be")
		}
	}
	return one, nil
}
