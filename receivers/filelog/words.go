package filelog

import "github.com/otelnpd/otelnpd/receivers/filelog/format"

// Format is the name of a form of lines.
type Format string

// Words are the forms that there are.
func (Format) Words() []string { return format.Names() }

// Unparsed says what becomes of lines that have not the form.
type Unparsed string

// What may become of them.
const (
	UnparsedTake Unparsed = "take"
	UnparsedSkip Unparsed = "skip"
)

// Words are what may become of them.
func (Unparsed) Words() []string { return []string{string(UnparsedTake), string(UnparsedSkip)} }

// StartAt says where in a file to begin.
type StartAt string

// Where to begin.
const (
	StartAtLookback  StartAt = "lookback"
	StartAtBeginning StartAt = "beginning"
	StartAtEnd       StartAt = "end"
)

// Words are the places where one may begin.
func (StartAt) Words() []string {
	return []string{string(StartAtLookback), string(StartAtBeginning), string(StartAtEnd)}
}
