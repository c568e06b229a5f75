package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/state"
)

const frozenStates = "../../pipeline/state/testdata"

// frozenState is what an agent had left when it was killed.
type frozenState struct {
	data     []byte
	document state.Document
	pack     string // of its rules
}

// readFrozenStates returns all frozen states, by name: those of each schema, with a
// Node that was known and one that was waited for.
func readFrozenStates(t *testing.T) map[string]frozenState {
	t.Helper()
	states := map[string]frozenState{}
	for schema := range state.Schema {
		prefix := filepath.Join(frozenStates, fmt.Sprintf("agent-schema-%d", schema+1))
		pack, err := filepath.Abs(prefix + ".yaml")
		require.NoError(t, err)
		for _, path := range []string{prefix + ".json", prefix + "-waiting.json"} {
			data, err := os.ReadFile(path)
			require.NoError(t, err, "no state is frozen of the schema: make integration RUN=TestFreezeState with OTELNPD_FREEZE=1 writes it")
			document, err := state.Decode(data)
			require.NoError(t, err, path)
			states[filepath.Base(path)] = frozenState{data, document, pack}
		}
	}
	return states
}

// Whatever a component had kept, under each schema that there was, it takes on, and
// would keep the same.
func TestComponentsReadEveryFrozenState(t *testing.T) {
	for name, frozen := range readFrozenStates(t) {
		t.Run(name, func(t *testing.T) {
			a := resumeFrozen(t, frozen)
			again := map[string][]byte{}
			for section, encode := range a.running().Keep() {
				text, err := encode()
				require.NoError(t, err)
				again[section] = text
			}
			for section, text := range frozen.document.Sections {
				if section != conditionsSection {
					require.Equal(t, readRounded(t, text), readRounded(t, again[section]), section)
				}
			}
			summary, err := condition.Summarize(frozen.document.Sections[conditionsSection])
			require.NoError(t, err)
			require.Len(t, summary.Owned, 4)
			require.NotEmpty(t, summary.Silences)
			shown := map[string]pipeline.Condition{}
			for _, one := range a.store.Conditions() {
				shown[one.Type] = one
			}
			for _, kept := range summary.Conditions {
				require.Equal(t, kept, shown[kept.Type])
			}
		})
	}
}

// resumeFrozen makes an agent of the boot and the moment of a state, which goes on
// from it.
func resumeFrozen(t *testing.T, frozen frozenState) *agent {
	t.Helper()
	loaded, err := config.Parse([]byte(fmt.Sprintf(`receivers: {kmsg: {}}
processors: {rules: {packs: ['%s']}}
exporters:
  console: {output: json}
  kubernetes:
    apiserver: {credentials: kubeconfig, kubeconfig: /none}
    events: {per_reason: {burst: 3, per_minute: 1}, total: {burst: 20, per_minute: 6}}
service: {pipelines: {logs: {receivers: [kmsg], exporters: [console, kubernetes]}}}
`, frozen.pack)), "frozen.yaml", configFactories())
	require.NoError(t, err)
	document := frozen.document
	a, err := newAgent(agentOptions{
		config: loaded, logger: slog.New(slog.DiscardHandler), node: document.Node, boot: pipeline.Boot{ID: document.BootID},
		clock:   pipelinetest.NewClock(pipeline.Instant{Wall: document.Written, Boot: eventsAt(t, &document), Raw: eventsAt(t, &document)}),
		console: consoleTarget{writer: &pipelinetest.Output{}},
	})
	require.NoError(t, err)
	require.NoError(t, a.store.Resume(document.Sections[conditionsSection]))
	require.NoError(t, a.running().Resume(document.Sections))
	require.NoError(t, a.store.Configure(&loaded.Conditions))
	return a
}

// eventsAt is the boot clock when a state was captured, as the exporter kubernetes
// had it.
func eventsAt(t *testing.T, document *state.Document) time.Duration {
	t.Helper()
	var kept struct {
		Events struct{ At time.Duration }
	}
	require.NoError(t, json.Unmarshal(document.Sections["exporter kubernetes"], &kept))
	require.Positive(t, kept.Events.At)
	return kept.Events.At
}

// readRounded reads JSON, with numbers as exact as the clock of budgets is.
func readRounded(t *testing.T, text []byte) (value any) {
	t.Helper()
	text = regexp.MustCompile(`\d+\.\d+`).ReplaceAllFunc(text, func(number []byte) []byte {
		exact, err := strconv.ParseFloat(string(number), 64)
		require.NoError(t, err)
		return strconv.AppendFloat(nil, exact, 'f', 6, 64)
	})
	require.NoError(t, json.Unmarshal(text, &value))
	return value
}

// A state of each schema is gone on from, in whatever boot: what is latched holds,
// with its time, silences go on, and what the console had not taken is told.
func TestEveryFrozenStateIsGoneOnFrom(t *testing.T) {
	for name, frozen := range readFrozenStates(t) {
		t.Run(name, func(t *testing.T) {
			a := startAgent(t, func(config string) string {
				config = strings.Replace(config, "packs: [kernel]", "packs: ['"+frozen.pack+"']", 1)
				return strings.Replace(config, "service:\n", "service:\n  node: "+frozen.document.Node+"\n", 1)
			})
			a.end(t)
			require.NoError(t, os.WriteFile(filepath.Join(a.state, "state.json"), frozen.data, 0o600))
			a.start(t)
			require.Contains(t, a.stderr.String(), "the agent goes on from what was kept")
			listed := otelnpd(t, "", "conditions", "list", "--socket", a.socket)
			day := frozen.document.Written.UTC().Format(time.DateOnly)
			require.Regexp(t, `(?m)^KernelDeadlock +True +`+day+`T\S+ +DockerHung +task `, listed.stdout)
			rules := otelnpd(t, "", "rules", "list", "--socket", a.socket).stdout
			require.Regexp(t, `(?m)^agent-schema-\d/(noisy|hot) .* \d{4}-\S+Z$`, rules)
			eventually(t, "what the console had not taken", func() bool { return strings.Contains(a.stdout.String(), "cpu2 is stuck") })
			a.end(t)
		})
	}
}
