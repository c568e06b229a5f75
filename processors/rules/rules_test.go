package rules_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/packs"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/processors/rules"
)

// newProcessor makes a rules processor that sends to next.
func newProcessor(t testing.TB, config *rules.Config, next pipeline.Consumer) pipeline.Processor {
	t.Helper()
	require.NoError(t, config.Validate())
	processor, err := rules.NewFactory(packs.FS).Create(pipelinetest.Settings(t, "rules"), config, next)
	require.NoError(t, err)
	return processor
}

// problems returns what the rules make of records.
func problems(t testing.TB, config *rules.Config, batches ...[]pipeline.Record) []pipeline.Record {
	t.Helper()
	sink := &pipelinetest.Sink{}
	processor := newProcessor(t, config, sink)
	for _, batch := range batches {
		require.NoError(t, processor.Consume(context.Background(), batch))
	}
	return sink.Records()
}

func settings(t testing.TB) pipeline.Settings {
	t.Helper()
	return pipelinetest.Settings(t, "rules")
}

func kernelConfig() *rules.Config {
	config := rules.DefaultConfig(packs.FS)
	config.Packs = []string{"kernel"}
	return config
}

func TestContracts(t *testing.T) {
	pipelinetest.CheckProcessor(t, pipelinetest.ProcessorUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Processor {
			t.Helper()
			return newProcessor(t, kernelConfig(), next)
		},
		Batches: [][]pipeline.Record{
			pipelinetest.Lines("kmsg", 1, "an ordinary line", "INFO: task docker:20744 blocked for more than 120 seconds."),
			{pipelinetest.ProblemRecord("check", 3, pipeline.Problem{Rule: "check", Message: "bad", State: pipeline.StateProblem})},
		},
	})
}
