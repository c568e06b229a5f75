package journald_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// A disk or server that does not answer holds up neither the agent's start nor what
// waits for the backlog; what is in the journal is read once it does.
func TestAFileSystemThatHangs(t *testing.T) {
	n := newNode(t)
	n.write(lines(0, 3)...)
	statuses := &pipelinetest.Statuses{}
	n.settings.Report = statuses.Report
	sink := &pipelinetest.Sink{}
	receiver, answer := n.receiver(sink), make(chan struct{})
	receiver.Hang(func(string) { <-answer })
	require.NoError(t, receiver.Start(t.Context()))
	require.Equal(t, pipeline.ComponentDegraded, statuses.Last().State)
	require.Equal(t, "the file system of /var/log/journal, /run/log/journal does not answer", statuses.Last().Reason)
	require.Len(t, named(sink.Records(), pipeline.EventBacklogEnd), 1)
	require.Nil(t, receiver.Keep(), "nothing was read")
	close(answer)
	sink.WaitFor(t, "the lines", func(records []pipeline.Record) bool { return len(named(records, "")) == 3 })
	require.Eventually(t, func() bool { return statuses.Last().State == pipeline.ComponentOK }, 20*time.Second, time.Millisecond)
	shutdown(t, receiver)
	require.Equal(t, numbered(0, 3), named(sink.Records(), ""))
	require.Len(t, named(sink.Records(), pipeline.EventBacklogEnd), 1)
}

// One that is shut down before there is an answer does not wait for it either.
func TestAFileSystemThatHangsAtTheEnd(t *testing.T) {
	n := newNode(t)
	receiver, answer := n.receiver(&pipelinetest.Sink{}), make(chan struct{})
	receiver.Hang(func(string) { <-answer })
	require.NoError(t, receiver.Start(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, receiver.Shutdown(ctx))
	close(answer)
	shutdown(t, receiver)
}

// One that does not answer any more makes the receiver degraded, until it does: when it
// is asked for what is new, and when that is read.
func TestAFileSystemThatHangsLater(t *testing.T) {
	for _, where := range []string{"look", "read", "settle"} {
		t.Run(where, func(t *testing.T) {
			n := newNode(t)
			n.write(lines(0, 1)...)
			statuses := &pipelinetest.Statuses{}
			n.settings.Report = statuses.Report
			sink := &pipelinetest.Sink{}
			receiver, answer := n.receiver(sink), make(chan struct{})
			var looked atomic.Bool
			receiver.Hang(func(what string) {
				if what == "look" {
					looked.Store(true)
				}
				if what == where && looked.Load() {
					<-answer
				}
			})
			require.NoError(t, receiver.Start(t.Context()))
			sink.WaitFor(t, "the end of the backlog", hasBacklogEnd)
			n.write(lines(1, 1)...)
			require.Eventually(t, func() bool { return statuses.Last().State == pipeline.ComponentDegraded }, 20*time.Second, time.Millisecond)
			require.Contains(t, statuses.Last().Reason, "does not answer")
			close(answer)
			sink.WaitFor(t, "the line", func(records []pipeline.Record) bool { return len(named(records, "")) == 2 })
			require.Eventually(t, func() bool { return statuses.Last().State == pipeline.ComponentOK }, 20*time.Second, time.Millisecond)
			shutdown(t, receiver)
		})
	}
}
