package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// The operator socket is open before what was kept is taken on. Orders that come so
// early wait: they would be forgotten, or, as a reload, lose what was kept.
func TestOrdersWaitForTheStart(t *testing.T) {
	loaded, err := config.Parse([]byte("receivers: {kmsg: {path: '"+filepath.Join(t.TempDir(), "none")+"'}}\n"+
		"processors: {rules: {packs: [kernel]}}\nexporters: {console: {}}\n"+
		"service: {pipelines: {logs: {receivers: [kmsg], exporters: [console]}}}\n"), "early", configFactories())
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		a, err := newAgent(agentOptions{
			config: loaded, logger: slog.New(slog.DiscardHandler), clock: pipeline.SystemClock{}, node: "node-1",
			console: consoleTarget{writer: &pipelinetest.Output{}},
		})
		require.NoError(t, err)
		orders := map[string]func(context.Context) error{
			"reload": func(ctx context.Context) error { _, err := a.reload(ctx, "a test"); return err },
			"clear":  func(ctx context.Context) error { _, err := a.clear(ctx, "KernelDeadlock", "1"); return err },
			"silence": func(ctx context.Context) error {
				_, err := a.silence(ctx, "kernel/docker-hung", time.Hour, "2")
				return err
			},
			"unsilence": func(ctx context.Context) error { _, err := a.unsilence(ctx, "kernel/docker-hung", "3"); return err },
		}
		for name, order := range orders {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			require.ErrorContains(t, order(ctx), "has not started yet", name)
			cancel()
		}
		ended := make(chan error, 1)
		go func() { ended <- orders["clear"](t.Context()) }()
		synctest.Wait()
		close(a.ending)
		require.ErrorContains(t, <-ended, "had not started", "a start that fails ends at once")

		close(a.started)
		_, err = a.silence(t.Context(), "no/such-rule", time.Hour, "4")
		require.ErrorContains(t, err, "silence rule", "once it has started they reach the store")
	})
}
