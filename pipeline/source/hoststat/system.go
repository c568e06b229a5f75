package hoststat

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode/utf8"
)

// readSystem reads what runs on the node. os-release is in /etc or, where nobody has
// put one there, in /usr/lib.
func (r *Reader) readSystem(s *System) error {
	s.OSErr = r.readOS(s)
	return r.proc("sys/kernel/osrelease", func(text []byte) error {
		line, _ := nextLine(text)
		s.KernelVersion = printable(string(line))
		if s.KernelVersion == "" {
			return errors.New("it is empty")
		}
		return nil
	})
}

func (r *Reader) readOS(s *System) error {
	text, err := r.view.ReadFile("/etc/os-release")
	if errors.Is(err, fs.ErrNotExist) {
		text, err = r.view.ReadFile("/usr/lib/os-release")
	}
	if err != nil {
		return fmt.Errorf("learn the operating system: %w", err)
	}
	return s.parseOS(text)
}

// parseOS reads os-release(5).
func (s *System) parseOS(text string) error {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			fields[key] = printable(unquote(value))
		}
	}
	s.ID, s.Name, s.VersionID, s.PrettyName = fields["ID"], fields["NAME"], fields["VERSION_ID"], fields["PRETTY_NAME"]
	if s.ID == "" {
		return errors.New("learn the operating system: os-release has no ID")
	}
	s.OSVersion = osVersion(fields)
	return nil
}

// osVersion is the words by which the metrics of node-problem-detector name a system:
// VERSION behind the ID, with the build where Container-Optimized OS has it.
func osVersion(fields map[string]string) string {
	version := fields["VERSION"]
	switch {
	case fields["ID"] == "cos" && fields["BUILD_ID"] != "":
		version += "-" + fields["BUILD_ID"]
	case version == "":
		version = fields["VERSION_ID"]
	}
	return strings.TrimSpace(fields["ID"] + " " + version)
}

// unquote undoes the quotes of a shell's assignment.
func unquote(value string) string {
	if len(value) < 2 || value[0] != value[len(value)-1] {
		return value
	}
	switch value[0] {
	case '\'':
		return value[1 : len(value)-1]
	case '"':
		return strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\$`, `$`, "\\`", "`").Replace(value[1 : len(value)-1])
	}
	return value
}

// printable makes a text such that it may be a label, and cuts it.
func printable(text string) string {
	const longest = 256
	text = clean(text)
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "")
	}
	return text
}

// clean replaces what no label can hold: control characters, and bytes that are not
// UTF-8. Names of interfaces and directories may have any.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(text, string(utf8.RuneError)))
}

// readCommandLine reads what the kernel was booted with.
func (r *Reader) readCommandLine(c *CommandLine) error {
	if err := r.proc("cmdline", c.parse); err != nil {
		return err
	}
	_, err := os.Lstat(r.view.SysPath("fs/cgroup/cgroup.controllers"))
	c.CgroupV2 = err == nil
	return nil
}

func (c *CommandLine) parse(text []byte) error {
	*c = CommandLine{}
	var signed, pinned bool
	for len(text) > 0 {
		var word []byte
		word, text = nextWord(text)
		key, value, has := strings.Cut(string(word), "=")
		var to *bool
		switch strings.ReplaceAll(key, "-", "_") { // to the kernel both are one
		case "csm.enabled":
			to = &c.KTD
		case "systemd.unified_cgroup_hierarchy":
			to = &c.UnifiedCgroups
		case "module.sig_enforce":
			to = &signed
		case "loadpin.enabled":
			to = &pinned
		default:
			continue
		}
		*to = !has || isOn(strings.Trim(value, `"'`))
	}
	c.ModuleIntegrity = signed && pinned
	return nil
}

// nextWord cuts the first word off a command line. Blanks between double quotes are of
// the word.
func nextWord(text []byte) (word, rest []byte) {
	text = bytes.TrimLeft(text, " \t\n")
	quoted := false
	for i, b := range text {
		switch {
		case b == '"':
			quoted = !quoted
		case !quoted && (b == ' ' || b == '\t' || b == '\n'):
			return text[:i], text[i:]
		}
	}
	return text, nil
}

// isOn reads what the kernel or systemd take for yes.
func isOn(value string) bool {
	switch strings.ToLower(value) {
	case "1", "y", "yes", "t", "true", "on":
		return true
	}
	return false
}
