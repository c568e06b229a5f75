package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/state"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

func newStateCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "state", Short: "Look at what the agent keeps over a restart"}
	cmd.AddCommand(newStateShowCommand())
	return cmd
}

func newStateShowCommand() *cobra.Command {
	var dir string
	output := outputText
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the state as it was written last",
		Long: `Show what the agent keeps over a restart, as it was written last. It reads the file
alone: the agent may run or not. With --output json it prints all of it.`,
		Example: "  otelnpd state show\n  otelnpd state show --output json | jq '.sections | keys'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			document, err := showState(cmd.Context(), dir)
			if err != nil {
				return err
			}
			if output == outputJSON {
				return printJSON(cmd.OutOrStdout(), newShownState(document))
			}
			return printState(cmd.OutOrStdout(), document)
		},
	}
	cmd.Flags().StringVar(&dir, "state-dir", cmp.Or(os.Getenv(stateDirVariable), config.DefaultStateDir),
		"the agent's directory for state (its configuration is not read: name it here if service.state_dir is another)")
	_ = cmd.MarkFlagDirname("state-dir") // the flag exists
	addOutputFlag(cmd, &output, outputText, outputJSON)
	return cmd
}

func showState(ctx context.Context, dir string) (*state.Document, error) {
	if dir == config.StateDirNone {
		return nil, errors.New("the state directory is none: state is kept in memory alone; pass the agent's with --state-dir")
	}
	ctx, cancel := context.WithTimeout(ctx, showLimit)
	defer cancel()
	document, err := state.Read(ctx, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w; has an agent run here? If its service.state_dir is another one, pass --state-dir", err)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w; run this as root or as the agent's own user", err)
	}
	return &document, err
}

// showLimit is how long a disk may take to give the state.
const showLimit = 10 * time.Second

// shownState is all of a state file, as JSON.
type shownState struct {
	Written  time.Time                  `json:"written"`
	Version  string                     `json:"version"`
	Node     string                     `json:"node"`
	BootID   string                     `json:"boot_id"`
	Sections map[string]json.RawMessage `json:"sections"`
}

func newShownState(document *state.Document) shownState {
	shown := shownState{
		Written: document.Written, Version: document.Version, Node: document.Node, BootID: document.BootID,
		Sections: map[string]json.RawMessage{},
	}
	for name, section := range document.Sections {
		shown.Sections[name] = section
	}
	return shown
}

// printState prints what people ask for: how old it is, where the sources are, what
// holds the conditions.
func printState(out io.Writer, document *state.Document) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	row := func(cells ...string) {
		for i, text := range cells {
			cells[i] = cell(text)
		}
		_, _ = fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	row("written", document.Written.Format(time.RFC3339))
	row("by version", document.Version)
	row("node", document.Node)
	row("boot id", document.BootID)
	for _, name := range slices.Sorted(maps.Keys(document.Sections)) {
		row("section", name, fmt.Sprintf("%d bytes", len(document.Sections[name])))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	summary, err := condition.Summarize(document.Sections[conditionsSection])
	if err != nil {
		return fmt.Errorf("read the conditions of the state: %w", err)
	}
	_, _ = fmt.Fprintln(out)
	row("TYPE", "STATUS", "SINCE", "REASON", "MESSAGE")
	for _, one := range summary.Conditions {
		row(one.Type, string(one.Status), one.LastTransitionTime.UTC().Format(time.RFC3339), one.Reason, terminal.Text(one.Message))
	}
	for _, silence := range summary.Silences {
		if silence.Until.Before(time.Now()) {
			continue
		}
		row("silenced", silence.Rule, silence.Until.UTC().Format(time.RFC3339))
	}
	return table.Flush()
}
