package checks

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// Limit is one limit of a figure, with the gap that keeps a figure near it from
// turning the problem on and off.
type Limit struct {
	// Enter is the figure from which it is a problem; 0: there is no such limit.
	Enter float64 `yaml:"enter"`
	// Leave is the figure below which the problem is over, at most `enter`; 0: the same as
	// `enter`.
	Leave float64 `yaml:"leave"`
	// For is how long the figure must have been too high before that is told; at most
	// 168h.
	For time.Duration `yaml:"for"`
	// Reason is the CamelCase word of the problem.
	Reason string `yaml:"reason"`
}

// set tells whether there is such a limit.
func (l *Limit) set() bool { return l.Enter != 0 }

// leave is the figure below which the problem is over.
func (l *Limit) leave() float64 {
	if l.Leave == 0 {
		return l.Enter
	}
	return l.Leave
}

// judge says on which side of the limit a figure is, of which it is known that it is
// from least to most. between tells that it is on neither: what was before goes on.
func (l *Limit) judge(least, most float64) (state pipeline.State, between bool) {
	switch {
	case least >= l.Enter:
		return pipeline.StateProblem, false
	case max(least, most) < l.leave():
		return pipeline.StateOK, false
	}
	return pipeline.StateOK, true
}

const maxLasting = 7 * 24 * time.Hour

func (l *Limit) validate(u unit) error {
	if !l.set() {
		return nil
	}
	var errs []error
	fail := func(key, format string, args ...any) {
		errs = append(errs, pipeline.At(key, fmt.Errorf(format, args...)))
	}
	if l.Enter < 0 || l.Enter > u.most {
		fail("enter", "%s is out of range: write more than 0 and at most %s, or 0 for no limit", u.text(l.Enter), u.text(u.most))
	}
	if l.Leave < 0 || l.Leave > l.Enter {
		fail("leave", "%s is out of range: write at most %s, which is enter; left out it has its default", u.text(l.Leave), u.text(l.Enter))
	}
	if l.For < 0 || l.For > maxLasting {
		fail("for", "%s is out of range: write at most %s", l.For, maxLasting)
	}
	errs = append(errs, pipeline.At("reason", condition.ValidateReason(l.Reason)))
	return errors.Join(errs...)
}

// unit is what the limits of a check count.
type unit struct {
	sign string // behind the number
	most float64
}

// The units.
var (
	percent = unit{sign: " %", most: 100}
	count   = unit{most: 1e12}
	seconds = unit{sign: " s", most: 1e9}
)

// text writes a limit with its unit: as it was configured, however small it is.
func (u unit) text(limit float64) string {
	if math.Round(limit*10)/10 != limit {
		return strconv.FormatFloat(limit, 'f', -1, 64) + u.sign
	}
	return decimal(limit) + u.sign
}
