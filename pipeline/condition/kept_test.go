package condition

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

// eventful is a configuration with every kind of rule.
func eventful() *Config {
	config := several()
	config.Types[0].UpdateMessage = true
	config.Rules = append(config.Rules,
		Rule{ID: "io", Condition: "Kept", Reason: "H", HasInstances: true, InstanceOf: instanceOf("on "), Clear: Clear{By: ClearByRecovery}, Threshold: Threshold{2, seconds(60)}},
		Rule{ID: "ev", Reason: "I", Threshold: Threshold{3, seconds(60)}},
		Rule{ID: "plain", Reason: "J"},
	)
	return config
}

// eventfulLife brings about every kind of thing that is kept, in two boots, the last part of
// it while the Node is waited for.
func eventfulLife(t *testing.T) kept {
	t.Helper()
	l := newLab(t, eventful())
	l.expect("kmsg", "journal")
	l.seed(on("All", "True", "A", "message of boot (and 2 more)", 500, 900), on("Quiet", "True", "Gone", "nobody's", 500, 900))
	l.matches("boot", "ttl", "recovery", "latched", "ev", "ev", "plain")
	l.ends("kmsg")
	l.says("level", problem)
	l.at(1010)
	l.says("level", problem)
	l.match(line{rule: "io", instance: "sda \"<&>\\ \u2028é", message: "on sda\t"})
	l.match(line{rule: "io", instance: "sdb"})
	l.match(line{rule: "io", instance: "sdb"})
	l.match(line{rule: "boot", message: "another message", receiver: "journal"})
	l.step(&Patched{Type: "Kept", Status: "True", Reason: "E", Message: "m", LastTransitionTime: wholeSecond(l.now.Wall)})
	l.step(&SilenceRule{Rule: "plain", For: seconds(3600), RequestID: "request-1"})
	l.step(&SourceState{Receiver: "kmsg", Degraded: true})
	l.at(1020)
	l.recover(line{rule: "recovery"})
	l.reboot(bootB, 60)
	l.s.Begin(l.book, l.now)
	j := NewJournal(l.s, l.book, l.now)
	do := func(in Input) {
		out := l.step(in)
		if receivers, ok := in.(*Receivers); ok {
			j.Expect(receivers, l.book, l.now)
		} else {
			j.Note(in, l.book, l.now, &out)
		}
	}
	do(&Receivers{IDs: []string{"kmsg"}})
	do(&NewBoot{})
	do(&Match{l.read(line{rule: "boot"}, problem)})
	do(&Match{l.read(line{rule: "boot", boot: bootA, at: 900}, problem)})
	do(&Recovery{l.read(line{rule: "recovery"}, ok)})
	do(&SilenceRule{Rule: "ttl", For: seconds(600)})
	do(&Match{l.read(line{rule: "ttl"}, problem)})
	do(&UnsilenceRule{Rule: "ttl"})
	do(&SourceState{Receiver: "kmsg", Degraded: true})
	do(&OperatorClear{Type: "Kept", RequestID: "request-2"})
	do(&BacklogEnd{Receiver: "kmsg", Complete: true})
	l.at(30)
	do(&Restart{})
	do(&Receivers{IDs: []string{"kmsg"}})
	do(&Reload{})
	verdict := l.occurrence(line{rule: "level"}, problem)
	verdict.Problem.Verdict = &pipeline.Verdict{Boot: bootB, Start: l.now.Boot}
	do(&Verdict{verdict})
	do(&FirstVerdicts{})
	do(&Match{l.read(line{rule: "latched"}, problem)})
	do(&Match{l.read(line{rule: "ev"}, problem)})
	do(&Patched{Type: "Dropped", Status: "True"})
	do(&Deleted{Type: "Other"})
	return kept{State: l.s, Journal: j.keep()}
}

func read(t *testing.T, text []byte) *kept {
	t.Helper()
	store := NewStore(Options{Node: "node-1"})
	require.NoError(t, store.Resume(text))
	return store.resumed
}

