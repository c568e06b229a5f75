package checks

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// utmp writes a record as the host's processor has it.
func utmp(form utmpForm, kind uint16, user string, at time.Time) []byte {
	record := make([]byte, form.size)
	binary.NativeEndian.PutUint16(record, kind)
	copy(record[8:], "~")
	copy(record[40:], "~~")
	copy(record[utmpUserAt:], user)
	copy(record[76:], "6.12.0")
	if form.timeSize == 8 {
		binary.NativeEndian.PutUint64(record[form.timeAt:], uint64(at.Unix()))
	} else {
		binary.NativeEndian.PutUint32(record[form.timeAt:], uint32(at.Unix()))
	}
	return record
}

func TestFormsOfWtmp(t *testing.T) {
	for arch, size := range map[string]int{"amd64": 384, "386": 384, "arm": 384, "ppc64le": 384, "s390x": 384, "arm64": 400, "riscv64": 400} {
		form := utmpFormOf(arch)
		require.Equal(t, size, form.size, arch)
		at := time.Unix(1_795_935_600, 0)
		r, ok := form.parse(utmp(form, utmpBoot, "reboot", at))
		require.True(t, ok)
		require.Equal(t, utmpRecord{at: at}, r)
		r, ok = form.parse(utmp(form, utmpRunLevel, "shutdown", at))
		require.True(t, ok)
		require.Equal(t, utmpRecord{shutdown: true, at: at}, r)
		for _, other := range [][]byte{utmp(form, utmpRunLevel, "runlevel", at), utmp(form, 7, "reboot", at), utmp(form, 7, "shutdown", at), make([]byte, size)} {
			_, ok = form.parse(other)
			require.False(t, ok)
		}
	}
}

// What the history of a node says of the boot before this one. The node booted at six.
func TestUnexpectedReboot(t *testing.T) {
	form := utmpFormOf(runtime.GOARCH)
	day := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	history := func(records string) (text []byte) {
		for one := range strings.FieldsSeq(records) {
			kind, at, _ := strings.Cut(one, "@")
			offset, err := time.ParseDuration(at)
			require.NoError(t, err)
			switch kind {
			case "boot":
				text = append(text, utmp(form, utmpBoot, "reboot", day.Add(offset))...)
			case "end":
				text = append(text, utmp(form, utmpRunLevel, "shutdown", day.Add(offset))...)
			case "login":
				text = append(text, utmp(form, 7, "root", day.Add(offset))...)
			}
		}
		return text
	}
	const boot = "unexpected_reboot/warn 8f2a1c1e-5f0e-4f7e-9f38-2b1c2d3e4f50 "
	for name, one := range map[string]struct{ records, want string }{
		"an orderly reboot":               {"boot@1h login@2h end@5h59m boot@6h login@6h10m", "ok: the boot before this one ended in order at 2026-11-29T05:59:00Z"},
		"a crash":                         {"boot@1h login@2h boot@6h", "problem: the node booted at 2026-11-29T06:00:00Z, but the boot of 2026-11-29T01:00:00Z had not ended in order"},
		"a crash after an orderly reboot": {"boot@1h end@2h boot@2h1m boot@6h1m", "problem: the node booted at 2026-11-29T06:01:00Z, but the boot of 2026-11-29T02:01:00Z"},
		"the file was turned over":        {"login@2h boot@6h", "ok: /var/log/wtmp does not tell of the boot before this one"},
		"and its end is there":            {"end@5h59m boot@6h", "ok: the boot before this one ended in order"},
		"the clock was far off":           {"boot@1h boot@2h", "unknown: the host's /var/log/wtmp does not tell of this boot"},
		"turned over after the boot":      {"login@6h10m", "unknown: the host's /var/log/wtmp does not tell of this boot"},
		"empty":                           {"", "unknown: the host's /var/log/wtmp does not tell of this boot"},
		"on its way down":                 {"boot@1h end@5h boot@6h end@6h50m", "unknown: the host's /var/log/wtmp tells of an end of this boot"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t, "linux-6.8-cgroup2")
			path := tr.path("var/log/wtmp")
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, history(one.records), 0o644))
			s := tr.system(t)
			s.boot = "8f2a1c1e-5f0e-4f7e-9f38-2b1c2d3e4f50"
			run := checkOn(t, all(), s, "unexpected_reboot").Run
			got := told(run(t.Context()))
			require.Len(t, got, 1)
			if !strings.HasPrefix(one.want, "unknown") {
				one.want = boot + one.want
			}
			require.Contains(t, got[0], one.want)
			if !strings.Contains(one.want, "unknown") {
				tr.remove(t, "var/log/wtmp")
				require.Equal(t, got, told(run(t.Context())), "what has been does not change")
			}
		})
	}
}

func FuzzWtmp(f *testing.F) {
	form := utmpFormOf(runtime.GOARCH)
	crash := append(utmp(form, utmpBoot, "reboot", time.Unix(1000, 0)), utmp(form, utmpBoot, "reboot", time.Unix(2000, 0))...)
	f.Add(crash)
	f.Add(append(crash, utmp(form, utmpRunLevel, "shutdown", time.Unix(1000, 0))...))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, form := range []utmpForm{form, utmpFormOf("amd64"), utmpFormOf("arm64")} {
			records := form.parseAll(text)
			require.LessOrEqual(t, len(records), len(text)/form.size)
			_, _ = endBefore(records, "x", pipeline.Instant{Wall: time.Unix(2100, 0), Boot: 100 * time.Second})
		}
	})
}

func TestWtmpOfAnotherForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "wtmp")
	put(t, path, strings.Repeat("x", 385))
	for _, one := range []string{path, filepath.Dir(path)} {
		file, err := os.Open(one)
		require.NoError(t, err)
		_, err = readWtmp(file)
		require.ErrorIs(t, err, errWtmp)
		require.NoError(t, file.Close())
	}
}
