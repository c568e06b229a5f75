// Package manual runs the commands that pages of the documentation tell to type,
// and compares what comes out with what the pages say.
//
// A page says on its first lines, by a comment, what its commands need, and marks what
// can be run there:
//
//	<!-- commands: node -->
//
//	```yaml file=otelnpd.yaml          is written to the working folder
//	```console test                    is run, in one shell a page
//	$ otelnpd validate --config otelnpd.yaml
//	otelnpd.yaml: valid…
//
// A line that begins with "$ " or "# " is a command, which goes on below as long as bash
// finds it incomplete. What follows is lines of its output.
package manual

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// Page is what is to be done of a page, in its order.
type Page struct {
	// Name is the page's path, for messages.
	Name string
	// Environment is clone, node or cluster; empty: nothing of the page is run.
	Environment string
	Steps       []Step
}

// Step is a file to write or a command to run.
type Step struct {
	// Line is where it stands in the page, counted from 1.
	Line int
	// File is the name of a file below the working folder, with its Content; empty: it
	// is a command.
	File, Content string
	// Command is what bash is to run.
	Command string
	// Output are lines that must come out of it.
	Output []Expected
}

// Expected is a line of output as the page shows it.
type Expected struct {
	Line int
	Text string
}

// firstLines is how far down the comment may stand.
const firstLines = 10

var environments = []string{"clone", "node", "cluster"}

// Parse reads a page. The error joins all that is wrong, each with its line.
func Parse(name string, source []byte) (*Page, error) {
	r := &reader{page: &Page{Name: name}, source: source}
	document := goldmark.DefaultParser().Parse(text.NewReader(source))
	err := ast.Walk(document, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		switch node := node.(type) {
		case *ast.HTMLBlock:
			if entering {
				r.comment(node)
			}
		case *ast.FencedCodeBlock:
			if entering {
				r.block(node)
			}
		}
		return ast.WalkContinue, nil
	})
	r.errs = append(r.errs, err)
	r.check()
	return r.page, errors.Join(r.errs...)
}

// reader collects what a page has.
type reader struct {
	page   *Page
	source []byte
	errs   []error
}

func (r *reader) fail(line int, format string, values ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %s", r.page.Name, line, fmt.Sprintf(format, values...)))
}

func (r *reader) lineOf(segment text.Segment) int {
	return 1 + bytes.Count(r.source[:segment.Start], []byte("\n"))
}

var commandsComment = regexp.MustCompile(`<!--\s*commands:\s*(.*?)\s*-->`)

func (r *reader) comment(node *ast.HTMLBlock) {
	for _, segment := range node.Lines().Sliced(0, node.Lines().Len()) {
		found := commandsComment.FindSubmatch(segment.Value(r.source))
		if found == nil {
			continue
		}
		line, environment := r.lineOf(segment), string(found[1])
		switch {
		case !slices.Contains(environments, environment):
			r.fail(line, "commands: %q is unknown: write one of %v", environment, environments)
		case r.page.Environment != "":
			r.fail(line, "commands: there is such a comment above: a page has one")
		case line > firstLines:
			r.fail(line, "commands: move the comment to the first %d lines", firstLines)
		}
		r.page.Environment = environment
	}
}

// block takes a fenced block by the words behind its fence.
func (r *reader) block(node *ast.FencedCodeBlock) {
	if node.Info == nil {
		return
	}
	line := r.lineOf(node.Info.Segment)
	words := strings.Fields(string(node.Info.Value(r.source)))
	for _, word := range words[min(1, len(words)):] {
		name, isFile := strings.CutPrefix(word, "file=")
		switch {
		case isFile && filepath.IsLocal(name):
			r.page.Steps = append(r.page.Steps, Step{Line: line, File: name, Content: string(node.Lines().Value(r.source))})
		case isFile:
			r.fail(line, "file=%s: write a path below the working folder", name)
		case word == "test" && words[0] == "console":
			r.commands(r.lines(node))
		default:
			r.fail(line, "%q is unknown: write `console test` or `%s file=NAME`", word, words[0])
		}
	}
}

func (r *reader) lines(node *ast.FencedCodeBlock) (lines []Expected) {
	for _, segment := range node.Lines().Sliced(0, node.Lines().Len()) {
		lines = append(lines, Expected{Line: r.lineOf(segment), Text: strings.TrimRight(string(segment.Value(r.source)), "\n")})
	}
	return lines
}

// check compares the comment with what there is to run.
func (r *reader) check() {
	hasCommands := slices.ContainsFunc(r.page.Steps, func(s Step) bool { return s.Command != "" })
	switch {
	case r.page.Environment == "" && len(r.page.Steps) > 0:
		r.fail(r.page.Steps[0].Line, "the page does not say what its commands need: write <!-- commands: X --> on its first lines, X one of %v", environments)
	case r.page.Environment != "" && !hasCommands:
		r.fail(1, "the page says what its commands need, and has no block `console test`")
	}
}
