package prefilter

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// seeds are patterns and lines at the borders of what can be known.
var seeds = [][2]string{
	{`(?i)task`, "ta\u017fK"},
	{`(?i)task`, "tas\u212a"},
	{`(?i:k)ernel`, "\u212aernel"},
	{"abc\uFFFDdef", "abc\xffdef"},
	{"[\uFFFDx]abc", "\xffabc"},
	{`abc|`, ""},
	{`(abc)?def`, "def"},
	{`(abc){0}def`, "def"},
	{`(?:abc){0,2}`, ""},
	{`a(?:bcd|e)f`, "aef"},
	{`foo\nbar`, "foo\nbar"},
	{`(?s)foo.bar`, "foo\nbar"},
	{`\bfoo\b`, "a foo b"},
	{`^foo$`, "foo"},
	{`[^a]oops: `, "\xfeoops: "},
	{`(?i)ÉTAT`, "état"},
	{`(?i)ß{3}`, "ßẞß"},
	{`EDAC MC\d`, "edac mc0 EDAC MC1"},
	{`x*panic`, "panic"},
	{`(?:panic|Oops|BUG: )+`, "BUG: BUG: "},
	{`\Qa.b.c\E`, "A.B.C a.b.c"},
	{`(?U)lockup.*`, "soft lockup"},
}

// requireSound checks that a line which the expression matches, alone or beside
// others, is a candidate.
func requireSound(t require.TestingT, pattern, line string) {
	re, err := regexp.Compile(pattern)
	if err != nil || len(pattern) > 200 {
		return
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	require.NoError(t, err)
	other, err := syntax.Parse(`xyz|something else`, syntax.Perl)
	require.NoError(t, err)
	if !re.MatchString(line) {
		return
	}
	require.Contains(t, New([]*syntax.Regexp{parsed}).Candidates([]byte(line)), int32(0), "%q matches %q", pattern, line)
	beside := New([]*syntax.Regexp{other, parsed, other})
	for range 2 {
		require.Contains(t, beside.Candidates([]byte(line)), int32(1), "%q matches %q", pattern, line)
		beside.Candidates([]byte("an ordinary line"))
	}
}

func FuzzCandidates(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, line string) { requireSound(t, pattern, line) })
}

// patterns draws expressions of every kind, made of few letters so that lines
// match them.
func patterns() *rapid.Generator[string] {
	atom := rapid.SampledFrom([]string{
		"abc", "task", "Kk", "s", "[abc]", "[ab-d]", "[^a]", ".", `\d`, `\w`, `\b`, `\s`, "é", "\u212a", "^", "$", "\n", "\uFFFD", "", "lockup", "soft ",
	})
	return rapid.Custom(func(t *rapid.T) string { return drawPattern(t, atom, 3) })
}

func drawPattern(t *rapid.T, atom *rapid.Generator[string], depth int) string {
	if depth == 0 {
		return atom.Draw(t, "atom")
	}
	sub := func() string { return drawPattern(t, atom, depth-1) }
	switch rapid.IntRange(0, 8).Draw(t, "kind") {
	case 0, 1, 2:
		return sub() + sub()
	case 3:
		return "(?:" + sub() + "|" + sub() + ")"
	case 4:
		return "(?:" + sub() + ")" + rapid.SampledFrom([]string{"*", "+", "?", "{2}", "{0,1}", "{1,3}", "*?"}).Draw(t, "times")
	case 5:
		return "(?i:" + sub() + ")"
	case 6:
		return "(?s:" + sub() + ")"
	case 7:
		return "(" + sub() + ")"
	default:
		return atom.Draw(t, "atom")
	}
}

func lines() *rapid.Generator[string] {
	word := rapid.SampledFrom([]string{
		"abc", "ABC", "task", "TAſK", "tas\u212a", "Kk", "\u212ak", "s", "ſ", "a", "b", "d", "é", "É", " ", "\n", "\xff", "\uFFFD", "0", "lockup", "soft ", "_",
	})
	return rapid.Custom(func(t *rapid.T) string {
		line := ""
		for _, w := range rapid.SliceOfN(word, 0, 12).Draw(t, "words") {
			line += w
		}
		return line
	})
}

func TestWhatMatchesIsACandidate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		requireSound(t, patterns().Draw(t, "pattern"), lines().Draw(t, "line"))
	})
}

// TestLiteralsAreFound compares the search for literals with the plainest one.
func TestLiteralsAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		literals := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab@\x60{\[]{3,12}`), 1, 20, rapid.ID[string]).Draw(t, "literals")
		text := []byte(rapid.StringMatching(`[abAB@\x60{\[ ]{0,60}`).Draw(t, "text"))
		ids := make([]int32, len(literals))
		folded := make([]byte, len(text))
		for i, c := range text {
			folded[i] = lower[c]
		}
		var want []int32
		for i, literal := range literals {
			ids[i] = int32(i)
			for at := range folded {
				if hasPrefix(folded[at:], literal) {
					want = append(want, int32(i))
				}
			}
		}
		got := newBlocks(literals, ids).find(text, nil)
		slices.Sort(got)
		require.Equal(t, want, got)
	})
}
