// Package health says how the agent as a whole does: the one answer that the
// status page and the operator's socket both give.
package health

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// Report is the agent's health at one moment.
type Report struct {
	// Healthy is false only when the process makes no progress: a restart is the
	// remedy. What is degraded is retried, and needs no restart.
	Healthy bool `json:"healthy"`
	// Ready is true when the process makes progress and every component is ok.
	Ready bool `json:"ready"`
	// Version of the agent.
	Version string `json:"version"`
	// Stalled names the pipelines that make no progress.
	Stalled []string `json:"stalled,omitempty"`
	// Components are receivers, processors and exporters, in this order.
	Components []Component `json:"components"`
}

// Component is how one component does.
type Component struct {
	// Kind is receiver, processor or exporter.
	Kind string `json:"kind"`
	// ID is the component's id in the configuration.
	ID string `json:"id"`
	// State is starting, ok or degraded.
	State string `json:"state"`
	// Since is when State last changed.
	Since time.Time `json:"since"`
	// Reason says what is wrong, and Remedy what can be done about it.
	Reason string `json:"reason,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// Assess makes a report of the components' statuses and the names of the
// pipelines that make no progress.
func Assess(version string, components []pipeline.ComponentStatus, stalled []string) Report {
	report := Report{Healthy: len(stalled) == 0, Version: version, Stalled: slices.Clone(stalled), Components: []Component{}}
	report.Ready = report.Healthy
	for _, c := range components {
		if c.State != pipeline.ComponentOK {
			report.Ready = false
		}
		report.Components = append(report.Components, Component{
			Kind: c.Kind, ID: c.ID, State: c.State.String(), Since: c.Since.UTC(), Reason: c.Reason, Remedy: c.Remedy,
		})
	}
	return report
}

// Problems returns a line for each thing that keeps the agent from being ready.
// They are safe to show on a terminal.
func (r *Report) Problems() []string {
	var lines []string
	for _, name := range r.Stalled {
		lines = append(lines, terminal.Text("pipeline "+name+" makes no progress"))
	}
	for _, c := range r.Components {
		if c.State != pipeline.ComponentOK.String() {
			lines = append(lines, terminal.Text(c.line()))
		}
	}
	return lines
}

func (c *Component) line() string {
	line := c.Kind + " " + c.ID + " is " + c.State
	if c.Reason != "" {
		line += ": " + c.Reason
	}
	if c.Remedy != "" {
		line += "; " + c.Remedy
	}
	return line
}

// WriteText writes the report as a table for people, safe to show on a terminal.
func (r *Report) WriteText(to io.Writer) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, "otelnpd %s: %s\n", terminal.Text(r.Version), r.summary())
	for _, name := range r.Stalled {
		fmt.Fprintf(&text, "pipeline %s makes no progress\n", terminal.Text(name))
	}
	text.WriteByte('\n')
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.TabIndent)
	fmt.Fprintln(table, "KIND\tID\tSTATE\tSINCE\tREASON\tREMEDY")
	for _, c := range r.Components {
		cells := []string{c.Kind, c.ID, c.State, c.Since.Format(time.RFC3339), c.Reason, c.Remedy}
		for i, cell := range cells {
			cells[i] = terminal.Text(cell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("lay out the table of components: %w", err)
	}
	_, err := to.Write(text.Bytes())
	return err
}

func (r *Report) summary() string {
	switch {
	case !r.Healthy:
		return "stalled"
	case !r.Ready:
		return "not ready"
	default:
		return "ok"
	}
}
