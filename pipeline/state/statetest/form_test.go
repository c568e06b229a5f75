package statetest_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

type embedded struct {
	Inner string `json:"inner"`
}

type brief struct{ Value int }

func (b *brief) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, &b.Value) }

type kept struct {
	embedded

	At     time.Time      `json:"at,omitzero"`
	Wait   time.Duration  `json:"wait_ns"`
	Left   map[string]int `json:"left,omitempty"`
	List   []*embedded    `json:"list"`
	Brief  brief          `json:"brief"`
	Again  *kept          `json:"again"`
	Plain  bool
	Hidden int `json:"-"`
	hidden int //nolint:unused // it is not read
}

func TestForm(t *testing.T) {
	require.Equal(t, `kept.Plain bool
kept.again statetest_test.kept
kept.at time.Time
kept.brief statetest_test.brief
kept.inner string
kept.left{string} int
kept.list[].inner string
kept.wait_ns int64
`, statetest.Form(kept{}))
}

// A renamed field, one of another type, one more and one less: all are other forms.
func TestOtherForms(t *testing.T) {
	form := statetest.Form(struct {
		A int `json:"a"`
	}{})
	for name, other := range map[string]any{
		"renamed": struct {
			A int `json:"b"`
		}{},
		"another type": struct {
			A string `json:"a"`
		}{},
		"one more": struct {
			A int `json:"a"`
			B int `json:"b,omitempty"`
		}{},
		"one less": struct{}{},
	} {
		require.NotEqual(t, form, statetest.Form(other), name)
	}
	require.Equal(t, form, statetest.Form(struct {
		Renamed int `json:"a,omitempty"`
	}{}), "only what is in files counts")
}
