package npd_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/config/npd"
	"github.com/otelnpd/otelnpd/config/packs"
	"github.com/otelnpd/otelnpd/exporters/console"
	"github.com/otelnpd/otelnpd/exporters/googlecloud"
	"github.com/otelnpd/otelnpd/exporters/kubernetes"
	"github.com/otelnpd/otelnpd/exporters/prometheus"
	"github.com/otelnpd/otelnpd/exporters/status"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/processors/conditions"
	"github.com/otelnpd/otelnpd/processors/dedupe"
	"github.com/otelnpd/otelnpd/processors/rules"
	"github.com/otelnpd/otelnpd/receivers/filelog"
	"github.com/otelnpd/otelnpd/receivers/hoststats"
	"github.com/otelnpd/otelnpd/receivers/journald"
	"github.com/otelnpd/otelnpd/receivers/kmsg"
	"github.com/otelnpd/otelnpd/receivers/plugin"
	"github.com/otelnpd/otelnpd/receivers/unavailable"
)

// factories are the real components, to read a configuration by.
func factories() pipeline.Factories {
	return pipeline.Factories{
		Receivers: map[string]pipeline.ReceiverFactory{
			kmsg.Type: kmsg.NewFactory(nil), unavailable.Type: unavailable.NewFactory(),
			filelog.Type: filelog.NewFactory(), journald.Type: journald.NewFactory(),
			plugin.Type: plugin.NewFactory(nil), hoststats.Type: hoststats.NewFactory(),
		},
		Processors: map[string]pipeline.ProcessorFactory{
			"dedupe": dedupe.NewFactory(), rules.Type: rules.NewFactory(packs.FS), "conditions": conditions.NewFactory(nil),
		},
		Exporters: map[string]pipeline.ExporterFactory{
			googlecloud.Type: googlecloud.NewFactory(nil),
			console.Type:     console.NewFactory(nil, false), prometheus.Type: prometheus.NewFactory(nil),
			status.Type: status.NewFactory(status.Sources{}), kubernetes.Type: kubernetes.NewFactory(nil),
		},
	}
}

// requireParses reads what was made of a command line as the agent will.
func requireParses(t require.TestingT, options *npd.Options, form npd.Form) (*config.Config, *npd.Conversion) {
	conversion, err := options.Convert(form)
	require.NoError(t, err)
	var allow []config.Option
	if form == npd.ForRunning {
		allow = append(allow, config.AllowReserved())
	}
	parsed, err := config.Parse(conversion.YAML, "npd.yaml", factories(), allow...)
	require.NoError(t, err, "%s", conversion.YAML)
	return parsed, conversion
}

func parseArguments(t testing.TB, args ...string) *npd.Options {
	t.Helper()
	options, err := npd.Parse(args)
	require.NoError(t, err)
	return options
}
