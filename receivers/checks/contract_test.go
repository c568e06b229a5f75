package checks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/checks"
)

// The contracts of receivers, on this machine.
func TestContract(t *testing.T) {
	config := checks.DefaultConfig()
	config.Interval = time.Second
	config.OOMKills.Enabled = true // it keeps something
	pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
			t.Helper()
			receiver, err := checks.NewFactory().Create(pipelinetest.Settings(t, "checks"), config, next)
			require.NoError(t, err)
			return receiver
		},
		AtLeast: 12, Asks: true,
	})
}

func TestConfigOfAnother(t *testing.T) {
	_, err := checks.NewFactory().Create(pipelinetest.Settings(t, "checks"), nil, nil)
	require.ErrorContains(t, err, "is not for receiver checks")
}
