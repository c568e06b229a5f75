package checks

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

// The form of a record of wtmp, which is that of struct utmp of glibc on the host's
// processor (utmp(5), bits/utmp.h). Where a program of 32 bits may run beside those
// of 64 its times have 32 bits.
const (
	utmpRunLevel = 1 // RUN_LVL
	utmpBoot     = 2 // BOOT_TIME

	utmpUserAt, utmpUserSize = 44, 32
)

// utmpForm is where the time is in a record, and how large that is.
type utmpForm struct{ size, timeAt, timeSize int }

func utmpFormOf(goarch string) utmpForm {
	switch goarch {
	case "arm64", "riscv64", "loong64":
		return utmpForm{size: 400, timeAt: 344, timeSize: 8}
	}
	return utmpForm{size: 384, timeAt: 340, timeSize: 4}
}

// utmpRecord is a boot or an orderly end, as wtmp notes it.
type utmpRecord struct {
	shutdown bool
	at       time.Time
}

// parse reads a record; not ok: it is neither.
func (f utmpForm) parse(record []byte) (r utmpRecord, ok bool) {
	kind := binary.NativeEndian.Uint16(record)
	user, _, _ := bytes.Cut(record[utmpUserAt:utmpUserAt+utmpUserSize], []byte{0})
	switch {
	case kind == utmpBoot && string(user) == "reboot":
	case kind == utmpRunLevel && string(user) == "shutdown":
		r.shutdown = true
	default:
		return utmpRecord{}, false
	}
	at := int64(binary.NativeEndian.Uint32(record[f.timeAt:]))
	if f.timeSize == 8 {
		at = int64(binary.NativeEndian.Uint64(record[f.timeAt:])) //nolint:gosec // a time
	}
	r.at = time.Unix(at, 0)
	return r, true
}

// parseAll returns what records tell of boots and ends, in order.
func (f utmpForm) parseAll(text []byte) (records []utmpRecord) {
	for ; len(text) >= f.size; text = text[f.size:] {
		if r, ok := f.parse(text); ok {
			records = append(records, r)
		}
	}
	return records
}

// maxWtmp bounds how much of the end of wtmp is read: tens of thousands of logins.
const maxWtmp = 16 << 20

var errWtmp = errors.New("its size is not a multiple of a record's")

// readWtmp returns the boots and orderly ends that a wtmp file tells of, in order.
func readWtmp(file *os.File) (records []utmpRecord, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	form := utmpFormOf(runtime.GOARCH)
	size := info.Size()
	if !info.Mode().IsRegular() || size%int64(form.size) != 0 {
		return nil, fmt.Errorf("read %s: %w", file.Name(), errWtmp)
	}
	most := int64(maxWtmp / form.size * form.size)
	text, err := io.ReadAll(io.NewSectionReader(file, max(0, size-most), most))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file.Name(), err)
	}
	return form.parseAll(text), nil
}
