package condition

import (
	"go/ast"
	"go/parser"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

// life is a row of the table below, as a failing property prints it.
type life struct {
	scene string
	eager bool
	ops   []op
}

// TestLivesThatFailedOnce plays the sequences in which the machine was wrong.
func TestLivesThatFailedOnce(t *testing.T) {
	byName := map[string]stage{}
	for _, s := range scenes() {
		byName[s.name] = s.stage(t)
	}
	for _, one := range []life{
		// A timer acted before the backlog's lines.
		{scene: "ttl", eager: false, ops: []op{
			{do: "match", rule: "b"},
			{do: "save"},
			{do: "patch"},
			{do: "crash"},
		}},
		// The Node knew of a latched cause that the state did not: the status and
		// its time were the same, reason and message were not.
		{scene: "latched", eager: true, ops: []op{
			{do: "match", rule: "b"},
			{do: "save"},
			{do: "match", rule: "a"},
			{do: "reboot"},
		}},
		// A Node that had been told of the healthy status long ago was told again.
		{scene: "recovery beside boot", eager: true, ops: []op{
			{do: "match", rule: "a"},
			{do: "save"},
			{do: "recovery", rule: "a"},
			{do: "reboot"},
		}},
		// What the operator had cleared came back from a Node that was not told.
		{scene: "two rules cleared by boot", eager: false, ops: []op{
			{do: "match", rule: "a"},
			{do: "patch"},
			{do: "lose"},
			{do: "clear", rule: "T"},
			{do: "crash"},
		}},
		// So did what a recovery had cleared.
		{scene: "recovery with instances", eager: false, ops: []op{
			{do: "match", rule: "a", instance: "y"},
			{do: "patch"},
			{do: "recovery", rule: "a"},
			{do: "lose"},
			{do: "save"},
			{do: "crash"},
		}},
		// And what a timer had ended.
		{scene: "ttl", eager: false, ops: []op{
			{do: "match", rule: "b"},
			{do: "crash"},
			{do: "patch"},
			{do: "lose"},
			{do: "save"},
			{do: "crash"},
		}},
		// Causes that the Node had counted stayed, though their lines were read.
		{scene: "ttl", eager: true, ops: []op{
			{do: "match", rule: "b"},
			{do: "save"},
			{do: "match", rule: "a"},
			{do: "match", rule: "b"},
			{do: "pass", s: 8},
			{do: "crash"},
		}},
		// A heartbeat before a step of the wall clock passed for one of this boot.
		{scene: "two rules cleared by boot", eager: false, ops: []op{
			{do: "match", rule: "a"},
			{do: "wall", s: -40},
			{do: "patch"},
			{do: "reboot"},
		}},
		// A timer of a restored cause ran in full though its line had been read.
		{scene: "ttl", eager: false, ops: []op{
			{do: "match", rule: "a"},
			{do: "lose"},
			{do: "patch"},
			{do: "pass", s: 8},
			{do: "match", rule: "b"},
			{do: "pass", s: 8},
			{do: "lose"},
		}},
		// The time of a Node that was read in an earlier boot was kept into this one.
		{scene: "two rules cleared by boot", eager: true, ops: []op{
			{do: "crash late"},
			{do: "match", rule: "b"},
			{do: "match", rule: "a"},
			{do: "wall", s: -40},
			{do: "lose twice"},
			{do: "reboot"},
			{do: "crash late"},
		}},
		// A line of a silence that was over when it was read again was heard.
		{scene: "silences", eager: true, ops: []op{
			{do: "silence", rule: "b", s: 60},
			{do: "reboot"},
			{do: "match", rule: "b"},
			{do: "pass", s: 70},
			{do: "crash late"},
		}},
		// A cause that the state knew was taken for one that no rule explains.
		{scene: "reload", eager: true, ops: []op{
			{do: "crash late"},
			{do: "save"},
			{do: "match", rule: "b"},
			{do: "crash"},
			{do: "upgrade"},
		}},
	} {
		s, known := byName[one.scene]
		require.True(t, known, one.scene)
		require.NoError(t, s.play(one.eager, one.ops), printCase(one.scene, one.eager, one.ops))
	}
}

// TestPrintedLivesAreGo reads what a failing property prints as the Go code that
// it claims to be, and finds the same ops in it.
func TestPrintedLivesAreGo(t *testing.T) {
	ops := []op{
		{do: "match", rule: "a", instance: `x"y`}, {do: "verdict", rule: "chk", state: ok}, {do: "verdict", rule: "chk", state: problem},
		{do: "wall", s: -40.5}, {do: "match", rule: "a", from: "journal"}, {do: "lose late"},
	}
	text := printCase(`a "scene"`, true, ops)
	expr, err := parser.ParseExpr("[]life{\n" + text + "}")
	require.NoError(t, err, text)
	rows := literal(t, expr).Elts
	require.Len(t, rows, 1)
	row := fields(t, rows[0])
	require.Equal(t, `a "scene"`, unquote(t, row["scene"]))
	require.Equal(t, "true", ident(t, row["eager"]))
	var back []op
	for _, elt := range literal(t, row["ops"]).Elts {
		back = append(back, opOf(t, fields(t, elt)))
	}
	require.Equal(t, ops, back)
}

func opOf(t *testing.T, f map[string]ast.Expr) op {
	t.Helper()
	o := op{do: unquote(t, f["do"]), rule: unquote(t, f["rule"]), instance: unquote(t, f["instance"]), from: unquote(t, f["from"])}
	if f["state"] != nil {
		o.state = map[string]pipeline.State{"ok": ok, "problem": problem}[ident(t, f["state"])]
	}
	switch s := f["s"].(type) {
	case *ast.UnaryExpr:
		o.s = -number(t, s.X)
	case *ast.BasicLit:
		o.s = number(t, s)
	}
	return o
}

func literal(t *testing.T, e ast.Expr) *ast.CompositeLit {
	t.Helper()
	lit, ok := e.(*ast.CompositeLit)
	require.True(t, ok)
	return lit
}

func fields(t *testing.T, e ast.Expr) map[string]ast.Expr {
	t.Helper()
	found := map[string]ast.Expr{}
	for _, elt := range literal(t, e).Elts {
		pair, ok := elt.(*ast.KeyValueExpr)
		require.True(t, ok)
		found[ident(t, pair.Key)] = pair.Value
	}
	return found
}

func ident(t *testing.T, e ast.Expr) string {
	t.Helper()
	id, ok := e.(*ast.Ident)
	require.True(t, ok)
	return id.Name
}

func unquote(t *testing.T, e ast.Expr) string {
	t.Helper()
	if e == nil {
		return ""
	}
	lit, ok := e.(*ast.BasicLit)
	require.True(t, ok)
	text, err := strconv.Unquote(lit.Value)
	require.NoError(t, err)
	return text
}

func number(t *testing.T, e ast.Expr) float64 {
	t.Helper()
	lit, ok := e.(*ast.BasicLit)
	require.True(t, ok)
	n, err := strconv.ParseFloat(lit.Value, 64)
	require.NoError(t, err)
	return n
}

// TestTheOracleSeesAMachineThatIsWrong breaks the machine and sees the properties
// fail: an oracle that agrees with everything proves nothing.
func TestTheOracleSeesAMachineThatIsWrong(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"ends by itself":    func(c *Config) { c.Rules[0].Clear = Clear{By: ClearByTTL, TTL: 1} },
		"another threshold": func(c *Config) { c.Rules[0].Threshold = Threshold{2, seconds(99)} },
		"observes":          func(c *Config) { c.Rules[0].Condition, c.Rules[0].Observe = "T", true },
	} {
		t.Run(name, func(t *testing.T) {
			s := scenes()[2].stage(t)
			config := s.config()
			spoil(config)
			w := newWorld(newTestBook(t, config), s.other, s.instances, true)
			w.judge = s.book
			require.ErrorContains(t, w.run([]op{{do: "match", rule: "a"}, {do: "match", rule: "b"}}), "T is problem")
		})
	}
}
