package rules_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

// labelled is a case of the corpus: lines and the classes of problems in them.
type labelled struct {
	ID     string   `json:"id"`
	Kind   string   `json:"kind"`
	Lines  []string `json:"lines"`
	Labels []string `json:"labels"`
}

// score is what was found of one class.
type score struct{ found, cases int }

// TestDetection measures the kernel pack against a corpus of labelled lines that
// is not part of this repository: OTELNPD_SHARED names the directory that has it.
func TestDetection(t *testing.T) {
	cases := readCorpus(t)
	sink := &fired{}
	processor := newProcessor(t, kernelConfig(), sink)
	byClass := map[string]*score{}
	var all, kernel, negatives score
	for _, c := range cases {
		sink.classes = nil
		require.NoError(t, processor.Consume(context.Background(), pipelinetest.Lines("kmsg", 1, c.Lines...)))
		if len(c.Labels) == 0 {
			negatives.cases++
			if len(sink.classes) > 0 {
				negatives.found++
				t.Logf("false alarm %v in %s: %.200q", sink.classes, c.ID, c.Lines)
			}
			continue
		}
		found := slices.ContainsFunc(c.Labels, func(label string) bool { return slices.Contains(sink.classes, label) })
		all.add(found)
		if c.Kind == "kmsg" {
			kernel.add(found)
		}
		for _, label := range c.Labels {
			if byClass[label] == nil {
				byClass[label] = &score{}
			}
			byClass[label].add(slices.Contains(sink.classes, label))
		}
		if !slices.Contains(sink.classes, c.Labels[0]) {
			t.Logf("missed %v (found %v) in %s: %.300q", c.Labels, sink.classes, c.ID, c.Lines)
		}
	}
	logTable(t, byClass)
	t.Logf("found %d of %d cases (kernel messages alone: %d of %d); false alarms in %d of %d ordinary cases",
		all.found, all.cases, kernel.found, kernel.cases, negatives.found, negatives.cases)
	require.GreaterOrEqual(t, all.share(), 0.92)
	require.LessOrEqual(t, negatives.share(), 0.005)
}

func (s *score) add(found bool) {
	s.cases++
	if found {
		s.found++
	}
}

func (s *score) share() float64 { return float64(s.found) / float64(s.cases) }

func logTable(t *testing.T, byClass map[string]*score) {
	t.Helper()
	var classes []string
	sum := 0.0
	for class, s := range byClass {
		classes = append(classes, class)
		sum += s.share()
	}
	slices.Sort(classes)
	for _, class := range classes {
		t.Logf("%-26s %3d of %3d", class, byClass[class].found, byClass[class].cases)
	}
	t.Logf("average over the %d classes: %.0f %%", len(classes), 100*sum/float64(len(classes)))
}

func readCorpus(t *testing.T) []labelled {
	t.Helper()
	shared := os.Getenv("OTELNPD_SHARED")
	if shared == "" {
		t.Skip("OTELNPD_SHARED is not set: there is no corpus to measure with")
	}
	file, err := os.Open(filepath.Join(shared, "detection", "open.jsonl"))
	require.NoError(t, err)
	defer file.Close()
	var cases []labelled
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		var c labelled
		require.NoError(t, json.Unmarshal(scanner.Bytes(), &c))
		cases = append(cases, c)
	}
	require.NoError(t, scanner.Err())
	require.NotEmpty(t, cases)
	return cases
}

// fired notes the classes of the problems that come.
type fired struct{ classes []string }

func (f *fired) Consume(_ context.Context, batch []pipeline.Record) error {
	for i := range batch {
		f.classes = append(f.classes, batch[i].Problem.Class)
	}
	return nil
}
