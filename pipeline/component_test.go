package pipeline_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestParseID(t *testing.T) {
	for text, want := range map[string]pipeline.ID{
		"kmsg":             {Type: "kmsg"},
		"journald/kernel":  {Type: "journald", Name: "kernel"},
		"filelog/my-app.1": {Type: "filelog", Name: "my-app.1"},
	} {
		id, err := pipeline.ParseID(text)
		require.NoError(t, err)
		require.Equal(t, want, id)
		require.Equal(t, text, id.String())
	}
	for _, text := range []string{"", "/", "kmsg/", "Kmsg", "kmsg/a b", "kmsg/a/b", "kmsg\n", string(make([]byte, 200))} {
		_, err := pipeline.ParseID(text)
		require.Error(t, err, "%q", text)
	}
}

func TestAtJoinsPaths(t *testing.T) {
	bad := errors.New("is bad")
	require.NoError(t, pipeline.At("rules", nil))

	err := pipeline.At("rules", pipeline.At("[3]", pipeline.At("clear", pipeline.At("pattern", bad))))
	require.EqualError(t, err, "rules[3].clear.pattern: is bad")
	require.ErrorIs(t, err, bad)

	joined := pipeline.At("rules", errors.Join(pipeline.At("[0]", bad), bad))
	require.EqualError(t, joined, "rules[0]: is bad\nrules: is bad")
}

func TestReadBoot(t *testing.T) {
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(1000, 0), Boot: 400 * time.Second})
	host := pipeline.Host{Root: t.TempDir(), Proc: t.TempDir()}
	require.Equal(t, filepath.Join(host.Root, "dev/kmsg"), host.Path("/dev/kmsg"))

	_, err := pipeline.ReadBoot(host, clock)
	require.ErrorIs(t, err, os.ErrNotExist)

	dir := filepath.Join(host.Proc, "sys/kernel/random")
	require.NoError(t, os.MkdirAll(dir, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "boot_id"), []byte("\n"), 0o600))
	_, err = pipeline.ReadBoot(host, clock)
	require.ErrorContains(t, err, "is empty")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "boot_id"), []byte(bootA+"\n"), 0o600))
	boot, err := pipeline.ReadBoot(host, clock)
	require.NoError(t, err)
	require.Equal(t, pipeline.Boot{ID: bootA, Start: time.Unix(600, 0)}, boot)
}

func TestSystemClock(t *testing.T) {
	before := time.Now()
	first := pipeline.SystemClock{}.Now()
	second := pipeline.SystemClock{}.Now()
	require.False(t, first.Wall.Before(before))
	require.Positive(t, first.Boot)
	require.GreaterOrEqual(t, second.Boot, first.Boot)
}

func TestStatusBoard(t *testing.T) {
	clock := pipelinetest.NewClock(pipeline.Instant{Wall: time.Unix(100, 0)})
	board := pipeline.NewStatusBoard(clock)
	var told []string
	board.Watch(func(s pipeline.ComponentStatus) { told = append(told, s.ID+" "+s.State.String()+" "+s.Reason) })
	kmsg, console := pipeline.ID{Type: "kmsg"}, pipeline.ID{Type: "console"}

	board.Set(pipeline.KindExporter, console, pipeline.Status{State: pipeline.ComponentOK})
	board.Set(pipeline.KindReceiver, kmsg, pipeline.Status{State: pipeline.ComponentStarting})
	clock.Advance(time.Second)
	board.Set(pipeline.KindReceiver, kmsg, pipeline.Status{State: pipeline.ComponentDegraded, Reason: "gone"})
	clock.Advance(time.Second)
	board.Set(pipeline.KindReceiver, kmsg, pipeline.Status{State: pipeline.ComponentDegraded, Reason: "gone"})

	require.Equal(t, []string{"console ok ", "kmsg starting ", "kmsg degraded gone"}, told, "what repeats is told once")
	all := board.All()
	require.Len(t, all, 2)
	require.Equal(t, "kmsg", all[0].ID, "in the order of the flow")
	require.Equal(t, time.Unix(101, 0), all[0].Since)
}

type oneConfig struct{}

func (*oneConfig) Validate() error { return nil }

type otherConfig struct{ oneConfig }

func TestConfigAs(t *testing.T) {
	given := &oneConfig{}
	own, err := pipeline.ConfigAs[*oneConfig](given, pipeline.KindExporter, "console")
	require.NoError(t, err)
	require.Same(t, given, own)
	_, err = pipeline.ConfigAs[*oneConfig](&otherConfig{}, pipeline.KindExporter, "console")
	require.EqualError(t, err, "configuration of type *pipeline_test.otherConfig is not for exporter console")
}

type mood string

func (mood) Words() []string { return []string{"", "good", "bad"} }

func TestCheckWord(t *testing.T) {
	require.NoError(t, pipeline.CheckWord(mood("")))
	require.NoError(t, pipeline.CheckWord(mood("bad")))
	require.EqualError(t, pipeline.CheckWord(mood("ugly")), `"ugly" is unknown: write one of good, bad`)
}

func TestIDPattern(t *testing.T) {
	pattern := regexp.MustCompile(pipeline.IDPattern("kmsg"))
	for id, want := range map[string]bool{"kmsg": true, "kmsg/2": true, "kmsg/a.b-c_D": true, "kmsgs": false, "a/kmsg": false, "kmsg/": false, "kmsg/a/b": false} {
		require.Equal(t, want, pattern.MatchString(id), id)
	}
}

func TestOneOf(t *testing.T) {
	require.NoError(t, pipeline.OneOf("", "", "a", "b"))
	require.NoError(t, pipeline.OneOf("b", "a", "b"))
	require.EqualError(t, pipeline.OneOf("c", "", "a", "b"), `"c" is unknown: write one of a, b`)
}
