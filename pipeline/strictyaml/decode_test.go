package strictyaml_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

type inner struct {
	Name     string        `yaml:"name"`
	Lookback time.Duration `yaml:"lookback"`
	Count    int           `yaml:"count"`
	On       bool          `yaml:"on"`
	List     []string      `yaml:"list"`
}

type outer struct {
	Inner  inner             `yaml:"inner"`
	Items  []inner           `yaml:"items"`
	Labels map[string]string `yaml:"labels"`
	Ratio  float64           `yaml:"ratio"`
	Port   uint16            `yaml:"port"`
	Ptr    *inner            `yaml:"ptr"`
}

func TestDecodeOverDefaults(t *testing.T) {
	got := outer{Inner: inner{Name: "kept", Count: 7}, Port: 1, Labels: map[string]string{"a": "1"}}
	_, err := strictyaml.Decode([]byte("inner: {lookback: 30s, on: true, list: [a, 'b']}\nitems: [{name: 010}]\n"+
		"labels: {b: 2}\nport: 0x10\nratio: 1e-3\nptr: {count: -3}\n"), "x.yaml", &got)
	require.NoError(t, err)
	require.Equal(t, outer{
		Inner:  inner{Name: "kept", Count: 7, Lookback: 30 * time.Second, On: true, List: []string{"a", "b"}},
		Items:  []inner{{Name: "010"}},
		Labels: map[string]string{"a": "1", "b": "2"},
		Ratio:  1e-3, Port: 16, Ptr: &inner{Count: -3},
	}, got)
}

func TestDecodeTellsAllFaults(t *testing.T) {
	var got outer
	_, err := strictyaml.Decode([]byte("inner:\n  lokback: 30s\n  lookback: 5\n  on: yes\nitems:\n  - {count: x, zebra: 1}\nport: 70000\n"), "x.yaml", &got)
	require.EqualError(t, err, `x.yaml:2:3: inner.lokback: is unknown: did you mean "lookback"?
x.yaml:3:3: inner.lookback: want a duration like 30s, not 5
x.yaml:4:3: inner.on: want true or false, not "yes"
x.yaml:6:6: items[0].count: want a whole number, not "x"
x.yaml:6:16: items[0].zebra: is unknown: write one of count, list, lookback, name, on
x.yaml:7:1: port: want a whole number from 0 to 65535, not 70000`)
}
