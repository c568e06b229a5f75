package filelog_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/filelog"
)

func TestPatterns(t *testing.T) {
	r := newRig(t)
	r.config.Include = []string{"/var/log/pods/*/*.log"}
	r.config.Exclude = []string{"/var/log/pods/*/not.log"}
	r.config.Format = "cri"
	r.start()
	r.waitBacklog()
	require.Equal(t, "no file matches /var/log/pods/*/*.log", r.statuses.Last().Reason)
	require.NoError(t, os.MkdirAll(r.settings.Host.Path("var/log/pods/a"), 0o700))
	line := now.Format(time.RFC3339Nano) + " stderr F "
	r.write("var/log/pods/a/0.log", line+"one\n")
	r.write("var/log/pods/a/not.log", line+"not\n")
	r.clock.Advance(6 * time.Second)
	r.passTimeUntil(func() bool { return len(named(r.sink.Records(), "")) > 0 })
	require.Equal(t, []string{"one"}, bodies(named(r.sink.Records(), "")))
	stream, _ := named(r.sink.Records(), "")[0].Attribute("log.iostream")
	require.Equal(t, "stderr", stream.AsString())
	r.stop()
	require.Equal(t, pipeline.ComponentOK, r.statuses.Last().State)
	r.write("var/log/pods/a/1.log", line+"two\n") // made while nobody looked
	require.Equal(t, []string{"two"}, bodies(named(r.run(), "")))
	require.Contains(t, string(r.kept), "/var/log/pods/a/1.log")

	require.NoError(t, os.RemoveAll(r.settings.Host.Path("var/log/pods")))
	r.start()
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentDegraded })
	text, err := r.receiver.Keep()()
	require.NoError(t, err)
	require.Contains(t, string(text), "/var/log/pods/a", "it is known at once that nothing is read")
	r.passTimeUntil(func() bool { // what is gone for long is forgotten
		text, err := r.receiver.Keep()()
		return err == nil && !strings.Contains(string(text), "/var/log/pods/a")
	})
	r.stop()
}

// What does not fit is told for as long as it does not.
func TestTooManyFiles(t *testing.T) {
	r := newRig(t)
	r.config.Include = []string{"/var/log/*.log"}
	for i := range 1025 {
		r.write(fmt.Sprintf("var/log/%d.log", i), "")
	}
	r.start()
	r.waitBacklog()
	require.Equal(t, "more than 1024 files match: the rest is not read", r.statuses.Last().Reason)
	require.NoError(t, os.Remove(r.settings.Host.Path("var/log/0.log")))
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentOK })
	r.stop()
}

// The kernel tells of what is written, made, renamed and switched.
func TestTheKernelTells(t *testing.T) {
	r := newRig(t)
	r.settings.Clock = pipeline.SystemClock{}
	r.config.Include = []string{"/var/log/app.log", "/var/log/link", "/var/log/sub/*.log"}
	require.NoError(t, os.MkdirAll(r.settings.Host.Path("var/log/sub"), 0o700))
	r.write("var/log/one", "")
	require.NoError(t, os.Symlink("/var/log/one", r.settings.Host.Path("var/log/link")))
	r.sink = &pipelinetest.Sink{}
	r.receiver = newReceiver(t, r.settings, r.config, r.sink)
	r.receiver.WaitForTheKernel()
	require.NoError(t, r.receiver.Start(t.Context()))
	r.waitBacklog()
	path := r.settings.Host.Path("var/log/app.log")
	begun, polls := time.Now(), 0
	for i, change := range []func(){
		func() { r.write("var/log/app.log", "made\n") },
		func() { r.write("var/log/app.log", "written\n") },
		func() {
			require.NoError(t, os.Rename(path, path+".1"))
			r.write("var/log/app.log", "made anew\n")
		},
		func() { r.write("var/log/one", "behind the symlink\n") },
		func() {
			r.write("var/log/two", "switched\n")
			require.NoError(t, os.Symlink("two", r.settings.Host.Path("var/log/new")))
			require.NoError(t, os.Rename(r.settings.Host.Path("var/log/new"), r.settings.Host.Path("var/log/link")))
		},
		func() {
			require.NoError(t, os.RemoveAll(r.settings.Host.Path("var/log")))
			require.NoError(t, os.MkdirAll(r.settings.Host.Path("var/log"), 0o700))
			r.write("var/log/app.log", "in a new directory\n")
		},
	} {
		change()
		r.waitLines(i + 1)
		polls++
	}
	require.Less(t, time.Since(begun), time.Duration(polls)*filelog.SlowPoll/2, "a busy machine may let one wait for the poll, not all")
	shutdown(t, r.receiver)
	require.Equal(t, []string{"made", "written", "made anew", "behind the symlink", "switched", "in a new directory"}, bodies(named(r.sink.Records(), "")))
}

