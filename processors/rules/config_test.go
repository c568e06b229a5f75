package rules_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/packs"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
	"github.com/otelnpd/otelnpd/processors/rules"
)

// builtIn holds a pack for tests.
var builtIn = fstest.MapFS{
	"disk.yaml": {Data: []byte(`
conditions:
  DiskFailing: {healthy: {reason: DisksWork, message: all disks work}, clear: {by: ttl, ttl: 1h}}
rules:
  - {id: failing, pattern: 'disk (?P<pid>\d+) is failing', instance: '{pid}', condition: DiskFailing, reason: DiskIsFailing}
  - {id: slow, pattern: 'disk \d+ is slow', reason: DiskIsSlow}
  - {id: slower, pattern: 'disk \d+ is slower', reason: DiskIsSlow}
`)},
	"broken.yaml":  {Data: []byte("rules:\n  - {id: x, pattern: '(', reason: lower_case, mesage: red}\n")},
	"refuted.yaml": {Data: []byte("rules:\n  - id: x\n    pattern: 'abc'\n    reason: Abc\n    tests:\n      match: [abcd, xyz]\n")},
	"empty.yaml":   {Data: []byte("conditions: {}\n")},
	"large.yaml":   {Data: []byte("#" + strings.Repeat("x", 1<<20))},
}

// decode reads a configuration as the agent does.
func decode(t testing.TB, text string) *rules.Config {
	t.Helper()
	config := rules.DefaultConfig(builtIn)
	_, err := strictyaml.Decode([]byte(text), "test.yaml", config)
	require.NoError(t, err)
	return config
}

// messages returns the texts of joined errors.
func messages(err error) []string {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{err.Error()}
	}
	var texts []string
	for _, one := range joined.Unwrap() {
		texts = append(texts, messages(one)...)
	}
	return texts
}

