package dedupe_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/processors/dedupe"
)

func TestGoesOnFromWhatIsKept(t *testing.T) {
	sink, kept := &pipelinetest.Sink{}, &pipelinetest.Kept{}
	settings := pipelinetest.Settings(t, "dedupe")
	settings.Keeping = kept.Keeping()
	first, err := dedupe.New(settings, sink)
	require.NoError(t, err)
	require.Nil(t, first.Keep(), "nothing seen, nothing kept")
	consume(t, first, lines("kmsg", 1, "a", "b"))
	require.Equal(t, 1, kept.Moved())
	consume(t, first, lines("kmsg", 1, "a", "b"))
	require.Equal(t, 1, kept.Moved(), "nothing has moved")
	consume(t, first, at(lines("file", 7, "x"), func(p *pipeline.Place) { p.Source, p.Generation = "f", 3 }))

	encode := first.Keep()
	consume(t, first, lines("kmsg", 3, "c"))
	text, err := encode()
	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"watermarks": [
		{"receiver": "kmsg", "scope": %[1]q, "source": "kmsg", "position": 2},
		{"receiver": "file", "scope": %[1]q, "source": "f", "generation": 3, "position": 7}]}`, pipelinetest.BootID), string(text),
		"as it stood at Keep")

	second := newProcessor(t, sink)
	require.NoError(t, second.Resume(text))
	consume(t, second, lines("kmsg", 1, "a", "b", "c"))
	require.Equal(t, []string{"a", "b", "x", "c", "c"}, sink.Lines())
}

func TestResumeRefuses(t *testing.T) {
	mark := `{"receiver": "kmsg", "scope": "s", "source": "kmsg", "position": 2}`
	for name, text := range map[string]string{
		"what is no JSON":      `{`,
		"negative positions":   `{"watermarks": [{"receiver": "kmsg", "scope": "s", "source": "kmsg", "position": -2}]}`,
		"a mark of no source":  `{"watermarks": [{"receiver": "kmsg"}]}`,
		"two marks of one":     `{"watermarks": [` + mark + `,` + mark + `]}`,
		"names without bounds": `{"watermarks": [{"receiver": "` + strings.Repeat("x", 10_000) + `", "scope": "s", "source": "kmsg", "position": 2}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			processor := newProcessor(t, &pipelinetest.Sink{})
			require.Error(t, processor.Resume([]byte(text)))
			require.Empty(t, processor.Snapshot(), "goes on as if nothing had been kept")
		})
	}
	processor := newProcessor(t, &pipelinetest.Sink{})
	require.ErrorContains(t, processor.Resume(make([]byte, 33<<20)), "at most")
}

func TestResumeIsBounded(t *testing.T) {
	var marks []string
	for i := range 2000 {
		marks = append(marks, fmt.Sprintf(`{"receiver": "r", "scope": "s", "source": "%d", "position": 1}`, i))
	}
	processor := newProcessor(t, &pipelinetest.Sink{})
	require.NoError(t, processor.Resume([]byte(`{"watermarks": [`+strings.Join(marks, ",")+`]}`)))
	all := processor.Snapshot()
	require.Len(t, all, 1024)
	require.Equal(t, "1999", all[len(all)-1].Place.Source, "those used last")
}

// FuzzResume: whatever is read back, it is bounded and lines flow.
func FuzzResume(f *testing.F) {
	f.Add([]byte(`{"watermarks": [{"receiver": "kmsg", "scope": "s", "source": "kmsg", "position": 2}]}`))
	f.Add([]byte(`{"watermarks": [{}, null]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		processor := newProcessor(t, &pipelinetest.Sink{})
		if processor.Resume(text) != nil {
			require.Empty(t, processor.Snapshot())
		}
		require.LessOrEqual(t, len(processor.Snapshot()), 1024)
		require.NoError(t, processor.Consume(context.Background(), lines("kmsg", 1, "a")))
		encode := processor.Keep()
		require.NotNil(t, encode)
		again, err := encode()
		require.NoError(t, err)
		second := newProcessor(t, &pipelinetest.Sink{})
		require.NoError(t, second.Resume(again), "what is kept can be read back")
		require.Equal(t, processor.Snapshot(), second.Snapshot())
	})
}
