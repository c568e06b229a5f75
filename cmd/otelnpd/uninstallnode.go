package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// remove removes condition types from a Node, and tells which there were.
func (f *uninstallFlags) remove(cmd *cobra.Command, client *apiserver.Client, node string, types []string) error {
	var removed []string
	err := f.patiently(cmd.Context(), func(ctx context.Context) (err error) {
		removed, err = removeConditions(ctx, client, node, types, f.dryRun)
		return err
	})
	if err != nil {
		return err
	}
	return tellRemoved(cmd.OutOrStdout(), node, removed, f.dryRun)
}

// errNotInTime is why a request is given up that takes longer than --timeout.
var errNotInTime = errors.New("not done within --timeout")

// patiently tries something within --timeout until it works, or until its error is one
// that the next try would have too.
func (f *uninstallFlags) patiently(ctx context.Context, try func(context.Context) error) error {
	within, cancel := context.WithTimeoutCause(ctx, f.timeout, errNotInTime)
	defer cancel()
	deadline, _ := within.Deadline()
	var backoff apiserver.Backoff
	for tries := 1; ; tries++ {
		err := try(within)
		if err == nil {
			return nil
		}
		wait := backoff.Next(err)
		if ctx.Err() == nil && (!passes(err, tries) || time.Until(deadline) < wait) {
			return withRemedy(err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("stopped: %w", context.Cause(ctx))
		}
	}
}

// passes tells whether an error may be gone with the next try.
func passes(err error, tries int) bool {
	own, ok := errors.AsType[*apiserver.Error](err)
	if !ok {
		return false
	}
	switch own.Kind {
	case apiserver.Throttled, apiserver.Conflict, apiserver.UIDChanged:
		return true
	case apiserver.ServerError:
		return own.Code >= http.StatusInternalServerError // with others it is no kube-apiserver
	case apiserver.Unauthorized:
		return tries == 1 // the next reads the credentials anew
	default:
		return false
	}
}

// removeConditions removes those of the types that the Node has, and returns them.
func removeConditions(ctx context.Context, client *apiserver.Client, name string, types []string, dryRun bool) ([]string, error) {
	node, err := client.Node(ctx, name)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, one := range node.Conditions {
		if slices.Contains(types, one.Type) {
			found = append(found, one.Type)
		}
	}
	if dryRun {
		return found, nil
	}
	_, err = client.PatchConditions(ctx, apiserver.Patch{Node: name, UID: node.UID, Delete: found})
	return found, err
}

func tellRemoved(out io.Writer, node string, removed []string, dryRun bool) error {
	verb := "removed from"
	if dryRun {
		verb = "would be removed from"
	}
	text := "none of the conditions is on"
	if len(removed) > 0 {
		text = strings.Join(removed, ", ") + " " + verb
	}
	_, err := fmt.Fprintln(out, terminal.Text(text+" the Node "+node))
	return err
}

// withRemedy adds what an operator can do about an error of the apiserver.
func withRemedy(err error) error {
	own, ok := errors.AsType[*apiserver.Error](err)
	switch {
	case !ok || own.Remedy == "":
		return err
	case own.Kind == apiserver.Conflict, own.Kind == apiserver.UIDChanged, errors.Is(err, errNotInTime):
		return fmt.Errorf("%w; run the command again, with a longer --timeout", err)
	}
	return fmt.Errorf("%w; %s", err, own.Remedy)
}
