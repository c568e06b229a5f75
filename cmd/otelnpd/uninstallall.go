package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline/terminal"
)

// removeEverywhere removes condition types from all Nodes.
func (f *uninstallFlags) removeEverywhere(cmd *cobra.Command, client *apiserver.Client, types []string) error {
	var nodes []string
	err := f.patiently(cmd.Context(), func(ctx context.Context) (err error) {
		nodes, err = client.NodeNames(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if len(nodes) == 0 {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), "there are no Nodes")
		return err
	}
	if left := f.removeFrom(cmd, client, nodes, types); left > 0 {
		return fmt.Errorf("%d of %d Nodes are not done: run the command again", left, len(nodes))
	}
	return nil
}

// removeFrom removes condition types from Nodes, and returns how many are left to do. One
// that cannot be changed keeps no other from it, and one that is gone meanwhile has none.
func (f *uninstallFlags) removeFrom(cmd *cobra.Command, client *apiserver.Client, nodes, types []string) (left int) {
	left = len(nodes)
	var kind apiserver.Kind
	for _, node := range nodes {
		err := f.remove(cmd, client, node, types)
		before := kind
		kind = apiserver.KindOf(err)
		if err == nil || kind == apiserver.NotFound {
			left--
			continue
		}
		_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "Error:", terminal.Text(err.Error()))
		if cmd.Context().Err() != nil || forAll(kind, before) {
			break
		}
	}
	return left
}

// forAll tells whether an error is one that all other Nodes would have too; before is that
// of the Node before.
func forAll(kind, before apiserver.Kind) bool {
	switch kind {
	case apiserver.Unauthorized, apiserver.NoCredentials:
		return true
	case apiserver.Unreachable:
		return before == apiserver.Unreachable
	default:
		return kind == 0 // what is done cannot be told
	}
}
