package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Pods runs Pods by a containerd of its own and runc, told what to run as a kubelet
// tells it: by CRI.
type Pods struct {
	runtime cri.RuntimeServiceClient
	sandbox string
	config  *cri.PodSandboxConfig
	logs    string
	next    int
}

// runcRecipe takes Debian's package apart, as containerd's.
func runcRecipe() (*recipe, error) {
	return &recipe{
		name:     "runc",
		key:      []string{"Debian package, unpacked"},
		programs: []string{"usr/sbin/runc"},
		make:     func(ctx context.Context, folder string) error { return unpackDebian(ctx, folder, "runc") },
	}, nil
}

// StartPods starts containerd, imports images from OCI archives, of which pause holds
// the namespaces, and makes a Pod in the machine's network. It needs root.
func StartPods(t testing.TB, pause string, archives ...string) *Pods {
	t.Helper()
	run := shortTempDir(t)
	path := filepath.Join(getOrSkip(t, runcRecipe), "usr/sbin") + ":" + filepath.Join(getOrSkip(t, containerdRecipe), "usr/bin")
	c := startContainerd(t, run, fmt.Sprintf(podsConfig, pause), "PATH="+path+":"+os.Getenv("PATH"))
	for _, archive := range archives {
		ctr := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(c.program), "ctr"), "--address", c.Socket, "--namespace", "k8s.io", "images", "import", archive)
		output, err := ctr.CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	conn, err := grpc.NewClient("unix://"+c.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	p := &Pods{runtime: cri.NewRuntimeServiceClient(conn), logs: t.TempDir()}
	p.makeSandbox(t)
	return p
}

// podsConfig is more of the configuration of CRI.
const podsConfig = `  sandbox_image = '%s'
`

func (p *Pods) makeSandbox(t testing.TB) {
	t.Helper()
	p.config = &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: "otelnpd", Namespace: "kube-system", Uid: fmt.Sprintf("uid-%d", os.Getpid())},
		LogDirectory: p.logs,
		Linux: &cri.LinuxPodSandboxConfig{SecurityContext: &cri.LinuxSandboxSecurityContext{
			NamespaceOptions: &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER},
			Privileged:       true, // a Pod with a privileged container is
		}},
	}
	answer, err := p.runtime.RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: p.config})
	require.NoError(t, err, "run a Pod's sandbox")
	p.sandbox = answer.PodSandboxId
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		_, err := p.runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: p.sandbox})
		require.NoError(t, err)
		_, err = p.runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: p.sandbox})
		require.NoError(t, err)
	})
}

// Container is a container of the Pod. What it prints goes to Log.
type Container struct {
	// Log is the path of its log, in CRI's form.
	Log string

	pods *Pods
	id   string
}

// Start starts a container. Its name is chosen here.
func (p *Pods) Start(t testing.TB, config *cri.ContainerConfig) *Container {
	t.Helper()
	p.next++
	config.Metadata = &cri.ContainerMetadata{Name: fmt.Sprintf("container-%d", p.next)}
	config.LogPath = config.Metadata.Name + ".log"
	made, err := p.runtime.CreateContainer(t.Context(), &cri.CreateContainerRequest{PodSandboxId: p.sandbox, Config: config, SandboxConfig: p.config})
	require.NoError(t, err, "create a container")
	_, err = p.runtime.StartContainer(t.Context(), &cri.StartContainerRequest{ContainerId: made.ContainerId})
	require.NoError(t, err, "start a container")
	c := &Container{Log: filepath.Join(p.logs, config.LogPath), pods: p, id: made.ContainerId}
	t.Cleanup(func() {
		if log, err := os.ReadFile(c.Log); t.Failed() && err == nil {
			t.Logf("the end of the container's log:\n%s", tail(log, 8192))
		}
	})
	return c
}

// Exec runs a command in the container, as a probe does, and returns its exit code and
// output.
func (c *Container) Exec(t testing.TB, command ...string) (code int32, output string) {
	t.Helper()
	answer, err := c.pods.runtime.ExecSync(t.Context(), &cri.ExecSyncRequest{ContainerId: c.id, Cmd: command, Timeout: 30})
	require.NoError(t, err)
	return answer.ExitCode, string(answer.Stdout) + string(answer.Stderr)
}

// Info is what the runtime says of the container, as JSON.
func (c *Container) Info(t testing.TB) string {
	t.Helper()
	answer, err := c.pods.runtime.ContainerStatus(t.Context(), &cri.ContainerStatusRequest{ContainerId: c.id, Verbose: true})
	require.NoError(t, err)
	return answer.Info["info"]
}

// Stop ends the container as a kubelet does, and returns its exit code.
func (c *Container) Stop(t testing.TB) int32 {
	t.Helper()
	return c.StopWithin(t, 20*time.Second)
}

// StopWithin is Stop with the time, in whole seconds, after which it is killed.
func (c *Container) StopWithin(t testing.TB, grace time.Duration) int32 {
	t.Helper()
	_, err := c.pods.runtime.StopContainer(t.Context(), &cri.StopContainerRequest{ContainerId: c.id, Timeout: int64(grace.Seconds())})
	require.NoError(t, err)
	answer, err := c.pods.runtime.ContainerStatus(t.Context(), &cri.ContainerStatusRequest{ContainerId: c.id})
	require.NoError(t, err)
	require.Equal(t, cri.ContainerState_CONTAINER_EXITED, answer.Status.State)
	return answer.Status.ExitCode
}

// startContainerd is StartContainerd with more of CRI's configuration and of the
// environment.
func startContainerd(t testing.TB, run, cri string, environment ...string) *Containerd {
	t.Helper()
	c := newContainerd(t, run, cri)
	c.environment = environment
	c.Restart(t)
	return c
}

// shortTempDir is a temporary directory whose path leaves room for a socket's name.
func shortTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pods-") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
