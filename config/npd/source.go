package npd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"unicode/utf8"

	"github.com/otelnpd/otelnpd/pipeline/regularfile"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// maxFileBytes bounds a JSON file. Those that node-problem-detector ships have a
// few KiB.
const maxFileBytes = 1 << 20

// source is a JSON file that is being read, and what was found in it.
type source struct {
	name     string
	data     []byte
	errs     strictyaml.Errors
	warnings []Warning
}

// readSource reads a file. Where that fails, the source tells why.
func readSource(path string) *source {
	s := &source{name: path}
	data, err := regularfile.ReadInput(path, maxFileBytes+1)
	switch pathError := (*fs.PathError)(nil); {
	case errors.As(err, &pathError):
		s.failAt(0, "", fmt.Sprintf("cannot be read (%s): write the path of a file that is there", pathError.Err))
	case err != nil:
		s.failAt(0, "", fmt.Sprintf("cannot be read (%s)", err))
	case len(data) > maxFileBytes:
		s.failAt(0, "", fmt.Sprintf("has more than %d bytes: split it into several files", maxFileBytes))
	}
	s.data = data
	return s
}

// position returns where an offset stands.
func (s *source) position(offset int) strictyaml.Position {
	before := s.data[:min(offset, len(s.data))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return strictyaml.Position{Line: 1 + bytes.Count(before, []byte("\n")), Column: 1 + utf8.RuneCount(before[start:])}
}

func (s *source) failAt(offset int, key, message string) {
	at := s.position(offset)
	s.errs = append(s.errs, strictyaml.Error{File: s.name, Line: at.Line, Column: at.Column, Key: key, Message: message})
}

func (s *source) warnAt(offset int, key, message string) {
	at := s.position(offset)
	if key != "" {
		message = key + ": " + message
	}
	s.warnings = append(s.warnings, Warning{File: s.name, Line: at.Line, Column: at.Column, Message: message})
}