// The kernel tells of the first file too, where a pattern had matched none.
func TestTheKernelTellsOfTheFirstFile(t *testing.T) {
	r := newRig(t)
	r.settings.Clock = pipeline.SystemClock{}
	r.config.Include = []string{"/var/log/*.log"}
	r.sink = &pipelinetest.Sink{}
	receiver := newReceiver(t, r.settings, r.config, r.sink)
	receiver.EnumerateForTheKernel()
	require.NoError(t, receiver.Start(t.Context()))
	r.waitBacklog()
	begun := time.Now()
	r.write("var/log/app.log", "made\n")
	r.waitLines(1)
	require.Less(t, time.Since(begun), filelog.SlowPoll/2)
	shutdown(t, receiver)
}

// A pattern may match more than logs: what rotation made of those that are followed,
// directories, what is excluded by another.
func TestPatternsThatMatchTooMuch(t *testing.T) {
	r := newRig(t)
	r.config.Include, r.config.StartAt = []string{"/var/log/*", "/var/log/not.log"}, filelog.StartAtBeginning
	r.config.Exclude = []string{"/var/log/not*"}
	for _, name := range []string{"journal", "other"} {
		require.NoError(t, os.Mkdir(r.settings.Host.Path("var/log/"+name), 0o700))
	}
	require.NoError(t, os.Symlink("journal", r.settings.Host.Path("var/log/link")))
	for name, text := range map[string]string{"app.log": "three\n", "app.log.2.gz": "packed\n", "app.log.1": "two\n", "app.log-20261127": "one\n",
		"not.log": "not\n", "app.log-debug": "debug\n", "app": "app\n"} {
		r.write("var/log/"+name, text)
	}
	r.start()
	r.waitBacklog()
	require.ElementsMatch(t, []string{"three", "debug", "app"}, bodies(named(r.sink.Records(), "")))
	require.Equal(t, pipeline.ComponentOK, r.statuses.Last().State, r.statuses.Last().Reason)
	require.NoError(t, os.Rename(r.settings.Host.Path("var/log/app.log"), r.settings.Host.Path("var/log/app.log.3")))
	r.write("var/log/app.log.3", "four\n")
	r.clock.Advance(6 * time.Second) // the patterns are looked at before there is a new log
	r.waitLines(4)
	r.write("var/log/app.log", "five\n")
	r.passTimeUntil(func() bool { return len(named(r.sink.Records(), "")) > 4 })
	r.stop()
	require.ElementsMatch(t, []string{"three", "debug", "app", "four", "five"}, bodies(named(r.sink.Records(), "")))
}

// One busy file among many has the others looked at no more often than is cheap.
func TestManyFiles(t *testing.T) {
	r := newRig(t)
	r.config.Include = []string{"/var/log/*.log"}
	for i := range 500 {
		r.write(fmt.Sprintf("var/log/%d.log", i), "")
	}
	r.sink = &pipelinetest.Sink{}
	receiver := newReceiver(t, r.settings, r.config, r.sink)
	var asked atomic.Int64
	receiver.Hang(func() { asked.Add(1) })
	require.NoError(t, receiver.Start(t.Context()))
	r.waitBacklog()
	before, begun := asked.Load(), time.Now()
	for ; time.Since(begun) < time.Second; time.Sleep(time.Millisecond) {
		r.write("var/log/7.log", "line\n")
	}
	each := float64(asked.Load()-before) / time.Since(begun).Seconds()
	require.Less(t, each, 500*25.0, "20 glances a second")
	require.NotEmpty(t, named(r.sink.Records(), ""))
	shutdown(t, receiver)
}

// The log of a pod that ends goes with it, however much of it is still to be read.
func TestADeletedFileOfAPatternIsReadToItsEnd(t *testing.T) {
	r := newRig(t)
	r.config.Include, r.config.StartAt = []string{"/var/log/*.log"}, filelog.StartAtBeginning
	release := make(chan struct{})
	r.sink = &pipelinetest.Sink{Gate: func(context.Context) error { <-release; return nil }}
	const lines = 500 // more than is read before other things are seen to
	r.write("var/log/app.log", strings.Repeat(strings.Repeat("x", 30<<10)+"\n", lines))
	receiver := newReceiver(t, r.settings, r.config, r.sink)
	receiver.Hurry()
	receiver.ForgetAtOnce()
	require.NoError(t, receiver.Start(t.Context()))
	require.NoError(t, os.Remove(r.settings.Host.Path("var/log/app.log")))
	close(release)
	r.passTimeUntil(func() bool { return len(named(r.sink.Records(), pipeline.EventBacklogEnd)) > 0 })
	shutdown(t, receiver)
	require.Equal(t, lines, len(named(r.sink.Records(), ""))) //nolint:testifylint // Len would print them
}

func TestStatus(t *testing.T) {
	r := newRig(t)
	r.start()
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentDegraded })
	require.Contains(t, r.statuses.Last().Reason, "there is no ")
	r.write("var/log/app.log", "from the beginning\n")
	r.passTimeUntil(func() bool {
		return r.statuses.Last().State == pipeline.ComponentOK && len(named(r.sink.Records(), "")) > 0
	})
	require.Equal(t, []string{"from the beginning"}, bodies(named(r.sink.Records(), "")))
	r.stop()
}