func TestValidate(t *testing.T) {
	long := strings.Repeat("x", 4097)
	for name, test := range map[string]struct {
		config string
		want   []string
	}{
		"nothing":            {``, []string{`there are no rules: write packs: [kernel] or rules: [{…}]`}},
		"a pack":             {`packs: [disk]`, nil},
		"a pack that is not": {`packs: [dsk]`, []string{`packs[0]: there is no built-in pack "dsk": did you mean "disk"?`}},
		"a pack's path that is not": {`packs: [/nowhere/x.yaml]`,
			[]string{`packs[0]: read pack "/nowhere/x.yaml": stat x.yaml: no such file or directory`}},
		"a directory":           {`packs: [/proc/]`, []string{`packs[0]: read pack "/proc/": proc is no regular file`}},
		"a pack without a name": {`packs: ['']`, []string{`packs[0]: is empty: write the name of a built-in pack, or the path of a file`}},
		"a pack without rules":  {`packs: [empty]`, []string{`packs[0]: pack empty.yaml holds no rules`}},
		"a pack too large": {`packs: [large]`, []string{
			`packs[0]: read the built-in pack "large": has more than 1048576 bytes`}},
		"faults of a pack's form at their places": {`packs: [broken]`, []string{
			`packs[0]: broken.yaml:2:47: rules[0].mesage: is unknown: did you mean "message"?`}},
		"faults of a pack's rules at their places": {`packs: [refuted]`, []string{
			`packs[0]: refuted.yaml:6:21: rules[0].tests.match[1]: the pattern "abc" does not match "xyz"`}},
		"a pack twice": {`packs: [disk, disk]`, []string{
			`packs[1].id: "disk/failing" is the id of a rule of packs[0] already: choose another`,
			`packs[1].id: "disk/slow" is the id of a rule of packs[0] already: choose another`,
			`packs[1].id: "disk/slower" is the id of a rule of packs[0] already: choose another`}},
		"disable by id and glob": {`{packs: [disk], disable: [disk/slow, 'disk/f*']}`, nil},
		"disable what is not": {`{packs: [disk], disable: [disk/slwo, 'x/*']}`, []string{
			`disable[0]: "disk/slwo" names no rule: did you mean "disk/slow"?`,
			`disable[1]: "x/*" names no rule: write the id of a rule, or a glob such as kernel/ext4-*`}},
		"disable with a broken glob": {`{packs: [disk], disable: ['[']}`, []string{
			`disable[0]: "[" names no rule: write the id of a rule, or a glob such as kernel/ext4-*`}},
		"everything missing": {`rules: [{}]`, []string{
			`rules[0].id: is missing: write a word that names the rule, for example disk-failing`,
			`rules[0].reason: is missing: write a CamelCase word, for example DiskIsFailing`,
			`rules[0].pattern: is missing: write a regular expression in RE2 syntax that the line matches`}},
		"words": {`rules: [{id: 'a b', class: Big, pattern: abc, reason: a-b, severity: loud, mode: try, formerly: [{}]}]`, []string{
			`rules[0].id: "a b" is no id: write letters, digits and any of . _ / # -, at most 200`,
			`rules[0].reason: "a-b" is no reason: write a CamelCase word, for example DiskIsFailing`,
			`rules[0].class: "Big" is no class: write lower-case words joined by dashes, for example hung-task`,
			`rules[0].severity: "loud" is unknown: write one of debug, error, fatal, info, warn`,
			`rules[0].mode: "try" is unknown: write one of enforce, observe`,
			`rules[0].formerly[0]: names nothing: write the id or the reason that the rule had`}},
		"a broken pattern": {`rules: [{id: a, pattern: 'a(b', reason: A}]`, []string{
			"rules[0].pattern: \"a(b\" is no regular expression in RE2 syntax: error parsing regexp: missing closing ): `a(b`"}},
		"a pattern that only a window would close": {`rules: [{id: a, pattern: 'a)(b', reason: A, window: {lines: 2}}]`, []string{
			"rules[0].pattern: \"a)(b\" is no regular expression in RE2 syntax: error parsing regexp: unexpected ): `a)(b`"}},
		"the empty text": {`rules: [{id: a, pattern: 'a*', reason: A}]`, []string{
			`rules[0].pattern: "a*" matches the empty text, and so every line: write what the line must hold`}},
		"duplicate ids": {`rules: [{id: a, pattern: abc, reason: A}, {id: a, pattern: abc, reason: A}]`, []string{
			`rules[1].id: "a" is the id of a rule of rules[0] already: choose another`}},
		"unknown groups": {`rules: [{id: a, pattern: 'disk (?P<dev>\w+)', reason: A, message: '{disk} {dev}', instance: '{x}'}]`, []string{
			`rules[0].message: {disk} is no group of the pattern: write (?P<disk>…) into the pattern, or {{ for a brace; it has {dev}`,
			`rules[0].instance: {x} is no group of the pattern: write (?P<x>…) into the pattern, or {{ for a brace; it has {dev}`}},
		"an open brace": {`rules: [{id: a, pattern: abc, reason: A, message: 'a {dev'}]`, []string{
			`rules[0].message: has a { without }: write {group}, or {{ for a brace`}},
		"a brace":            {`rules: [{id: a, pattern: abc, reason: A, message: 'a {{dev} }'}]`, nil},
		"a message too long": {`rules: [{id: a, pattern: abc, reason: A, message: ` + long + `}]`, []string{`rules[0].message: has 4097 bytes, at most 4096 are allowed`}},
		"thresholds": {`rules:
  - {id: a, pattern: abc, reason: A, threshold: {min_occurrences: -1}}
  - {id: b, pattern: abc, reason: A, threshold: {min_occurrences: 3}}
  - {id: c, pattern: abc, reason: A, threshold: {window: 5m}}
  - {id: d, pattern: abc, reason: A, threshold: {min_occurrences: 5000, window: -5m}}
  - {id: e, pattern: abc, reason: A, threshold: {min_occurrences: 3, window: 5m}}`, []string{
			`rules[0].threshold.min_occurrences: -1 is out of range: write 1 to 1000`,
			`rules[1].threshold.window: is missing: write the time within which 3 matches must come, for example 5m`,
			`rules[2].threshold.min_occurrences: is missing: write how many matches within 5m0s it takes, at least 2`,
			`rules[3].threshold.min_occurrences: 5000 is out of range: write 1 to 1000`,
			`rules[3].threshold.window: -5m0s is out of range: write at most 720h0m0s`}},
		"windows": {`rules:
  - {id: a, pattern: abc, reason: A, window: {lines: 0}}
  - {id: b, pattern: abc, reason: A, window: {lines: 1001, suffix: ` + long + `}}`, []string{
			`rules[0].window.lines: 0 is out of range: write 1 to 1000`,
			`rules[1].window.lines: 1001 is out of range: write 1 to 1000`,
			`rules[1].window.suffix: has 4097 bytes, at most 4096 are allowed`}},
		"attributes": {`rules: [{id: a, pattern: abc, reason: A, where: {'': x, log.facility: '~('}}]`, []string{
			`rules[0].where: an attribute without name: write for example log.facility: kern`,
			"rules[0].where.log.facility: \"(\" is no regular expression in RE2 syntax: error parsing regexp: missing closing ): `(`"}},
		"a process as instance of what lasts until a reboot": {`rules:
  - {id: a, pattern: 'p(?P<pid>\d+)', reason: A, condition: C, instance: '{pid}'}
  - {id: b, pattern: 'p(?P<parent_pid>\d+)', reason: A, condition: C, instance: '{parent_pid}', clear: {by: latched}}
  - {id: c, pattern: 'p(?P<pid>\d+)', reason: A, condition: C, instance: '{pid}', clear: {by: ttl, ttl: 1m}}
  - {id: d, pattern: 'p(?P<pid>\d+)', reason: A, instance: '{pid}'}
  - {id: e, pattern: 'c(?P<cupid>\d+)', reason: A, condition: C, instance: '{cupid}'}`, []string{
			`rules[0].instance: {pid} is the number of a process, and the rule clears by boot: choose another instance, or write clear: {by: ttl, ttl: 1h} into the rule`,
			`rules[1].instance: {parent_pid} is the number of a process, and the rule clears by latched: choose another instance, or write clear: {by: ttl, ttl: 1h} into the rule`}},
		"clearing": {`rules:
  - {id: a, pattern: abc, reason: A, clear: {by: boot}}
  - {id: b, pattern: abc, reason: A, condition: C, clear: {by: recovery}}
  - {id: c, pattern: 'd(?P<d>\d+)x', reason: A, condition: C, instance: '{d}', clear: {by: recovery, pattern: 'd\d+y'}}
  - {id: d, pattern: abc, reason: A, condition: C, clear: {by: recovery, pattern: '('}}
  - {id: e, pattern: abc, reason: A, condition: C, clear: {by: recovery, pattern: 'a?'}}
  - {id: f, pattern: abc, reason: A, condition: C, clear: {by: sometime}}`, []string{
			`rules[0].clear: belongs to rules with a condition: an event has no end`,
			`rules[1].clear.by: recovery needs the key pattern beside it`,
			`rules[2].clear.pattern: has no group {d}, which instance needs to know whose recovery it is: write (?P<d>…) into it`,
			"rules[3].clear.pattern: \"(\" is no regular expression in RE2 syntax: error parsing regexp: missing closing ): `(`",
			`rules[4].clear.pattern: "a?" matches the empty text, and so every line: write what the line must hold`,
			`rules[5].clear.by: "sometime" is unknown: write one of boot, latched, ttl, recovery, check`}},
		"tests that refute": {`rules:
  - {id: a, pattern: 'abc$', reason: A, tests: {match: [xabc, abcx], no_match: [ab, abc]}}
  - {id: b, pattern: 'a\nb', reason: A, window: {lines: 2}, tests: {match: ["x\na\nb", "a\nx\nb"], no_match: ["b\na", "a\nb\nc"]}}
  - {id: c, pattern: 'a+', reason: A, condition: C, clear: {by: recovery, pattern: 'b+'}, tests: {match: [aa, ab]}}
  - {id: d, pattern: 'abc', reason: A, where: {log.facility: kern}, tests: {match: [abc]}}`, []string{
			`rules[0].tests.match[1]: the pattern "abc$" does not match "abcx"`,
			`rules[0].tests.no_match[1]: the pattern "abc$" matches "abc"`,
			`rules[1].tests.match[1]: the pattern "a\\nb" does not match "a\nx\nb"`,
			`rules[1].tests.no_match[1]: the pattern "a\\nb" matches "a\nb\nc"`,
			`rules[2].tests.match[1]: the recovery "b+" matches "ab" too: a line cannot tell of both`}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, cmp.Diff(test.want, messages(decode(t, test.config).Validate())))
		})
	}
}

