package checks

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// What the mounts of one file system say, look after look, and what that means.
func TestReadonlyEvidence(t *testing.T) {
	const (
		whole = "31 28 8:1 / /data rw,relatime shared:8 - xfs /dev/sda1 "
		shown = "32 28 8:1 /pub /srv/pub ro,relatime shared:8 - xfs /dev/sda1 "
		ext4  = "31 28 8:1 / /data rw,relatime shared:8 - ext4 /dev/sda1 "
	)
	both := func(options string) string { return whole + options + "\n" + shown + options }
	for name, looks := range map[string][]struct{ mounts, want string }{
		"an error":                                       {{whole + "rw", "ok"}, {whole + "ro", "problem"}},
		"an error before the agent's start":              {{whole + "ro", "problem"}},
		"remounted on purpose":                           {{whole + "rw", "ok"}, {strings.Replace(whole, " rw,", " ro,", 1) + "ro", "ok"}},
		"mounted so on purpose":                          {{strings.Replace(whole, " rw,", " ro,", 1) + "ro", "ok"}},
		"a bind mount that is read-only":                 {{both("rw"), "ok"}},
		"an error beside a read-only bind mount":         {{both("rw"), "ok"}, {both("ro"), "problem"}, {both("ro"), "problem"}},
		"the same before the agent's start: who knows":   {{both("ro"), "between"}, {both("ro"), "between"}},
		"on purpose beside a read-only bind mount":       {{both("rw"), "ok"}, {strings.Replace(both("ro"), " rw,", " ro,", 1), "ok"}},
		"an id used again":                               {{both("rw"), "ok"}, {whole + "rw", "ok"}, {both("ro"), "between"}},
		"written again":                                  {{whole + "ro", "problem"}, {whole + "rw", "ok"}},
		"an emergency of ext4":                           {{ext4 + "rw,errors=remount-ro", "ok"}, {ext4 + "rw,errors=remount-ro,emergency_ro", "problem"}},
		"a shutdown of ext4":                             {{ext4 + "rw,shutdown", "problem"}},
		"an emergency of a file system that has no such": {{whole + "rw,emergency_ro", "ok"}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t, "linux-6.8-cgroup2")
			run := checkOn(t, all(), tr.system(t), "readonly_filesystem").Run
			for i, look := range looks {
				tr.write(t, "proc/1/mountinfo", look.mounts)
				got := told(run(t.Context()))
				require.Len(t, got, 1)
				require.Contains(t, got[0], "readonly_filesystem /data "+look.want+": ", "look %d", i+1)
			}
		})
	}
}

// A line that is left out by an old kernel does not end a problem; a file system that
// was unmounted does, a look later.
func TestMountThatIsLeftOut(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	run := checkOn(t, all(), tr.system(t), "readonly_filesystem").Run
	const (
		root = "28 1 8:2 / / rw shared:1 - ext4 /dev/sda2 rw\n"
		data = "31 28 8:1 / /data rw shared:8 - xfs /dev/sda1 ro\n"
	)
	for i, look := range []struct {
		mounts   string
		complete bool
	}{{root + data, true}, {root, false}, {root + data, true}, {root, false}, {root, true}} {
		tr.write(t, "proc/1/mountinfo", look.mounts)
		require.Equal(t, look.complete, run(t.Context()).Complete, "look %d", i+1)
	}
}

// ext4 notes when it has last found an error: one of an earlier boot proves nothing.
func TestErrorsOfExt4InThisBoot(t *testing.T) {
	tr := newTree(t, "linux-6.8-cgroup2")
	// Somebody has mounted it read-only, perhaps to look at it.
	tr.write(t, "proc/1/mountinfo", "31 28 8:1 / /data ro shared:8 - ext4 /dev/sda1 ro")
	tr.link(t, "sys/dev/block/8:1", "../../devices/pci0000:00/block/sda/sda1")
	run := checkOn(t, all(), tr.system(t), "readonly_filesystem").Run
	look := func() string { return strings.Join(told(run(t.Context())), "\n") }
	booted := tr.clock.Now().Wall.Add(-tr.clock.Now().Boot)

	require.Contains(t, look(), "/data ok: ", "sysfs says nothing")
	tr.write(t, "sys/fs/ext4/sda1/errors_count", "2")
	require.Contains(t, look(), "/data ok: ", "an old kernel notes no time")
	tr.write(t, "sys/fs/ext4/sda1/last_error_time", decimalSeconds(booted.Add(-time.Minute)))
	require.Contains(t, look(), "/data ok: ", "before the boot")
	tr.write(t, "sys/fs/ext4/sda1/last_error_time", decimalSeconds(booted.Add(time.Minute)))
	require.Contains(t, look(), "/data problem: /data (/dev/sda1, ext4) was made read-only by the kernel: it has found errors in this boot")
	tr.write(t, "sys/fs/ext4/sda1/errors_count", "0")
	require.Contains(t, look(), "/data ok: ", "it has been checked")
}

func decimalSeconds(at time.Time) string {
	return strings.ReplaceAll(decimal(float64(at.Unix())), ",", "")
}

// The rules for the kernel's log and the check hold one condition: both declare it in
// the same way.
func TestReadonlyConditionIsThatOfThePack(t *testing.T) {
	text, err := os.ReadFile("../../config/packs/kernel.yaml")
	require.NoError(t, err)
	var pack struct {
		Conditions map[string]condition.Declaration `yaml:"conditions"`
	}
	require.NoError(t, yaml.Unmarshal(text, &pack))
	declared := pack.Conditions["ReadonlyFilesystem"]
	require.NoError(t, declared.Validate("ReadonlyFilesystem"))
	require.Equal(t, readonlyType(), declared.Type("ReadonlyFilesystem"))
}
