package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
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
	allNodes   bool
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
may patch nodes/status; --kubeconfig takes others.

With --all-nodes they are removed from all Nodes of the cluster, for an operator who
has taken the agents off and may list nodes. No state is looked at then, nor
whether an agent runs.`,
		Example: `  otelnpd uninstall --config /etc/otelnpd/otelnpd.yaml
  otelnpd uninstall --node worker-3 --kubeconfig ~/.kube/config KernelDeadlock ReadonlyFilesystem
  otelnpd uninstall --all-nodes --config otelnpd.yaml --kubeconfig ~/.kube/config`,
		RunE: func(cmd *cobra.Command, types []string) error { return uninstall(cmd, flags, types) },
	}
	addConfigFlag(cmd, &flags.config)
	cmd.Flags().StringVar(&flags.kubeconfig, "kubeconfig", "", "kubeconfig file in place of the credentials of the configuration")
	cmd.Flags().StringVar(&flags.node, "node", "", "name of the Node in place of service.node, $NODE_NAME and the host name")
	cmd.Flags().BoolVar(&flags.allNodes, "all-nodes", false, "remove them from all Nodes of the cluster")
	cmd.Flags().StringVar(&flags.socket, "socket", "", "operator socket by which to see whether an agent runs here; none: do not look")
	cmd.Flags().StringVar(&flags.state, "state-dir", "", "the agent's directory for state instead of $OTELNPD_STATE_DIR and service.state_dir; none: do not look")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "say what would be removed, and remove nothing")
	cmd.Flags().BoolVar(&flags.force, "force", false, "remove them although an agent runs here")
	cmd.Flags().DurationVar(&flags.timeout, "timeout", 30*time.Second, "how long to try, for each Node")
	for _, ofOneNode := range []string{"node", "socket", "state-dir", "force"} {
		cmd.MarkFlagsMutuallyExclusive(ofOneNode, "all-nodes")
	}
	return cmd
}

func uninstall(cmd *cobra.Command, flags uninstallFlags, types []string) error {
	loaded, err := loadConfig(cmd, flags.config)
	if err != nil {
		return err
	}
	dir := config.StateDirNone // a state is of this node alone
	if !flags.allNodes {
		dir, _ = stateDir(flags.state, loaded.Service.StateDir)
	}
	if types, err = typesToRemove(cmd.Context(), loaded, types, dir); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	cmd.SetContext(ctx)
	client := apiserver.New(flags.apiserver(loaded), apiserver.Options{UserAgent: "otelnpd/" + version})
	defer client.Close()
	if flags.allNodes {
		return flags.removeEverywhere(cmd, client, types)
	}
	node, err := nodeName(cmp.Or(flags.node, loaded.Service.Node))
	if err != nil {
		return err
	}
	if err := flags.checkStopped(cmd.Context(), loaded); err != nil {
		return err
	}
	return flags.remove(cmd, client, node, types)
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
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
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
