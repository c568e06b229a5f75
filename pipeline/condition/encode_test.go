package condition

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/log"
	"pgregory.net/rapid"

	"github.com/otelnpd/otelnpd/pipeline"
)

// TestCausesAreWrittenAsEncodingJSONDoes compares with the plain way, byte for byte.
func TestCausesAreWrittenAsEncodingJSONDoes(t *testing.T) {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.SampledFrom([]string{`"<&>\`, "\x00\x1b[31m", "\xff\xfe", "ünïcode\u2028"}))
	order := rapid.Custom(func(t *rapid.T) pipeline.Order {
		if rapid.Bool().Draw(t, "none") {
			return pipeline.Order{}
		}
		return pipeline.Order{
			Boot:  pipeline.BootTime{ID: text.Draw(t, "boot"), At: time.Duration(rapid.Int64().Draw(t, "at"))},
			Place: pipeline.Place{Scope: text.Draw(t, "scope"), Source: text.Draw(t, "source"), Generation: rapid.Uint64().Draw(t, "generation"), Position: rapid.Uint64().Draw(t, "position")},
		}
	})
	wall := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "none") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	})
	number := rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(rapid.Int64().Draw(t, "n")) })
	rapid.Check(t, func(t *rapid.T) {
		c := &Cause{
			Key:      Key{Rule: text.Draw(t, "rule"), Instance: text.Draw(t, "instance"), Boot: text.Draw(t, "boot"), FromNode: rapid.Bool().Draw(t, "node")},
			State:    rapid.SampledFrom([]pipeline.State{pipeline.StateUnknown, pipeline.StateOK, pipeline.StateProblem}).Draw(t, "state"),
			Restored: rapid.Bool().Draw(t, "restored"), Reason: text.Draw(t, "reason"), Message: text.Draw(t, "message"), Source: text.Draw(t, "source"),
			Severity: log.Severity(rapid.IntRange(0, 24).Draw(t, "severity")), UID: pipeline.CauseUID(text.Draw(t, "uid")),
			T: order.Draw(t, "t"), Last: order.Draw(t, "last"), Cleared: order.Draw(t, "cleared"), Since: wall.Draw(t, "since"), LastTime: wall.Draw(t, "last time"),
			Receiver: text.Draw(t, "receiver"), Armed: number.Draw(t, "armed"), Paused: number.Draw(t, "paused"), PausedFrom: number.Draw(t, "from"),
			Standing: rapid.Bool().Draw(t, "standing"), Used: rapid.Uint64().Draw(t, "used"),
		}
		if rapid.Bool().Draw(t, "more") {
			c.Hits = []Hit{{order.Draw(t, "hit"), pipeline.CauseUID("hit")}, {}}
			c.Fired = []pipeline.UID{{1}}
			c.OKStart = pipeline.BootTime{ID: "boot", At: 1}
			c.Level = &LevelState{Streak: pipeline.StateProblem, Count: 2}
		}
		want, err := json.Marshal(c)
		require.NoError(t, err)
		require.Equal(t, string(want), string(appendCause(nil, c)))
	})
}

// TestNoFieldOfACauseIsForgotten sets each field in turn: it must be in the text.
func TestNoFieldOfACauseIsForgotten(t *testing.T) {
	empty := string(appendCause(nil, &Cause{}))
	of := reflect.TypeFor[Cause]()
	for i := range of.NumField() {
		c := Cause{}
		field := reflect.ValueOf(&c).Elem().Field(i)
		switch of.Field(i).Name {
		case "Since", "LastTime":
			field.Set(reflect.ValueOf(time.Unix(1, 0)))
		case "Level":
			c.Level = &LevelState{}
		case "Hits":
			c.Hits = []Hit{{}}
		case "Fired":
			c.Fired = []pipeline.UID{{}}
		default:
			setFirst(field)
		}
		require.NotEqual(t, empty, string(appendCause(nil, &c)), of.Field(i).Name)
	}
}

// setFirst sets the first plain field of a value.
func setFirst(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct, reflect.Array:
		if v.Kind() == reflect.Array {
			setFirst(v.Index(0))
			return
		}
		setFirst(v.Field(0))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(1)
	default:
		v.SetInt(1)
	}
}
