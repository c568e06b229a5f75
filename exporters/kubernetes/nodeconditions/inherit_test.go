package nodeconditions_test

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/nodeconditions"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// handOver replaces the patcher by one of another configuration, as a reload does.
func (l *lab) handOver(change func(*nodeconditions.Config)) {
	l.t.Helper()
	l.cancel()
	<-l.ended
	old := l.patcher
	change(&l.config)
	var err error
	l.patcher, err = nodeconditions.New(l.config, l.options)
	require.NoError(l.t, err)
	l.patcher.Inherit(old)
	l.publish()
	l.ended = make(chan struct{})
	l.run()
}

func TestHandOverPatchesWhatIsPending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		reader := sdkmetric.NewManualReader()
		l := newLab(t, c, func(l *lab) {
			l.options.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
		})
		l.settle()
		pass(time.Minute)
		last := gauges(t, reader)["otelnpd.kubernetes.last_patch.time"]
		c.answer(hang)
		l.match("hung") // its patch is under way
		c.answer(nil)
		c.forget()
		l.handOver(func(config *nodeconditions.Config) { config.HeartbeatPeriod = time.Minute })
		require.Equal(t, []string{hung}, c.all()[1:], "at once, without reading or seeding")
		require.Equal(t, "PATCH node-1 Deadlock=True Slow=False !", c.all()[0], "the one that was cut off")
		require.Equal(t, []string{"uid-1", "uid-1"}, l.uids(), "the new one's Events wait for it")
		require.Equal(t, "ok", l.statuses())
		pass(66 * time.Second)
		require.Len(t, c.all(), 3, "the new heartbeat")
		require.Greater(t, gauges(t, reader)["otelnpd.kubernetes.last_patch.time"], last)
		require.InDelta(t, 1, gauges(t, reader)["otelnpd.kubernetes.seeded"], 0)
	})
}

// What is shown is the predecessor's until it ends, and holds on in the successor.
func TestGaugesOverAHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		reader := sdkmetric.NewManualReader()
		l := newLab(t, c, func(l *lab) {
			l.options.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")
		})
		l.settle()
		before := gauges(t, reader)
		require.InDelta(t, 1, before["otelnpd.kubernetes.seeded"], 0)
		_, err := nodeconditions.New(l.config, l.options) // a reload that fails
		require.NoError(t, err)
		require.Equal(t, before, gauges(t, reader), "one that is made and not started shows nothing")
		c.answer(hang)
		l.handOver(func(*nodeconditions.Config) {})
		require.Equal(t, before, gauges(t, reader))
	})
}

func TestHandOverKeepsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		for range 5 {
			l.handOver(func(*nodeconditions.Config) {})
		}
		pass(3 * time.Second)
		require.Equal(t, []time.Duration{0, 0, time.Second}, c.at())

		c.answer(fail("PATCH", apiError(apiserver.Unauthorized, 401)))
		pass(20 * time.Minute)
		c.answer(nil)
		c.forget()
		began := time.Since(c.start)
		l.handOver(func(*nodeconditions.Config) {}) // what mends the credentials
		pass(time.Second)
		require.Len(t, c.at(), 1)
		require.LessOrEqual(t, c.at()[0]-began, time.Second, "it does not wait as long as the old one would have")
	})
}

func TestHandOverBeforeTheNodeIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		c.answer(hang)
		l.settle()
		c.answer(nil)
		l.handOver(func(*nodeconditions.Config) {})
		require.Equal(t, []string{get + " !", get, healthy}, c.all(), "the new one takes the Node over")
	})
}

func TestHandOverWhileTheBacklogIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.begin()
		l.handOver(func(*nodeconditions.Config) {})
		pass(time.Minute)
		require.Equal(t, []string{get}, c.all())
		l.endBacklog()
		require.Equal(t, []string{get, healthy}, c.all())
		require.FileExists(t, filepath.Join(l.options.Run, "otelnpd/reported-boot"))
	})
}

func TestHandOverOfALostNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		l.settle()
		pass(time.Minute)
		c.create("")
		l.match("hung")
		l.handOver(func(*nodeconditions.Config) {})
		c.create("uid-2")
		pass(15 * time.Second)
		require.Equal(t, []string{"uid-1", "uid-1", "uid-2"}, l.uids())
		require.Contains(t, c.shown("Deadlock"), "True TaskHung")
	})
}

// Conditions that were not written before are, and the other way round.
func TestHandOverOfTheRightToWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c, func(l *lab) { l.config.Write = false })
		l.settle()
		pass(time.Minute)
		l.handOver(func(config *nodeconditions.Config) { config.Write = true })
		require.Equal(t, []string{get, get, healthy}, c.all())
		l.handOver(func(config *nodeconditions.Config) { config.Write = false })
		pass(time.Second)
		require.Equal(t, []string{get, get, healthy, get}, c.all())
		l.match("hung")
		pass(time.Minute)
		require.Len(t, c.all(), 4)
	})
}

func TestTypesNoLongerDeclaredMayStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c, func(l *lab) { l.config.LeaveDropped = true })
		l.settle()
		l.match("slow")
		pass(2 * time.Second)
		fewer := storeConfig()
		fewer.Types, fewer.Rules = fewer.Types[:2], fewer.Rules[:2]
		require.NoError(t, l.Configure(fewer))
		require.Equal(t, []string{"Slow"}, l.Deletions())
		l.patcher.Changed()
		pass(time.Second)
		require.Empty(t, l.Deletions(), "it is forgotten")
		require.Contains(t, l.logs.String(), `msg="a condition that is no longer declared stays on the Node" condition=Slow`)
		l.match("hung")
		pass(time.Second)
		require.Equal(t, "PATCH node-1 Deadlock=True", c.all()[len(c.all())-1])
		require.Contains(t, c.shown("Slow"), "True SlowIO")

		require.NoError(t, l.Configure(&condition.Config{Hash: "none"}))
		l.stop()
		require.NoError(t, l.patcher.Flush(t.Context()))
		require.Empty(t, l.Deletions(), "at the end too")
		require.Contains(t, c.shown("Deadlock"), "True TaskHung")
	})
}

// A reload drops a type while the first patch that brings it is under way.
func TestTypeDroppedInTheMiddleOfItsFirstPatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster()
		l := newLab(t, c)
		answered := make(chan struct{})
		c.answer(func(_ context.Context, request string) error {
			if request == healthy {
				<-answered
			}
			return nil
		})
		l.settle()
		fewer := storeConfig()
		fewer.Types, fewer.Rules = fewer.Types[:2], fewer.Rules[:2]
		require.NoError(t, l.Configure(fewer))
		require.Equal(t, []string{"Slow"}, l.Deletions(), "the Node may have it by now")
		close(answered)
		synctest.Wait()
		require.NotEmpty(t, c.shown("Slow"))
		require.Equal(t, []string{"Slow"}, l.Deletions())
		pass(time.Second)
		require.Equal(t, "PATCH node-1 Deadlock=False -Slow", c.all()[len(c.all())-1], "it needs no word, and waits for no heartbeat")
		require.Empty(t, c.shown("Slow"))
		require.Empty(t, l.Deletions())
	})
}
