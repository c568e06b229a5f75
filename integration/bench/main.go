// Command bench measures what is built here and prints it as tables in Markdown:
// what a line costs beside the reference implementation, and what the agent costs
// as a process. `make bench` runs it. What go test printed is left in
// dist/bench, for benchstat.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// run is one call of go test.
type run struct {
	name, title string
	// dir is relative to the agent's module.
	dir  string
	args []string
}

var runs = []run{
	{"lines", "What a line costs", ".", []string{
		"-bench", ".", "-benchmem", "-benchtime", "300ms", "./processors/rules/...", "./pipeline/source/kmsg/..."}},
	{"journal", "The journal: 200,000 entries, of which a share matches, beside journalctl -o export", ".", []string{
		"-bench", "Journal", "-benchmem", "-benchtime", "5x", "./pipeline/source/journal/..."}},
	{"files", "Text files: lines of about 90 bytes, beside a loop over bufio.Scanner; a file that nobody writes; memory", ".", []string{
		"-bench", "File", "-benchmem", "-benchtime", "3x", "./pipeline/source/file", "./receivers/filelog"}},
	{"start", "The process: start", "integration", []string{"-bench", "Start", "-benchtime", "20x", "."}},
	{"latency", "The process: from /dev/kmsg to what it tells", "integration", []string{"-bench", "Latency", "-benchtime", "200x", "."}},
	{"burst", "The process: 100,000 lines at full speed", "integration", []string{"-bench", "Burst", "-benchtime", "5x", "."}},
	{"idle", "The process: 10 s with nothing to do", "integration", []string{"-bench", "Idle", "-benchtime", "1x", "."}},
}

func main() {
	if err := measure(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(out io.Writer) error {
	root, err := agent.Root()
	if err != nil {
		return err
	}
	folder := filepath.Join(root, "dist", "bench")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", machine())
	var errs []error
	for _, r := range runs {
		errs = append(errs, r.measure(out, root, folder))
	}
	return errors.Join(errs...)
}

// measure prints the table of a run, of what there is where a part of it failed.
func (r *run) measure(out io.Writer, root, folder string) error {
	args := append([]string{"test", "-run", "^$", "-timeout", "30m"}, r.args...)
	fmt.Fprintf(out, "\n## %s\n\n    (cd %s && go %s)\n\n", r.title, r.dir, strings.Join(args, " "))
	cmd := exec.Command("go", args...)
	cmd.Dir = filepath.Join(root, r.dir)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, os.Stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", r.title, err, output.Bytes())
	}
	printTable(out, parse(output.Bytes()))
	return errors.Join(err, os.WriteFile(filepath.Join(folder, r.name+".txt"), output.Bytes(), 0o644))
}

// machine tells what the figures were measured on.
func machine() string {
	facts := []string{"Command: make bench"}
	for _, ask := range []struct{ what, command string }{
		{"Go", "go version"},
		{"Commit", "git describe --always --dirty"},
		{"Kernel", "uname -sr"},
		{"Processors", "nproc"},
		{"Model", "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1"},
		{"Memory", "sed -n 's/^MemTotal: *//p' /proc/meminfo"},
		{"Load before", "cut -d' ' -f1-3 /proc/loadavg"},
	} {
		answer, err := exec.Command("sh", "-c", ask.command).Output()
		if err != nil {
			answer = []byte("unknown")
		}
		facts = append(facts, ask.what+": "+strings.TrimSpace(string(answer)))
	}
	return strings.Join(facts, "\n")
}
