package npd_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/config/npd"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// FuzzConvert proves that no file panics, that what is wrong is told as faults of
// that file, that what node-problem-detector takes is taken, and that what is made
// is a configuration.
func FuzzConvert(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	for kind := range npd.Kinds {
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(f, err)
			f.Add(uint8(kind), data)
		}
	}
	f.Add(uint8(0), []byte(`{"plugin":"kmsg","rules":[null,{"type":"x","condition":"Ready","pattern":"\\Qa"}],"conditions":[{"type":"Ready"},{"type":"\u0000é"}]}`))
	f.Add(uint8(0), []byte(`{"plugin":"kmsg","source":"\ufeff\u2028${env:A}","logPath":"/x\u0085","rules":[{"type":"temporary","reason":"\ud800","pattern":"\n# "}]}`))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		number := int(kind) % npd.Kinds
		conversion, err := npd.ConvertBytes(number, data, npd.ForRunning)
		if err != nil {
			var errs strictyaml.Errors
			require.ErrorAs(t, err, &errs)
			require.NotEmpty(t, errs)
			if number == 0 {
				require.False(t, accepted(data), "node-problem-detector takes it: %s", err)
			}
			return
		}
		requireConfiguration(t, conversion.YAML, config.AllowReserved())
		again, err := npd.ConvertBytes(number, data, npd.ForRunning)
		require.NoError(t, err)
		require.Equal(t, conversion, again)
		printed, err := npd.ConvertBytes(number, data, npd.ForPrinting)
		require.NoError(t, err)
		requireConfiguration(t, printed.YAML)
	})
}

func requireConfiguration(t *testing.T, text []byte, options ...config.Option) {
	t.Helper()
	_, err := config.Parse(text, "a.yaml", factories(), options...)
	require.NoError(t, err, "%s", text)
}

// accepted tells whether node-problem-detector starts with a log monitor.
func accepted(data []byte) bool {
	var file struct {
		Plugin       string
		PluginConfig map[string]string
		LogPath      string
		Lookback     string
		Delay        string
		SkipList     []string
		BufferSize   int
		Source       string
		Metrics      *bool `json:"metricsReporting"`
		Conditions   []struct {
			Type, Status, Reason, Message string
			Transition                    time.Time
		}
		Rules []struct {
			Type, Condition, Reason, Pattern string
			Suffix                           string `json:"patternGeneratedMessageSuffix"`
		}
	}
	if json.Unmarshal(data, &file) != nil || file.BufferSize < 0 || strings.Count(string(data), "[")+strings.Count(string(data), "{") > npd.MaxDepth {
		return false
	}
	var errs []error
	for _, text := range []string{file.Lookback, file.Delay} {
		if text != "" {
			_, err := time.ParseDuration(text)
			errs = append(errs, err)
		}
	}
	for _, rule := range file.Rules {
		_, err := regexp.Compile(rule.Pattern)
		errs = append(errs, err)
	}
	switch file.Plugin {
	case "filelog":
		_, timestamp := regexp.Compile(file.PluginConfig["timestamp"])
		_, message := regexp.Compile(file.PluginConfig["message"])
		errs = append(errs, timestamp, message)
	case "kmsg", "journald":
	default:
		return false
	}
	return errors.Join(errs...) == nil
}
