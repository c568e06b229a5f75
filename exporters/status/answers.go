package status

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/health"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

const (
	plainText = "text/plain; charset=utf-8"
	jsonText  = "application/json"
)

type answers struct {
	sources    Sources
	stallLimit time.Duration
}

func (a *answers) report() health.Report {
	return health.Assess(a.sources.Version, a.sources.Components(), a.sources.Stalled(a.stallLimit))
}

// healthz answers ok, with 503 only when the process makes no progress: a
// liveness probe that fails restarts the agent, which mends nothing else.
func (a *answers) healthz(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("verbose") {
		a.verbose(w, r)
		return
	}
	stalled := a.sources.Stalled(a.stallLimit)
	report := health.Report{Healthy: len(stalled) == 0, Stalled: stalled}
	answer(w, report.Healthy, report.Problems())
}

// verboseReport is the agent's health, and what operators keep it from telling.
type verboseReport struct {
	health.Report
	Silences []Silence `json:"silences,omitempty"`
}

func (r *verboseReport) writeText(to *bytes.Buffer) error {
	if err := r.WriteText(to); err != nil {
		return err
	}
	for i, silence := range r.Silences {
		if i == 0 {
			to.WriteByte('\n')
		}
		fmt.Fprintf(to, "rule %s is silenced until %s\n", terminal.Text(silence.Rule), silence.Until.UTC().Format(time.RFC3339))
	}
	return nil
}

func (a *answers) verbose(w http.ResponseWriter, r *http.Request) {
	report := verboseReport{Report: a.report()}
	if a.sources.Silences != nil {
		report.Silences = a.sources.Silences()
	}
	var body bytes.Buffer
	var err error
	contentType := plainText
	if wantsJSON(r) {
		contentType = jsonText
		err = json.NewEncoder(&body).Encode(report)
	} else {
		err = report.writeText(&body)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, code(report.Healthy), contentType, body.Bytes())
}

// readyz answers ok, or 503 and what is starting, degraded or stalled.
func (a *answers) readyz(w http.ResponseWriter, _ *http.Request) {
	report := a.report()
	answer(w, report.Ready, report.Problems())
}

// condition is a condition in node-problem-detector's shape.
type condition struct {
	Type       string                   `json:"type"`
	Status     pipeline.ConditionStatus `json:"status"`
	Transition time.Time                `json:"transition"`
	Reason     string                   `json:"reason"`
	Message    string                   `json:"message"`
}

// conditions answers a JSON list, or null when there are none, as
// node-problem-detector does.
func (a *answers) conditions(w http.ResponseWriter, _ *http.Request) {
	var list []condition
	for _, c := range a.sources.Conditions() {
		list = append(list, condition{
			Type: c.Type, Status: c.Status, Transition: c.LastTransitionTime, Reason: c.Reason, Message: c.Message,
		})
	}
	body, err := json.Marshal(list)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, http.StatusOK, jsonText, body)
}

func answer(w http.ResponseWriter, good bool, problems []string) {
	body := "ok"
	if !good {
		body = strings.Join(problems, "\n") + "\n"
	}
	write(w, code(good), plainText, []byte(body))
}

func write(w http.ResponseWriter, code int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	// An error here is a client that has gone.
	_, _ = io.Copy(w, bytes.NewReader(body))
}

func code(good bool) int {
	if good {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), jsonText)
}
