package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/operator"
)

type uninstallFlags struct {
	config     string
	kubeconfig string
	node       string
	socket     string
	state      string
	dryRun     bool
	force      bool
	timeout    time.Duration
}

func newUninstallCommand() *cobra.Command {
	var flags uninstallFlags
	cmd := &cobra.Command{
		Use:   "uninstall [TYPE…]",
		Short: "Remove the agent's conditions from the Node",
		Long: `Remove the agent's condition types from the Node: those that the configuration
declares and those that its state knows to be on the Node, or those named. All
other conditions stay as they are. Events go by themselves an hour after they were
written.

Stop the agent before: one that runs would set its conditions again. The apiserver
and the credentials are those of exporters.kubernetes in the configuration, which
may patch nodes/status; --kubeconfig takes others.`,
		Example: `  otelnpd uninstall --config /etc/otelnpd/otelnpd.yaml
  otelnpd uninstall --node worker-3 --kubeconfig ~/.kube/config KernelDeadlock ReadonlyFilesystem`,
		RunE: func(cmd *cobra.Command, types []string) error { return uninstall(cmd, flags, types) },
	}
	addConfigFlag(cmd, &flags.config)
	cmd.Flags().StringVar(&flags.kubeconfig, "kubeconfig", "", "kubeconfig file in place of the credentials of the configuration")
	cmd.Flags().StringVar(&flags.node, "node", "", "name of the Node in place of service.node, $NODE_NAME and the host name")
	cmd.Flags().StringVar(&flags.socket, "socket", "", "operator socket by which to see whether an agent runs here; none: do not look")
	cmd.Flags().StringVar(&flags.state, "state-dir", "", "the agent's directory for state instead of $OTELNPD_STATE_DIR and service.state_dir; none: do not look")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "say what would be removed, and remove nothing")
	cmd.Flags().BoolVar(&flags.force, "force", false, "remove them although an agent runs here")
	cmd.Flags().DurationVar(&flags.timeout, "timeout", 30*time.Second, "how long to try")
	return cmd
}

func uninstall(cmd *cobra.Command, flags uninstallFlags, types []string) error {
	loaded, err := loadConfig(cmd, flags.config)
	if err != nil {
		return err
	}
	dir, _ := stateDir(flags.state, loaded.Service.StateDir)
	if types, err = typesToRemove(cmd.Context(), loaded, types, dir); err != nil {
		return err
	}
	node, err := nodeName(cmp.Or(flags.node, loaded.Service.Node))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), flags.timeout)
	defer cancel()
	if err := flags.checkStopped(ctx, loaded); err != nil {
		return err
	}
	client := apiserver.New(flags.apiserver(loaded), apiserver.Options{UserAgent: "otelnpd/" + version})
	defer client.Close()
	removed, err := removeConditions(ctx, client, node, types, flags.dryRun)
	if err != nil {
		return withRemedy(err)
	}
	return tellRemoved(cmd.OutOrStdout(), node, removed, flags.dryRun)
}

// typesToRemove are the named condition types, or those that the configuration
// declares.
func typesToRemove(ctx context.Context, loaded *config.Config, named []string, stateDir string) ([]string, error) {
	for _, name := range named {
		if condition.IsReserved(name) {
			return nil, fmt.Errorf("%s belongs to Kubernetes itself and is never removed: name the agent's own types", name)
		}
	}
	if len(named) > 0 {
		return named, nil
	}
	for _, declared := range loaded.Conditions.Types {
		if !declared.Reserved {
			named = append(named, declared.Name)
		}
	}
	for _, owned := range ownedTypes(ctx, stateDir) {
		if !slices.Contains(named, owned) && !condition.IsReserved(owned) {
			named = append(named, owned)
		}
	}
	if len(named) == 0 {
		return nil, errors.New("the configuration declares no conditions: name the types to remove")
	}
	return named, nil
}

// ownedTypes are the types that the Node has from an agent that keeps its state in
// a directory, declared or not. Without a state there are none to be known.
func ownedTypes(ctx context.Context, dir string) []string {
	if dir == config.StateDirNone {
		return nil
	}
	document, err := showState(ctx, dir)
	if err != nil {
		return nil
	}
	summary, err := condition.Summarize(document.Sections[conditionsSection])
	if err != nil {
		return nil
	}
	return summary.Owned
}

// checkStopped refuses while an agent runs here: it would set its conditions
// again.
func (f *uninstallFlags) checkStopped(ctx context.Context, loaded *config.Config) error {
	path := socketPath(loaded.Service.Socket, f.socket)
	if f.force || f.dryRun || path == "" {
		return nil
	}
	stateDir := cmp.Or(os.Getenv(stateDirVariable), loaded.Service.StateDir)
	client, err := operator.Dial(append([]string{path}, socketFallbacks(path, stateDir)...)...)
	if err != nil {
		return nil //nolint:nilerr // no agent answers there
	}
	if _, err := client.Health(ctx); err != nil {
		return nil //nolint:nilerr // no agent answers there
	}
	return fmt.Errorf("an agent runs here (it answers on %s) and would set its conditions again: stop it first, or add --force", client.Path())
}

// apiserver is how to reach the apiserver: as the exporter of the configuration
// does, unless flags say otherwise.
func (f *uninstallFlags) apiserver(loaded *config.Config) apiserver.Config {
	way := apiserver.DefaultConfig()
	if own := kubernetesConfig(loaded.Graph); own != nil {
		way = own.APIServer
	}
	if f.kubeconfig != "" {
		way.Credentials, way.Kubeconfig = apiserver.CredentialsKubeconfig, f.kubeconfig
		way.Server, way.ServiceAccountToken = "", false
	}
	return way
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
	_, err := fmt.Fprintf(out, "%s the Node %s\n", text, node)
	return err
}

// withRemedy adds what an operator can do about an error of the apiserver.
func withRemedy(err error) error {
	if own, ok := errors.AsType[*apiserver.Error](err); ok && own.Remedy != "" {
		return fmt.Errorf("%w; %s", err, own.Remedy)
	}
	return err
}
