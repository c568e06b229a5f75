package filelog_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/filelog"
)

// A file server that does not answer holds up neither the agent's start nor what waits
// for the backlog.
func TestAFileSystemThatHangs(t *testing.T) {
	r := newRig(t)
	r.config.StartAt = filelog.StartAtBeginning
	r.write("var/log/app.log", "one\n")
	r.sink = &pipelinetest.Sink{}
	receiver := newReceiver(t, r.settings, r.config, r.sink)
	answer := make(chan struct{})
	receiver.Hang(func() { <-answer })
	require.NoError(t, receiver.Start(t.Context()))
	require.Equal(t, "the file system of /var/log/app.log does not answer", r.statuses.Last().Reason)
	require.Len(t, named(r.sink.Records(), pipeline.EventBacklogEnd), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second := newReceiver(t, r.settings, r.config, &pipelinetest.Sink{})
	second.Hang(func() { <-answer })
	require.NoError(t, second.Start(t.Context()))
	require.Error(t, second.Shutdown(ctx), "it does not wait either")
	close(answer)
	require.Equal(t, []string{"one"}, bodies(r.waitLines(1)))
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentOK })
	shutdown(t, receiver)
	shutdown(t, second)
	require.Len(t, named(r.sink.Records(), pipeline.EventBacklogEnd), 1)
}

// One that does not answer any more makes the receiver degraded, until it does: a file
// that nobody can read is not one without problems.
func TestAFileSystemThatHangsLater(t *testing.T) {
	r := newRig(t)
	r.write("var/log/app.log", "one\n")
	var hangs sync.RWMutex
	receiver := newReceiver(t, r.settings, r.config, &pipelinetest.Sink{})
	receiver.Hurry()
	receiver.Hang(func() {
		hangs.RLock()
		defer hangs.RUnlock()
	})
	require.NoError(t, receiver.Start(t.Context()))
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentOK })
	hangs.Lock()
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentDegraded })
	require.Equal(t, "the file system of /var/log/app.log does not answer", r.statuses.Last().Reason)
	hangs.Unlock()
	r.passTimeUntil(func() bool { return r.statuses.Last().State == pipeline.ComponentOK })
	shutdown(t, receiver)
}
