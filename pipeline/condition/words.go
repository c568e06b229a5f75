package condition

import (
	"errors"
	"fmt"
	"regexp"

	"go.opentelemetry.io/otel/log"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// DefaultSource is what Events name as their component unless set.
const DefaultSource = "otelnpd"

// Mode says in YAML whether what a rule or check sees has consequences.
type Mode string

// The modes.
const (
	// ModeEnforce acts on conditions and makes Events (the default).
	ModeEnforce Mode = "enforce"
	// ModeObserve does neither.
	ModeObserve Mode = "observe"
)

// Words are the modes that there are; none is the default.
func (Mode) Words() []string { return []string{"", string(ModeEnforce), string(ModeObserve)} }

// SeverityWord says in YAML how grave a problem is.
type SeverityWord string

const defaultSeverity SeverityWord = "warn"

// severities are those that there are, the gravest last.
var severities = []struct {
	word     SeverityWord
	severity log.Severity
}{
	{"debug", log.SeverityDebug},
	{"info", log.SeverityInfo},
	{defaultSeverity, log.SeverityWarn},
	{"error", log.SeverityError},
	{"fatal", log.SeverityFatal},
}

// Words are the severities that there are, the gravest last; none is the default.
func (SeverityWord) Words() []string {
	words := []string{""}
	for _, one := range severities {
		words = append(words, string(one.word))
	}
	return words
}

// Severity is what the word stands for: that of warn where it is empty or unknown.
func (w SeverityWord) Severity() log.Severity {
	for _, one := range severities {
		if one.word == w {
			return one.severity
		}
	}
	return log.SeverityWarn
}

// Validate tells whether the word is a severity.
func (w SeverityWord) Validate() error {
	if pipeline.CheckWord(w) == nil {
		return nil
	}
	return fmt.Errorf("%.200q is unknown: %s", string(w), strictyaml.Suggest(string(w), w.Words()[1:]))
}

var classPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// ValidateClass checks a class of problems; it may be empty.
func ValidateClass(class string) error {
	if class == "" || classPattern.MatchString(class) {
		return nil
	}
	return fmt.Errorf("%.200q is no class: write lower-case words joined by dashes, for example hung-task", class)
}

// Validate tells whether the former name names anything.
func (f Former) Validate() error {
	if f.ID == "" && f.Reason == "" {
		return errors.New("names nothing: write the id or the reason that the rule had")
	}
	return nil
}
