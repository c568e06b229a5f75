package nodeconditions_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

const (
	get     = "GET node-1"
	healthy = "PATCH node-1 Deadlock=False Slow=False"
	hung    = "PATCH node-1 Deadlock=True Slow=False"
)

func TestNothingIsToldBeforeTheBacklogIsThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.begin()
		require.Equal(t, []string{get}, c.all())
		require.Equal(t, []string{"uid-1"}, l.uids(), "Events need not wait for the backlog")
		l.match("kubelet")
		l.match("hung")
		pass(time.Hour)
		require.Equal(t, []string{get}, c.all(), "nothing was asked or told meanwhile")
		require.Empty(t, l.statuses())
		l.endBacklog()
		require.Equal(t, []string{get, hung}, c.all(), "all at once, but what is Kubernetes' own")
		require.Equal(t, "ok", l.statuses())

		patch := c.patched()[0]
		require.Equal(t, "uid-1", patch.UID)
		require.Equal(t, time.Hour, patch.Heartbeat.Sub(c.start))
		require.Equal(t, `True TaskHung "message of hung" since 0s`, c.shown("Deadlock"))
		require.Equal(t, `False Fast "fast" since 0s`, c.shown("Slow"))
		pass(5 * time.Second)
		require.Len(t, c.all(), 2)
	})
}

func TestNodeIsTriedUntilItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.create("")
		l := newLab(t, c)
		l.settle()
		require.Equal(t, "not_found (404)", l.statuses())
		pass(5*time.Minute - time.Second)
		require.Empty(t, l.logs.String())
		pass(10 * time.Second)
		require.Contains(t, l.logs.String(), "the Node could not be read yet")
		require.Contains(t, l.logs.String(), `error="not_found (404)"`)
		pass(time.Hour)
		require.Equal(t, 1, strings.Count(l.logs.String(), "\n"), "one warning")
		times := c.at()
		require.InDelta(t, (time.Hour+5*time.Minute)/(5*time.Second), len(times), 20)
		for i := range times[1:] {
			require.InDelta(t, 5*time.Second, times[i+1]-times[i], float64(500*time.Millisecond), "at most a tenth of jitter")
		}
		require.Empty(t, l.uids())
		c.create("uid-9")
		c.forget()
		pass(6 * time.Second)
		require.Equal(t, []string{get, healthy}, c.all())
		require.Equal(t, []string{"uid-9"}, l.uids())
		require.Equal(t, "not_found (404), ok", l.statuses())
	})
}

func TestWhileTheNodeIsWaitedFor(t *testing.T) {
	refused := apiError(apiserver.Throttled, 429)
	refused.RetryAfter = time.Minute
	for name, tt := range map[string]struct {
		err      error
		requests int // in ten minutes
		status   string
	}{
		"no credentials":    {apiError(apiserver.NoCredentials, 0), 120, "no_credentials"},
		"the server's wish": {refused, 10, "throttled (429)"},
		"any other error":   {errors.New("strange"), 120, "strange"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				c.answer(fail("", tt.err))
				l := newLab(t, c)
				l.settle()
				pass(10 * time.Minute)
				require.InDelta(t, tt.requests, len(c.all()), 7)
				require.Equal(t, tt.status, l.statuses())
			})
		})
	}
}

func TestStopsWhileItWaits(t *testing.T) {
	for name, change := range map[string]func(*cluster){
		"for the Node":    func(c *cluster) { c.create("") },
		"for credentials": func(c *cluster) { c.answer(fail("GET", apiError(apiserver.NoCredentials, 0))) },
		"for the backlog": func(*cluster) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				change(c)
				l := newLab(t, c)
				l.begin()
				before := l.statuses()
				l.stop()
				require.Equal(t, before, l.statuses(), "that it ends is no error")
				require.NoError(t, l.patcher.Flush(t.Context()))
				require.Len(t, c.all(), 1)
			})
		})
	}
}

func TestFirstReadingThatIsCutOffIsMadeOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		c.answer(hang)
		l := newLab(t, c)
		l.settle()
		l.stop()
		require.Empty(t, l.statuses(), "that it ends is no error")
		c.answer(nil)
		require.NoError(t, l.patcher.Flush(t.Context()))
		require.Equal(t, []string{get + " !", get}, c.all())
		require.Equal(t, []string{"uid-1"}, l.uids(), "Events are waiting for it")
		require.NoError(t, l.patcher.Flush(t.Context()))
		require.Len(t, c.all(), 2, "the conditions were never taken over")
	})
}

// life is an agent that reported a hung task and ended.
func life(t *testing.T, c *cluster, run string) {
	t.Helper()
	l := newLab(t, c, func(l *lab) { l.options.Run = run })
	l.settle()
	pass(10 * time.Second)
	l.match("hung")
	pass(time.Minute)
	l.stop()
	require.Equal(t, `True TaskHung "message of hung" since 10s`, c.shown("Deadlock"))
	c.forget()
}