// TestTheFirstSchemaIsReadForEver reads what the first version had kept, and finds
// the same in it.
func TestTheFirstSchemaIsReadForEver(t *testing.T) {
	path := filepath.Join("testdata", "kept-schema-1.json")
	golden := statetest.Frozen(t, path, func() []byte {
		text, err := eventfulLife(t).encode()
		require.NoError(t, err)
		return append(text, '\n')
	})
	resumed := read(t, golden)
	text, err := resumed.encode()
	require.NoError(t, err)
	require.Equal(t, string(golden), string(text)+"\n")

	book := newTestBook(t, eventful())
	now := Now{Current: pipeline.Boot{ID: bootB, Start: wall(1080)}}
	now.Boot, now.Wall = seconds(100), wall(1180)
	j := resumed.Journal.journal(book)
	s, out := j.Seed(&Seed{NodeBootID: bootB, Conditions: []NodeCondition{on("Kept", "True", "E", "m", 1010, 1015)}}, book, now)
	var told []string
	for i := range out.Changes {
		told = append(told, describe(&out.Changes[i]))
	}
	require.Equal(t, []string{
		`status All=False AllWell "all is well" @18m0s changed Normal `,
		`message Kept=True E "message of latched" @16m40s`,
		`status Quiet=False AllWell "all is well" @18m0s changed Normal `,
		`activation All=True A "message of boot" @18m10s changed Warning A`,
		`activation All=True B "message of ttl (and 1 more)" @18m10s Warning B`,
		`status Kept=False AllWell "all is well" @18m10s changed Normal `,
		`activation Kept=True E "message of latched" @18m30s changed Warning E`,
	}, told)
	require.Len(t, s.Types["Kept"].Causes, 1)
}

// What the store of an agent had kept when that was killed is read, and would be kept
// the same: this schema's to the byte.
func TestTheFrozenStatesAreRead(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "state", "testdata", "agent-schema-*.json"))
	require.NoError(t, err)
	require.Len(t, paths, 2*state.Schema)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		document, err := state.Decode(data)
		require.NoError(t, err)
		store := NewStore(Options{Node: document.Node})
		require.NoError(t, store.Resume(document.Sections["conditions"]), path)
		again, err := store.resumed.encode()
		require.NoError(t, err)
		require.Equal(t, string(document.Sections["conditions"]), string(again), path)
		require.Equal(t, strings.Contains(path, "waiting"), store.resumed.Journal != nil)
	}
}

// A state that comes back from text is the same one, whatever was in it.
func TestEveryKindOfCauseComesBack(t *testing.T) {
	before := eventfulLife(t)
	text, err := before.encode()
	require.NoError(t, err)
	back := read(t, text)
	for name, ts := range before.State.Types {
		require.Equal(t, ts.Causes, back.State.Types[name].Causes, name)
	}
	require.Equal(t, before.State.Events, back.State.Events)
	require.Equal(t, before.State.Silences, back.State.Silences)
	require.Equal(t, before.State.Instances, back.State.Instances)
	require.Len(t, back.Journal.Entries, len(before.Journal.Entries))
	again, err := back.encode()
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
}

// The writer of causes writes what encoding/json would read as the same.
func TestTextsAreWrittenAsJSON(t *testing.T) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "<>&", "\u2028\u2029", "é\U0001F4A5", "\xff\xc3(", "\xed\xa0\x80"} {
		var w jsonWriter
		w.textValue(s)
		var got, want string
		require.NoError(t, json.Unmarshal(w.buf, &got), "%q", s)
		usual, err := json.Marshal(s)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(usual, &want))
		require.Equal(t, want, got)
	}
}

func TestOrdersAreBrief(t *testing.T) {
	place := pipeline.Place{Scope: bootA, Source: "kmsg", Generation: 1, Position: 1<<64 - 1}
	elsewhere := place
	elsewhere.Scope = "machine"
	for want, o := range map[string]pipeline.Order{
		`["` + bootA + `",-5]`: {Boot: pipeline.BootTime{ID: bootA, At: -5}},
		`["` + bootA + `",9223372036854775807,"kmsg",1,18446744073709551615]`: {Boot: pipeline.BootTime{ID: bootA, At: 1<<63 - 1}, Place: place},
		`["` + bootA + `",1,"kmsg",1,18446744073709551615,"machine"]`:         {Boot: pipeline.BootTime{ID: bootA, At: 1}, Place: elsewhere},
		`["",0,"kmsg",0,0]`: {Place: pipeline.Place{Source: "kmsg"}},
	} {
		var w jsonWriter
		w.open()
		w.order("o", o)
		require.Equal(t, `{"o":`+want, string(w.buf))
		var back keptOrder
		require.NoError(t, json.Unmarshal([]byte(want), &back))
		require.Equal(t, o, pipeline.Order(back))
	}
	for _, bad := range []string{`3`, `[]`, `["b"]`, `["b",1,"s"]`, `[1,1]`, `["b",1.5]`, `["b",1,"s",-1,0]`, `["b",1,"s",0,0,"x",0]`} {
		var o keptOrder
		require.Error(t, json.Unmarshal([]byte(bad), &o), bad)
	}
}
