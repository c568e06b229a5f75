package manual

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// commands takes the lines of a block apart into commands with their output.
func (r *reader) commands(lines []Expected) {
	var step *Step
	add := func() {
		if step != nil {
			r.page.Steps = append(r.page.Steps, *step)
		}
	}
	for i := 0; i < len(lines); i++ {
		command, isCommand := commandOf(lines[i].Text)
		switch {
		case isCommand:
			add()
			step = &Step{Line: lines[i].Line}
			step.Command, i = r.whole(command, lines, i)
		case isBlank(lines[i].Text):
		case step == nil:
			r.fail(lines[i].Line, "a block begins with a command: write `$ ` before it")
		default:
			step.Output = append(step.Output, lines[i])
		}
	}
	add()
}

func commandOf(line string) (string, bool) {
	if command, ok := strings.CutPrefix(line, "$ "); ok {
		return command, true
	}
	return strings.CutPrefix(line, "# ")
}

// isBlank tells whether a line demands nothing.
func isBlank(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line == "…"
}

// whole adds lines to a command until bash finds it complete, and returns the number of
// the last one.
func (r *reader) whole(command string, lines []Expected, at int) (whole string, last int) {
	first := lines[at].Line
	for {
		incomplete, message := syntax(command)
		switch {
		case !incomplete && message != "":
			r.fail(first, "bash does not understand `%s`: %s", command, message)
			return command, at
		case !incomplete:
			return command, at
		case at+1 == len(lines):
			r.fail(first, "`%s` is not complete: %s", command, message)
			return command, at
		}
		at++
		command += "\n" + lines[at].Text
	}
}

var endOfFile = regexp.MustCompile(`unexpected end of file|unexpected EOF|delimited by end-of-file`)

// syntax asks bash whether a command is complete and what is wrong with it.
func syntax(command string) (incomplete bool, message string) {
	if strings.HasSuffix(command, `\`) {
		return true, "it ends with a backslash"
	}
	bash := exec.Command("bash", "-n", "-c", command)
	bash.Env = append(os.Environ(), "LC_ALL=C")
	output, err := bash.CombinedOutput()
	message = string(bytes.TrimSpace(output))
	if err != nil && message == "" {
		message = err.Error()
	}
	return endOfFile.MatchString(message), message
}
