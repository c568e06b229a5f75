package main

import (
	"io/fs"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// Without the right to read the kernel's log no log of this boot is watched, though
// there may be nothing to read of earlier ones, and measuring may need no right.
func TestReceiversWithoutLines(t *testing.T) {
	loaded, err := config.Parse(config.Default(), "default.yaml", configFactories())
	require.NoError(t, err)
	a, err := newAgent(agentOptions{
		config: loaded, logger: slog.New(slog.DiscardHandler), clock: pipeline.SystemClock{}, node: "node-1", interactive: true,
		console: consoleTarget{writer: &pipelinetest.Output{}},
	})
	require.NoError(t, err)
	id := func(kind string) pipeline.ID { return pipeline.ID{Type: kind} }
	denied := pipeline.Status{State: pipeline.ComponentDegraded, Reason: "it may not be read", Remedy: "be root", Err: fs.ErrPermission}
	a.board.Set(pipeline.KindReceiver, id("kmsg"), denied)
	a.board.Set(pipeline.KindReceiver, id("pstore"), pipeline.Status{State: pipeline.ComponentOK})
	a.board.Set(pipeline.KindReceiver, id("checks"), pipeline.Status{State: pipeline.ComponentOK})
	require.ErrorContains(t, a.checkRights(), "receiver kmsg: it may not be read; be root")

	a.board.Set(pipeline.KindReceiver, id("kmsg"), pipeline.Status{State: pipeline.ComponentOK})
	a.board.Set(pipeline.KindReceiver, id("pstore"), denied)
	require.NoError(t, a.checkRights())

	kept := func() string {
		text, err := a.store.Keep(nil)()
		require.NoError(t, err)
		return string(text)
	}
	require.NoError(t, a.store.Configure(&loaded.Conditions))
	a.store.ExpectBacklogs([]string{"kmsg", "pstore"})
	before := kept()
	a.sourceDegraded("pstore", true)
	a.sourceDegraded("checks", true)
	require.Equal(t, before, kept(), "no cause waits for them")
	a.sourceDegraded("kmsg", true)
	require.NotEqual(t, before, kept())
}
