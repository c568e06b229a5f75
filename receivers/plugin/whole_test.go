package plugin_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/receivers/plugin"
)

// A check that told of instances and tells of the whole from now on ends, with its first
// ok, what it held of them: nothing else could.
func TestTextEndsInstancesOfEarlierJSON(t *testing.T) {
	l := newLab(t)
	store := condition.NewStore(condition.Options{
		Clock: l.settings.Clock, Boot: l.settings.Boot, Node: l.settings.Node, Logger: slog.New(slog.DiscardHandler),
	})
	configure := func() {
		declared := l.config.Declare()
		require.NoError(t, store.Configure(&condition.Config{
			Hash:  string(l.config.Checks[0].Output),
			Types: []condition.Type{{Name: "Disk", HealthyReason: "Fine"}}, Rules: []condition.Rule{declared.Rules[0].Rule},
		}))
	}
	stands := func(want pipeline.ConditionStatus) {
		t.Helper()
		require.Eventually(t, func() bool { return store.Views()[0].Status == want }, 20*time.Second, time.Millisecond, "wait for %s", want)
	}
	l.printing(`{"status":"problem","instance":"sda","message":"worn"}`, 1)
	l.config.Checks[0].Condition = "Disk"
	configure()
	end := l.startOn(store)
	stands(pipeline.ConditionTrue)
	end()

	l.script("check", "echo all is well")
	l.config.Checks[0].Output = "text"
	configure()
	stands(pipeline.ConditionTrue)
	end = l.startOn(store)
	stands(pipeline.ConditionFalse)
	end()
}

// startOn lets the checks run and a store judge them, until end.
func (l *lab) startOn(store *condition.Store) (end func()) {
	l.t.Helper()
	next := pipeline.ConsumerFunc(func(ctx context.Context, batch []pipeline.Record) error {
		for i := range batch {
			if _, err := store.Apply(ctx, &batch[i]); err != nil {
				return err
			}
		}
		return nil
	})
	receiver, err := plugin.NewFactory(l.launcher).Create(l.settings, l.config, next)
	require.NoError(l.t, err)
	require.NoError(l.t, receiver.Start(l.t.Context()))
	return func() { require.NoError(l.t, receiver.Shutdown(context.Background())) }
}
