package operator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// Refusal is what the agent said instead of doing as it was asked. It is
// ErrNotAllowed, ErrUnknownCondition, ErrUnknownRule or ErrReloadRefused where it
// was for that.
type Refusal struct {
	reason  error // one of the above, or nil
	message string
}

// Error is the agent's words, in one line or several, safe to show on a terminal.
func (r *Refusal) Error() string { return r.message }

// Is tells what the refusal was for.
func (r *Refusal) Is(target error) bool { return r.reason != nil && target == r.reason }

// refusal makes an error of an answer that is none.
func refusal(path string, response *http.Response, text []byte) error {
	var told wireError
	if err := json.Unmarshal(text, &told); err != nil || told.Error == "" {
		return fmt.Errorf("the agent answered %s; are agent and command of the same version?", response.Status)
	}
	lines := strings.Split(told.Error, "\n")
	for i, line := range lines {
		lines[i] = terminal.Text(line)
	}
	return &Refusal{reason: reasonOf(path, response.StatusCode), message: strings.Join(lines, "\n")}
}

func reasonOf(path string, code int) error {
	switch {
	case code == http.StatusForbidden:
		return ErrNotAllowed
	case code == http.StatusNotFound && path == pathClear:
		return ErrUnknownCondition
	case code == http.StatusNotFound:
		return ErrUnknownRule
	case code == http.StatusUnprocessableEntity:
		return ErrReloadRefused
	default:
		return nil
	}
}
