package prefilter

import (
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func parse(t testing.TB, pattern string) *syntax.Regexp {
	t.Helper()
	re, err := syntax.Parse(pattern, syntax.Perl)
	require.NoError(t, err)
	return re
}

func TestRequired(t *testing.T) {
	for name, test := range map[string]struct {
		pattern string
		want    []string
	}{
		"a literal":                               {`Remounting filesystem read-only`, []string{"remounting filesystem read-only"}},
		"the longest of several":                  {`task [\S ]+:\w+ blocked for more than \w+ seconds\.`, []string{" blocked for more than "}},
		"branches that share a head":              {`critical (medium|target) error`, []string{"critical medium error", "critical target error"}},
		"branches each with a literal":            {`abc.*|.*def`, []string{"abc", "def"}},
		"a branch without literal":                {`abcdef|\d+`, nil},
		"an optional part":                        {`abcde(fgh)?`, []string{"abcde", "abcdefgh"}},
		"optional and repeated parts break":       {`abc\d*defg`, []string{"defg"}},
		"a part that comes at least once":         {`(hung task)+`, []string{"hung task"}},
		"counted repeats":                         {`(?:ab){2,3}c`, []string{"ababc", "abababc"}},
		"anchors have no width":                   {`^\bpanic\b$`, []string{"panic"}},
		"folded letters outside ASCII":            {`(?i)task`, []string{"taſk", "task", "tas\u212a", "taſ\u212a"}},
		"a folded letter in a class":              {`[Tt]imeout`, []string{"timeout"}},
		"a class with few runes":                  {`md[01]: bad`, []string{"md0: bad", "md1: bad"}},
		"a newline breaks, lines are looked at":   {`first line\nand`, []string{"first line"}},
		"the replacement rune stands for any":     {"abc\uFFFDdefg", []string{"defg"}},
		"too short":                               {`ab`, nil},
		"one literal too short":                   {`abcdef|ab`, nil},
		"anything":                                {`.*`, nil},
		"the empty text":                          {``, nil},
		"nothing at all":                          {`[^\x00-\x{10FFFF}]`, nil},
		"non-ASCII letters":                       {`(?i)état`, []string{"état", "État"}},
		"captures":                                {`nvme (?P<dev>nvme\d+): controller is down`, []string{": controller is down"}},
		"an empty branch":                         {`(abc|)defg`, []string{"defg", "abcdefg"}},
		"nested stars know nothing":               {`((abc)*)*`, nil},
		"more branches than are spelt out":        {strings.Repeat("abc\\w|", 70) + "abc", []string{"abc"}},
		"branches beside what they share":         {`NVRM: Xid|NVRM: .*fallen off`, []string{"nvrm: xid", "fallen off"}},
		"branches within branches":                {`ab(?:c(?:defg|.*hijklmno)|.*pqrstuvw)`, []string{"abcdefg", "hijklmno", "pqrstuvw"}},
		"branches that require the same":          {`foo \d+ bars|foo \w+ bars`, []string{" bars"}},
		"equal in length, fewer alternatives win": {`(?:abcd|efgh)\wijkl`, []string{"ijkl"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Required(parse(t, test.pattern))
			require.ElementsMatch(t, test.want, got)
		})
	}
}
