package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
)

func TestEmptyFileHasNoPipeline(t *testing.T) {
	_, err := config.Parse(nil, "empty.yaml", pipeline.Factories{})
	require.EqualError(t, err, "empty.yaml:1:1: service.pipelines: there is no pipeline: "+
		"write one, for example logs: {receivers: [kmsg], exporters: [console]}")
}