func TestErrorsOfPacksCarryTheirPlace(t *testing.T) {
	var at *strictyaml.Error
	require.ErrorAs(t, firstError(decode(t, `packs: [refuted]`).Validate()), &at)
	require.Equal(t, strictyaml.Error{File: "refuted.yaml", Line: 6, Column: 21, Key: "rules[0].tests.match[1]",
		Message: `the pattern "abc" does not match "xyz"`}, *at)
}

func firstError(err error) error {
	for {
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			return err
		}
		err = joined.Unwrap()[0]
	}
}

func TestPacksFromFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(path, []byte("rules: [{id: a, pattern: abc, reason: A}]"), 0o600))
	config := rules.DefaultConfig(nil)
	config.Packs = []string{path}
	require.NoError(t, config.Validate())
	require.NoError(t, os.Remove(path))
	declared := config.Declare()
	require.Len(t, declared.Rules, 1, "what was validated counts, not what became of the file")
	require.Equal(t, "mine/a", declared.Rules[0].ID)

	config.Packs = []string{"kernel"}
	require.ErrorContains(t, config.Validate(), `there is no built-in pack "kernel"`)
}

func TestDeclare(t *testing.T) {
	declared := decode(t, `
packs: [disk]
disable: [disk/slow]
source: disk-monitor
rules:
  - id: link
    class: link-down
    pattern: 'link (?P<if>\w+) is down'
    condition: LinkDown
    reason: LinkIsDown
    message: 'link {if} is down'
    instance: '{if}'
    severity: fatal
    source: net-monitor
    threshold: {min_occurrences: 3, window: 5m}
    clear: {by: recovery, pattern: 'link (?P<if>\w+) is up'}
    update_message: true
    mode: observe
    metrics_reporting: false
    formerly: [{id: old, reason: Old}]
`).Declare()
	require.Equal(t, []condition.Type{{Name: "DiskFailing", HealthyReason: "DisksWork", HealthyMessage: "all disks work",
		OnUnknown: condition.OnUnknownHold, Clear: condition.Clear{By: condition.ClearByTTL, TTL: time.Hour}}}, declared.Types)
	var ids, paths []string
	for _, rule := range declared.Rules {
		ids, paths = append(ids, rule.ID), append(paths, rule.Path)
	}
	require.Equal(t, []string{"disk/failing", "disk/slower", "link"}, ids)
	require.Equal(t, []string{"packs[0]", "packs[0]", "rules[0]"}, paths)
	require.Equal(t, "disk-monitor", declared.Rules[0].Source)
	require.True(t, declared.Rules[0].HasInstances)
	require.False(t, declared.Rules[1].HasInstances)
	require.Nil(t, declared.Rules[1].InstanceOf)

	link := declared.Rules[2].Rule
	instance, ok := link.InstanceOf("link eth0 is down")
	require.True(t, ok)
	require.Equal(t, "eth0", instance)
	link.InstanceOf = nil
	require.Len(t, link.Definition, 16)
	link.Definition = ""
	require.Empty(t, cmp.Diff(condition.Rule{
		ID: "link", Class: "link-down", Condition: "LinkDown", Reason: "LinkIsDown", Source: "net-monitor",
		Severity: 21, HasInstances: true, Clear: condition.Clear{By: condition.ClearByRecovery},
		Threshold: condition.Threshold{MinOccurrences: 3, Window: 5 * time.Minute},
		Observe:   true, UpdateMessage: true, Unreported: true,
		Formerly: []condition.Former{{ID: "old", Reason: "Old"}},
	}, link))
}

