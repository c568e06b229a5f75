package checks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/mounts"
)

// ownMountNamespace makes what a helper mounts its own.
func ownMountNamespace() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
}

// here is this machine with the mounts of this process as those of the host: the
// first process is in another namespace.
func here(dir string) (*system, error) {
	proc := filepath.Join(dir, "proc")
	err := os.MkdirAll(proc, 0o755)
	for link, target := range map[string]string{"1": "/proc/self", "self": "/proc/self", "2": "/proc/2", "sys": "/proc/sys", "net": "/proc/net"} {
		err = errors.Join(err, os.Symlink(target, filepath.Join(proc, link)))
	}
	err = errors.Join(err, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	host := pipeline.DefaultHost()
	host.Proc = proc
	s := newSystem(pipeline.Settings{Host: host, Clock: pipeline.SystemClock{}})
	s.disks = mounts.NewAsker(s.clock, 0, func(of *mounts.FileSystem) (mounts.Usage, error) { return mounts.Statfs("/", of) })
	return s, err
}

// printLook prints what a check says of what is below a directory.
func printLook(when string, config *Config, s *system, name, dir string) {
	for _, one := range config.entries() {
		if one.name != name {
			continue
		}
		c := one.open(0, s)
		for _, line := range told(c.Run(context.Background())) {
			if strings.Contains(line, dir+"/") {
				fmt.Println(when + ": " + strings.ReplaceAll(line, dir, "DIR"))
			}
		}
	}
}

// command runs a program of the machine.
func command(name string, args ...string) error {
	text, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	return nil
}

func TestFullTmpfs(t *testing.T) {
	got := again(t, "full tmpfs", ownMountNamespace())
	require.Regexp(t, `(?m)^empty: disk_space/warn DIR/full ok: DIR/full \(stuff, tmpfs\) is 0 % full, 0 of 0 GiB are available$`, got)
	require.Regexp(t, `(?m)^empty: disk_inodes/warn DIR/full ok: DIR/full \(stuff, tmpfs\) has used 1 inodes of 20 \(5 %\)$`, got)
	require.Regexp(t, `(?m)^full: disk_space/warn DIR/full problem: DIR/full \(stuff, tmpfs\) is 100 % full, 0 of 0 GiB are available, limit 95 %$`, got)
	require.Regexp(t, `(?m)^full: disk_inodes/warn DIR/full problem: DIR/full \(stuff, tmpfs\) has used 20 inodes of 20 \(100 %\), limit 95 %$`, got)
	require.NotContains(t, got, "covered", "nothing is said of one that another is mounted over, but for "+
		"that it cannot be asked")
	require.Regexp(t, `(?m)^over it: disk_space/warn DIR/full unknown: .*another file system is mounted over it$`, got)
	require.NotContains(t, got, "bound", "a bind mount is no file system of its own")
}

func fillTmpfs() error {
	dir := os.Getenv("OTELNPD_TEST_DIR")
	s, err := here(dir)
	full, bound := filepath.Join(dir, "full"), filepath.Join(dir, "longer/bound")
	err = errors.Join(err, os.Mkdir(full, 0o755), os.MkdirAll(bound, 0o755),
		unix.Mount("stuff", full, "tmpfs", 0, "size=1m,nr_inodes=20"), unix.Mount(full, bound, "", unix.MS_BIND, ""))
	if err != nil {
		return err
	}
	config := all()
	config.DiskSpace.Types, config.DiskInodes.Types = []string{"tmpfs"}, []string{"tmpfs"}
	show := func(when string) {
		printLook(when, config, s, "disk_space", dir)
		printLook(when, config, s, "disk_inodes", dir)
	}
	show("empty")
	err = os.WriteFile(filepath.Join(full, "big"), make([]byte, 1<<20), 0o644)
	for i := range 18 {
		err = errors.Join(err, os.WriteFile(filepath.Join(full, strconv.Itoa(i)), nil, 0o644))
	}
	if err != nil {
		return err
	}
	show("full")
	if err := errors.Join(unix.Unmount(bound, 0), unix.Mount("other", full, "ramfs", 0, "")); err != nil {
		return err
	}
	show("over it")
	return nil
}

// A file system that a real kernel makes read-only, since it is told of an error.
func TestRealErrorOfExt4(t *testing.T) {
	needsTools(t, "mkfs.ext4", "mount")
	if !exists("/dev/loop-control") {
		t.Skip("needs loop devices")
	}
	// The kernel's log will tell of it: tests that read that must not run meanwhile.
	lock, err := os.OpenFile("/tmp/otelnpd-kmsg.lock", os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = lock.Close() })
	require.NoError(t, unix.Flock(int(lock.Fd()), unix.LOCK_EX))

	got := again(t, "ext4", ownMountNamespace())
	const what = "DIR/data"
	for _, line := range []string{
		"mounted: readonly_filesystem " + what + " ok: ",
		"read-only bind mount: readonly_filesystem " + what + " ok: ",
		"remounted on purpose: readonly_filesystem " + what + " ok: ",
		"written again: readonly_filesystem " + what + " ok: ",
		"error: readonly_filesystem " + what + " problem: ",
		"after the restart: readonly_filesystem " + what + " problem: ",
	} {
		require.Contains(t, got, line)
	}
	require.Regexp(t, `noted: filesystem_errors/warn loop\d+ problem: the ext4 file system on loop\d+ has noted 1 errors since it was last checked, the first at `, got)
}

