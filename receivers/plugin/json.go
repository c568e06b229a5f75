package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/check"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/receivers/plugin/command"
)

// maxLines is how many lines an output of JSON has.
const maxLines = 256

var metricPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.]{0,62}$`)

// line is a line of an output of JSON.
type line struct {
	status  string
	finding check.Finding
	metrics map[string]float64
}

// fromJSON reads an output of JSON. A fault in it makes the whole unknown, beside what
// other lines say; where there is none, the lines are all that there is.
func (a *asker) fromJSON(ctx context.Context, report check.Report, result *command.Result) (check.Report, map[series]float64) {
	lines, errs := a.lines(result)
	for i := range lines {
		report.Findings = append(report.Findings, lines[i].finding)
	}
	told, whole := figures(lines)
	if !whole {
		a.receiver.metrics.cut(ctx, cutSeries)
	}
	if len(errs) == 0 && a.contradicts(result, lines) {
		errs = append(errs, fmt.Errorf("%s, but no line tells of a problem: it may have failed before it was done", stateText(result.Status)))
	}
	if err := errors.Join(errs...); err != nil {
		a.receiver.metrics.fail(ctx, failedJSON)
		report.Findings = append(report.Findings, check.Finding{State: pipeline.StateUnknown, Message: fmt.Sprintf("%s: %v", a.asks.Path, err)})
		return report, told
	}
	report.Complete = true
	return report, told
}

// contradicts tells whether the exit code says that there is a problem and no line does.
// That is how shells (set -e) and Python end what fails in the middle: its lines are not
// all that there is.
func (a *asker) contradicts(result *command.Result, lines []line) bool {
	state, _ := a.judge(result.Status.ExitStatus())
	return state == pipeline.StateProblem &&
		!slices.ContainsFunc(lines, func(one line) bool { return one.finding.State == pipeline.StateProblem })
}

// figures gathers what lines tell, and tells whether that is all.
func figures(lines []line) (told map[series]float64, whole bool) {
	told = map[series]float64{}
	for i := range lines {
		for _, name := range slices.Sorted(maps.Keys(lines[i].metrics)) {
			if len(told) == maxSeries {
				return told, false
			}
			told[series{name, lines[i].finding.Instance}] = lines[i].metrics[name]
		}
	}
	return told, true
}

// lines reads the lines of an output, and tells all that is wrong with it.
func (a *asker) lines(result *command.Result) (lines []line, errs []error) {
	if state, _ := a.judge(result.Status.ExitStatus()); state == pipeline.StateUnknown {
		return nil, []error{errors.New(stateText(result.Status))}
	}
	if result.Truncated {
		errs = append(errs, fmt.Errorf("its output is longer than %d bytes", keepJSON))
	}
	n := 0
	for text := range bytes.Lines(result.Stdout) {
		text = bytes.TrimSpace(text)
		n++
		switch {
		case len(text) == 0:
		case len(lines) == maxLines:
			return lines, append(errs, fmt.Errorf("its output has more than %d lines", maxLines))
		default:
			one, err := parseLine(text)
			if err != nil {
				errs = append(errs, fmt.Errorf("line %d of its output: %w", n, err))
				continue
			}
			lines = append(lines, one)
		}
	}
	if len(lines) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("it has printed no line of JSON"))
	}
	const most = 4 // the others are of the same kind
	return lines, errs[:min(len(errs), most)]
}

// states are what a line may say.
var states = map[string]pipeline.State{
	"ok": pipeline.StateOK, "problem": pipeline.StateProblem, "unknown": pipeline.StateUnknown,
}

// parseLine reads an object with the keys status, reason, message, instance and
// metrics. encoding/json would take keys of another case, and keys twice.
func parseLine(text []byte) (line, error) {
	var one line
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := object(d, func(key string) error { return one.key(d, key) }); err != nil {
		return line{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return line{}, errors.New("there is more than one JSON value: write one a line")
	}
	return one, one.validate()
}

// object reads an object; member is called for each key, and reads its value.
func object(d *json.Decoder, member func(key string) error) error {
	opening, err := d.Token()
	if err != nil {
		return noJSON(err)
	}
	if opening != json.Delim('{') {
		return errors.New("is no JSON object {…}")
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return noJSON(err)
		}
		key := fmt.Sprint(token)
		if seen[key] {
			return fmt.Errorf("the key %.100q is there twice", key)
		}
		seen[key] = true
		if err := member(key); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return noJSON(err)
	}
	return nil
}

func noJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("is no JSON: it ends too early")
	}
	return fmt.Errorf("is no JSON: %w", err)
}

func (l *line) key(d *json.Decoder, key string) error {
	text := map[string]*string{
		"status": &l.status, "reason": &l.finding.Reason, "message": &l.finding.Message, "instance": &l.finding.Instance,
	}
	if into, ok := text[key]; ok {
		value, err := scalar[string](d, key, "text")
		*into = value
		return err
	}
	if key != "metrics" {
		return fmt.Errorf("the key %.100q is unknown: write status, reason, message, instance or metrics", key)
	}
	l.metrics = map[string]float64{}
	return object(d, func(name string) error {
		if !metricPattern.MatchString(name) {
			return fmt.Errorf("%.100q is no name of a metric: write letters, digits and any of _ . at most 63", name)
		}
		value, err := scalar[json.Number](d, name, "a number")
		if err != nil {
			return err
		}
		if l.metrics[name], err = strconv.ParseFloat(value.String(), 64); err != nil {
			return fmt.Errorf("metric %s: %.100s is out of range", name, value)
		}
		return nil
	})
}

// scalar reads a text or number.
func scalar[T string | json.Number](d *json.Decoder, key, want string) (value T, err error) {
	token, err := d.Token()
	if err != nil {
		return value, noJSON(err)
	}
	value, ok := token.(T)
	if !ok {
		return value, fmt.Errorf("%.100s: want %s", key, want)
	}
	return value, nil
}

func (l *line) validate() error {
	state, ok := states[l.status]
	if !ok {
		return fmt.Errorf("status: %.100q is none: write ok, problem or unknown", l.status)
	}
	l.finding.State = state
	if l.finding.Reason != "" {
		if err := condition.ValidateReason(l.finding.Reason); err != nil {
			return fmt.Errorf("reason: %w", err)
		}
	}
	return nil
}