func TestADefinitionChangesWithAnyKey(t *testing.T) {
	definition := func(text string) string {
		return decode(t, "rules: [{id: a, reason: A, "+text+"}]").Declare().Rules[0].Definition
	}
	known := map[string]string{}
	for _, text := range []string{
		"pattern: abc", "pattern: abd", "pattern: abc, where: {log.facility: kern}", "pattern: abc, message: b",
		"pattern: abc, window: {lines: 2}", "pattern: abc, severity: error", "pattern: abc, tests: {match: [abc]}",
	} {
		of := definition(text)
		require.Equal(t, of, definition(text))
		require.NotContains(t, known, of)
		known[of] = text
	}
}

func TestFilesAreThePacksWithAPath(t *testing.T) {
	config := rules.DefaultConfig(packs.FS)
	config.Packs = []string{"kernel", "disk.yaml", "/etc/otelnpd/net", "other.yml"}
	require.Equal(t, []string{"disk.yaml", "/etc/otelnpd/net", "other.yml"}, config.Files())
}

func TestDeclareNothingWhereSomethingIsWrong(t *testing.T) {
	config := decode(t, `packs: [nowhere]`)
	require.Empty(t, config.Declare())
	require.Empty(t, config.Warnings())
	_, err := rules.NewFactory(packs.FS).Create(settings(t), config, nil)
	require.Error(t, err)
}

func TestWarnings(t *testing.T) {
	config := decode(t, `rules:
  - {id: fast, pattern: 'abc', reason: A}
  - {id: slow, pattern: '\d+ \w+', reason: A}
  - {id: half, pattern: 'abc', reason: A, condition: C, clear: {by: recovery, pattern: 'ok|\d+'}}`)
	require.NoError(t, config.Validate())
	require.Equal(t, []string{
		`rules[1]: rule slow: every line is asked for its pattern "\\d+ \\w+": it requires no text of 3 bytes or more that could be looked for first`,
		`rules[2]: rule half: every line is asked for its clear.pattern "ok|\\d+": it requires no text of 3 bytes or more that could be looked for first`,
	}, messages(errors.Join(config.Warnings()...)))
}