func spoilExt4() error {
	dir := os.Getenv("OTELNPD_TEST_DIR")
	s, err := here(dir)
	image, data, bound := filepath.Join(dir, "image"), filepath.Join(dir, "data"), filepath.Join(dir, "longer/bound")
	err = errors.Join(err, os.Mkdir(data, 0o755), os.MkdirAll(bound, 0o755), os.WriteFile(image, nil, 0o644), os.Truncate(image, 16<<20),
		command("mkfs.ext4", "-q", "-F", image), command("mount", "-o", "loop,errors=remount-ro", image, data))
	if err != nil {
		return err
	}
	show := func(when string, s *system) { printLook(when, all(), s, "readonly_filesystem", dir) }
	show("mounted", s)
	for _, step := range [][]string{
		{"read-only bind mount", "--bind", data, bound}, {"read-only bind mount", "-o", "remount,ro,bind", bound},
		{"remounted on purpose", "-o", "remount,ro", data}, {"written again", "-o", "remount,rw", data},
	} {
		if err := command("mount", step[1:]...); err != nil {
			return err
		}
		show(step[0], s)
	}
	var stat unix.Stat_t
	if err := unix.Stat(data, &stat); err != nil {
		return err
	}
	device, err := s.ext4Directory(fmt.Sprintf("%d:%d", unix.Major(stat.Dev), unix.Minor(stat.Dev)))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(device, "trigger_fs_error"), []byte("otelnpd-test"), 0o200); err != nil {
		return err
	}
	show("error", s)
	again := newSystem(pipeline.Settings{Host: s.host, Clock: pipeline.SystemClock{}})
	show("after the restart", again)
	f, _ := s.ext4Errors(filepath.Base(device))
	fmt.Printf("noted: filesystem_errors/warn %s problem: %s\n", f.instance, f.text)
	return errors.Join(unix.Unmount(bound, 0), unix.Unmount(data, 0))
}

// A FUSE file system whose server never answers holds whoever asks it.
func TestRealFileSystemThatHangs(t *testing.T) {
	if !exists("/dev/fuse") {
		t.Skip("needs FUSE")
	}
	got := again(t, "fuse", ownMountNamespace())
	const silent = `: disk_space/warn DIR/hangs unknown: the file system DIR/hangs \(dead, fuse\) has not answered for (\d+s)\n`
	waits := regexp.MustCompile(`(?m)^hangs` + silent + `still` + silent).FindStringSubmatch(got)
	require.Len(t, waits, 3, got)
	first, err := time.ParseDuration(waits[1])
	require.NoError(t, err)
	second, err := time.ParseDuration(waits[2])
	require.NoError(t, err)
	require.GreaterOrEqual(t, first, 2*time.Second)
	require.Greater(t, second, first)
	require.Contains(t, got, "1 goroutine is left\n")
	require.Regexp(t, `(?m)^gone: disk_space/warn DIR/hangs unknown: ask DIR/hangs: transport endpoint is not connected$`, got)
}

func hangFUSE() error {
	dir := os.Getenv("OTELNPD_TEST_DIR")
	s, err := here(dir)
	target := filepath.Join(dir, "hangs")
	fd, errOpen := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err := errors.Join(err, errOpen, os.Mkdir(target, 0o755)); err != nil {
		return err
	}
	if err := unix.Mount("dead", target, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)); err != nil {
		return err
	}
	config := all()
	config.DiskSpace.Types = []string{"fuse"}
	look := func(when string) {
		for _, one := range config.entries() {
			if one.name == "disk_space" {
				c := one.open(0, s)
				fmt.Println(when + ": " + strings.ReplaceAll(strings.Join(told(c.Run(context.Background())), "\n"), dir, "DIR"))
			}
		}
	}
	look("hangs")
	look("still")
	fmt.Println(s.disks.Waiting(), "goroutine is left")
	if err := unix.Close(fd); err != nil { // the server has ended
		return err
	}
	look("gone")
	return nil
}

// What an agent in a container sees: it must not take its own root for the host's.
func TestRealRoots(t *testing.T) {
	got := again(t, "root", ownMountNamespace())
	require.Contains(t, got, "the host's: <nil>\n")
	require.Contains(t, got, "bound below /host: <nil>\n")
	require.Contains(t, got, "not mounted: DIR/empty is not the root directory of the host\n")
	require.Contains(t, got, "an image: / is not the root directory of the host\n")
}

func reportRoots() error {
	dir := os.Getenv("OTELNPD_TEST_DIR")
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	seen := func(name, root string) {
		view := host().view()
		view.Root = root
		_, err := mounts.NewHost(view).Own(func([]byte) bool { return false })
		fmt.Println(name+":", strings.ReplaceAll(fmt.Sprint(err), dir, "DIR"))
	}
	seen("the host's", "/")
	bound, image := filepath.Join(dir, "host"), filepath.Join(dir, "image")
	err := errors.Join(os.Mkdir(bound, 0o755), os.Mkdir(image, 0o755), unix.Mount("/", bound, "", unix.MS_BIND|unix.MS_REC, ""))
	if err != nil {
		return err
	}
	seen("bound below /host", bound)
	seen("not mounted", filepath.Join(dir, "empty"))
	err = errors.Join(unix.Mount("image", image, "tmpfs", 0, ""), os.Mkdir(filepath.Join(image, "proc"), 0o755),
		os.Mkdir(filepath.Join(image, "old"), 0o755), unix.Mount("/proc", filepath.Join(image, "proc"), "", unix.MS_BIND, ""),
		unix.PivotRoot(image, filepath.Join(image, "old")), os.Chdir("/"))
	if err != nil {
		return err
	}
	seen("an image", "/")
	return nil
}