func TestRestartWithoutState(t *testing.T) {
	const (
		kept  = `True TaskHung "message of hung" since 10s`
		ended = `False NoDeadlock "none" since %s`
		other = "5d2b3c1e-0000-4000-8000-00000000b008"
	)
	reboot := func(l *lab) { l.boot = pipeline.Boot{ID: other, Start: l.start.Add(65 * time.Second)} }
	for name, tt := range map[string]struct {
		change func(c *cluster, l *lab, marker string)
		want   string
	}{
		"in the same boot":                                     {func(*cluster, *lab, string) {}, kept},
		"the marker of this boot decides":                      {func(c *cluster, _ *lab, _ string) { c.reboot(other) }, kept},
		"without a marker the Node's boot id and heartbeat do": {func(_ *cluster, _ *lab, marker string) { remove(t, marker) }, kept},
		"without a marker another boot id":                     {func(c *cluster, _ *lab, marker string) { remove(t, marker); c.reboot(other) }, fmt.Sprintf(ended, "10s")},
		"in another boot":                                      {func(c *cluster, l *lab, marker string) { remove(t, marker); c.reboot(other); reboot(l) }, fmt.Sprintf(ended, "1m5s")},
		"in another boot whose kubelet has not spoken":         {func(_ *cluster, l *lab, _ string) { reboot(l) }, fmt.Sprintf(ended, "1m5s")},
		"a marker of another Node of this name": {func(c *cluster, _ *lab, _ string) {
			c.create("uid-2", c.standing()...)
			c.reboot(other)
		}, fmt.Sprintf(ended, "10s")},
		"a damaged marker": {func(c *cluster, _ *lab, marker string) {
			c.reboot(other)
			require.NoError(t, os.WriteFile(marker, []byte(`{"boot_id":`), 0o600))
		}, fmt.Sprintf(ended, "10s")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster()
				run := t.TempDir()
				life(t, c, run)
				l := newLab(t, c, func(l *lab) {
					l.options.Run = run
					tt.change(c, l, filepath.Join(run, "otelnpd/reported-boot"))
				})
				l.settle()
				require.Equal(t, get, c.all()[0])
				require.Len(t, c.all(), 2)
				require.Equal(t, tt.want, c.shown("Deadlock"))
				require.Equal(t, tt.want == kept, l.Conditions()[0].State == pipeline.StateProblem)
			})
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.Remove(path))
}

func TestMarkerFollowsWhatTheNodeAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		marker := filepath.Join(l.options.Run, "otelnpd/reported-boot")
		c.answer(fail("PATCH", apiError(apiserver.Forbidden, 403)))
		l.settle()
		require.NoFileExists(t, marker, "nothing was accepted in this boot")
		c.answer(nil)
		pass(2 * time.Second)
		written, err := os.Stat(marker)
		require.NoError(t, err)
		pass(time.Hour)
		again, err := os.Stat(marker)
		require.NoError(t, err)
		require.Equal(t, written.ModTime(), again.ModTime(), "it is not written at each heartbeat")
		c.create("uid-2")
		pass(6 * time.Minute)
		text, err := os.ReadFile(marker)
		require.NoError(t, err)
		require.JSONEq(t, `{"boot_id":"`+pipelinetest.BootID+`","node":"node-1","node_uid":"uid-2"}`, string(text))
	})
}

func TestMarkerThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		require.NoError(t, os.WriteFile(filepath.Join(l.options.Run, "otelnpd"), nil, 0o600))
		l.settle()
		pass(time.Hour)
		require.Greater(t, len(c.all()), 10)
		require.Equal(t, 1, strings.Count(l.logs.String(), "level=WARN"), l.logs.String())
		require.Contains(t, l.logs.String(), "let the agent write to service.host.run")
		require.Equal(t, "ok", l.statuses())
		remove(t, filepath.Join(l.options.Run, "otelnpd"))
		pass(6 * time.Minute)
		require.FileExists(t, filepath.Join(l.options.Run, "otelnpd/reported-boot"), "it is tried on")
	})
}

func TestStoreThatWaitsForNoSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		require.NoError(t, l.Seed(t.Context(), condition.Seed{}), "a graph before this one")
		l.settle()
		require.Equal(t, []string{get, healthy}, c.all())
		require.Empty(t, l.logs.String())
	})
}

func TestNodeIsOnlyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c, func(l *lab) { l.config.Write = false })
		l.settle()
		require.Equal(t, "ok", l.statuses())
		l.match("hung")
		pass(time.Hour)
		for _, request := range c.all() {
			require.Equal(t, get, request)
		}
		require.InDelta(t, 1+12, len(c.all()), 1, "one a heartbeat")
		require.NoFileExists(t, filepath.Join(l.options.Run, "otelnpd/reported-boot"))

		c.answer(fail("GET", apiError(apiserver.Unreachable, 0)))
		pass(6 * time.Minute)
		c.answer(nil)
		c.create("uid-2")
		pass(11 * time.Second)
		require.Equal(t, []string{"uid-1", "uid-2"}, l.uids())
		require.Equal(t, "ok, unreachable, ok", l.statuses())
		l.stop()
		require.NoError(t, l.patcher.Flush(t.Context()))
	})
}

func TestWithoutConditionsTheNodeIsOnlyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		only := storeConfig()
		only.Types, only.Rules = only.Types[1:2], only.Rules[1:2] // one of Kubernetes itself
		require.NoError(t, l.Configure(only))
		l.settle()
		require.Equal(t, "ok", l.statuses())
		c.create("uid-2")
		pass(11 * time.Minute)
		require.InDelta(t, 4, len(c.all()), 1)
		require.NotContains(t, strings.Join(c.all(), " "), "PATCH")
		require.Equal(t, []string{"uid-1", "uid-2"}, l.uids())
		require.NoError(t, l.Configure(storeConfig()))
		pass(10 * time.Second)
		require.Equal(t, healthy, c.all()[len(c.all())-1], "a reload brings some")
	})
}
