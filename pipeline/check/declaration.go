package check

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// The bounds of a declaration.
const (
	maxThreshold = 1000
	maxLasting   = 7 * 24 * time.Hour
)

// Declaration is how the verdicts of a check are judged. In YAML its keys stand
// beside those that say what the check asks.
type Declaration struct {
	// Condition is the condition type that the check acts on; empty: it makes events
	// only.
	Condition string `yaml:"condition"`
	// Reason is a CamelCase word for machines.
	Reason string `yaml:"reason"`
	// Class of problem, for example clock-unsynchronized.
	Class string `yaml:"class"`
	// Severity of the problem; empty: warn. Kubernetes Events are of type Warning from
	// warn up.
	Severity condition.SeverityWord `yaml:"severity"`
	// Source is the component that Kubernetes Events name; empty: otelnpd.
	Source string `yaml:"source"`
	// FailureThreshold is how many problems in a row it takes, 1 to 1000; 0: 1.
	FailureThreshold int `yaml:"failure_threshold"`
	// SuccessThreshold is how many times in a row all must be well before the problem
	// is over, 1 to 1000; 0: 1.
	SuccessThreshold int `yaml:"success_threshold"`
	// For is how long the problem must have lasted, judged at each run; at most 168h.
	For time.Duration `yaml:"for"`
	// Until is how long all must have been well before the problem is over; at most
	// 168h.
	Until time.Duration `yaml:"until"`
	// UpdateMessage lets a repeat change the condition's message.
	UpdateMessage bool `yaml:"update_message"`
	// Mode is `enforce` (the default), or `observe`: no condition, no Event, no problem on
	// the console, only the agent's own metrics.
	Mode condition.Mode `yaml:"mode"`
	// MetricsReporting is false for a check that problem_counter and problem_gauge do
	// not count; left out: true.
	MetricsReporting *bool `yaml:"metrics_reporting"`
	// Formerly names what the check was called before, so that problems it holds are
	// not forgotten.
	Formerly []condition.Former `yaml:"formerly"`
}

// Validate reports all that is wrong, each error at its key.
func (d *Declaration) Validate() error {
	var errs []error
	fail := func(key string, err error) { errs = append(errs, pipeline.At(key, err)) }
	fail("reason", condition.ValidateReason(d.Reason))
	fail("class", condition.ValidateClass(d.Class))
	fail("severity", d.Severity.Validate())
	fail("failure_threshold", validateThreshold(d.FailureThreshold))
	fail("success_threshold", validateThreshold(d.SuccessThreshold))
	fail("for", validateLasting(d.For))
	fail("until", validateLasting(d.Until))
	fail("mode", pipeline.CheckWord(d.Mode))
	for i, former := range d.Formerly {
		fail(fmt.Sprintf("formerly[%d]", i), former.Validate())
	}
	return errors.Join(errs...)
}

func validateThreshold(n int) error {
	if n < 0 || n > maxThreshold {
		return fmt.Errorf("%d is out of range: write 1 to %d", n, maxThreshold)
	}
	return nil
}

func validateLasting(d time.Duration) error {
	if d < 0 || d > maxLasting {
		return fmt.Errorf("%s is out of range: write at most %s", d, maxLasting)
	}
	return nil
}

// Rule is what the condition store judges the check by. Without a condition it makes an
// Event once for each time that there is a problem (node-problem-detector's temporary
// rules make one at each run: they unset Once). asks is all else that the
// check's component judges by (a command, limits), as JSON can write it: where it
// differs, the check has changed.
func (d *Declaration) Rule(id string, asks any) condition.Rule {
	source := d.Source
	if source == "" {
		source = condition.DefaultSource
	}
	return condition.Rule{
		ID: id, Definition: definition(d, asks), Level: true, Once: true,
		Class: d.Class, Condition: d.Condition, Reason: d.Reason, Source: source, Severity: d.Severity.Severity(),
		FailureThreshold: d.FailureThreshold, SuccessThreshold: d.SuccessThreshold, For: d.For, Until: d.Until,
		Observe: d.Mode == condition.ModeObserve, UpdateMessage: d.UpdateMessage,
		Unreported: d.MetricsReporting != nil && !*d.MetricsReporting,
		Formerly:   d.Formerly,
	}
}

// definition identifies all that a check is judged by.
func definition(parts ...any) string {
	text, err := json.Marshal(parts)
	if err != nil { // configurations hold nothing that JSON cannot write
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}
