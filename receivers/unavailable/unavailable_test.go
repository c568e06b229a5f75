package unavailable_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/unavailable"
)

func TestSaysWhatIsMissing(t *testing.T) {
	var told []pipeline.Status
	settings := pipelinetest.Settings(t, "unavailable/docker-monitor")
	settings.Report = func(s pipeline.Status) { told = append(told, s) }
	sink := &pipelinetest.Sink{}
	receiver, err := unavailable.NewFactory().Create(settings, &unavailable.Config{Reason: "no journal", Remedy: "take another"}, sink)
	require.NoError(t, err)
	require.Empty(t, told, "nothing is told before the start")

	require.NoError(t, receiver.Start(t.Context()))
	require.Equal(t, []pipeline.Status{{State: pipeline.ComponentDegraded, Reason: "no journal", Remedy: "take another"}}, told)
	require.NoError(t, receiver.Shutdown(t.Context()))
	require.NoError(t, receiver.Shutdown(t.Context()))
	require.Empty(t, sink.Records())
}

func TestConfig(t *testing.T) {
	require.NoError(t, unavailable.NewFactory().DefaultConfig().Validate())
	require.EqualError(t, (&unavailable.Config{}).Validate(), "reason: is missing: write what cannot be read, and why")
	_, err := unavailable.NewFactory().Create(pipelinetest.Settings(t, "unavailable"), nil, nil)
	require.ErrorContains(t, err, "is not for receiver unavailable")
}
