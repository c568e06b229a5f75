package manual

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const page = `<!-- commands: node -->
# A page

  1. first

     ~~~yaml file=dir/a.yaml
     key:
       - value
     ~~~

` + "```console test" + `
$ for i in 1 2; do
    echo "$i"
  done
1
2

# cat <<'EOF' |
$ not a command
EOF
  tr a-z A-Z
…
$ NOT …
$ echo \
  b
b
` + "```" + `

` + "````markdown" + `
` + "```console test" + `
$ shown, and not run
` + "```" + `
` + "````" + `
`

func TestParse(t *testing.T) {
	parsed, err := Parse("page.md", []byte(page))
	require.NoError(t, err)
	require.Equal(t, &Page{Name: "page.md", Environment: "node", Steps: []Step{
		{Line: 6, File: "dir/a.yaml", Content: "key:\n  - value\n"},
		{Line: 12, Command: "for i in 1 2; do\n    echo \"$i\"\n  done", Output: []Expected{{15, "1"}, {16, "2"}}},
		{Line: 18, Command: "cat <<'EOF' |\n$ not a command\nEOF\n  tr a-z A-Z"},
		{Line: 23, Command: "NOT …"},
		{Line: 24, Command: "echo \\\n  b", Output: []Expected{{26, "b"}}},
	}}, parsed)
}

// block makes a page with a block of console.
func block(lines string) string {
	return "<!-- commands: node -->\n```console test\n" + lines + "```\n"
}

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct{ source, want string }{
		"no comment":             {"```console test\n$ true\n```\n", "page.md:2: the page does not say what its commands need"},
		"no comment for a file":  {"\n```yaml file=a\n```\n", "page.md:2: the page does not say what its commands need"},
		"nothing to run":         {"<!-- commands: node -->\n\n```console\n$ true\n```\n", "page.md:1: the page says what its commands need, and has no block"},
		"an unknown environment": {"<!-- commands: moon -->\n", `page.md:1: commands: "moon" is unknown: write one of [clone node cluster]`},
		"two comments":           {block("$ true\n") + "\n<!-- commands: node -->\n", "page.md:6: commands: there is such a comment above"},
		"a late comment":         {"\n\n\n\n\n\n\n\n\n\n\n" + block("$ true\n"), "page.md:12: commands: move the comment to the first 10 lines"},
		"an unknown word":        {"```console tests\n```\n", "page.md:1: \"tests\" is unknown: write `console test` or `console file=NAME`"},
		"a test of another kind": {"```bash test\n```\n", `page.md:1: "test" is unknown`},
		"a file elsewhere":       {block("$ true\n") + "```yaml file=../a\n```\n", "page.md:5: file=../a: write a path below the working folder"},
		"output alone":           {block("out\n$ true\n"), "page.md:3: a block begins with a command"},
		"an incomplete loop":     {block("$ while true; do\n"), "page.md:3: `while true; do` is not complete"},
		"an incomplete document": {block("$ cat <<EOF\n  EOF\n"), "page.md:3: `cat <<EOF\n  EOF` is not complete"},
		"a backslash at the end": {block("$ echo \\\n"), "page.md:3: `echo \\` is not complete: it ends with a backslash"},
		"no command of bash":     {block("$ echo )\n"), "page.md:3: bash does not understand `echo )`"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("page.md", []byte(test.source))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestMissing(t *testing.T) {
	expect := func(lines ...string) (expected []Expected) {
		for i, line := range lines {
			expected = append(expected, Expected{i, line})
		}
		return expected
	}
	const output = "NAME     AGE\nnode-1   3s  \n\n\ta (b) c\n"
	for _, lines := range [][]string{{}, {"NAME AGE", "node-1 …"}, {"node-1  3s"}, {"… (b) c"}, {"N…E", "a (…) c"}} {
		_, missing := Missing(expect(lines...), output)
		require.False(t, missing, "%q", lines)
	}
	for _, test := range []struct {
		want  string
		lines []string
	}{
		{"NAME", []string{"NAME"}},
		{"node-1", []string{"node-1"}},
		{"NAME AGE", []string{"node-1 3s", "NAME AGE"}},
		{"a b c", []string{"a b c"}},
		{"… d", []string{"NAME AGE", "… d"}},
		{"node-1 …", []string{"node-1 3s", "node-1 …"}}, // a line of the page is a line of the output
	} {
		missing, ok := Missing(expect(test.lines...), output)
		require.True(t, ok, "%q", test.lines)
		require.Equal(t, test.want, missing.Text)
	}
}
