package probe_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/otelnpd/otelnpd/pipeline/source/probe"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// standIn stands in for a container runtime where a real one cannot be made to do as
// the test wants. The integration tests ask containerd.
type standIn struct {
	cri.UnimplementedRuntimeServiceServer
	sandboxes  func(context.Context) (*cri.ListPodSandboxResponse, error)
	conditions []*cri.RuntimeCondition
}

func (r *standIn) Version(context.Context, *cri.VersionRequest) (*cri.VersionResponse, error) {
	return &cri.VersionResponse{RuntimeName: "stand-in"}, nil
}

func (r *standIn) ListPodSandbox(ctx context.Context, _ *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	return r.sandboxes(ctx)
}

func (r *standIn) Status(context.Context, *cri.StatusRequest) (*cri.StatusResponse, error) {
	return &cri.StatusResponse{Status: &cri.RuntimeStatus{Conditions: r.conditions}}, nil
}

func startRuntime(t *testing.T, r cri.RuntimeServiceServer) (socket string) {
	t.Helper()
	socket = probetest.ShortDir(t) + "/runtime.sock"
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := grpc.NewServer()
	if r != nil {
		cri.RegisterRuntimeServiceServer(server, r)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() { server.Stop(); <-done })
	return socket
}

func TestRuntime(t *testing.T) {
	none := func(context.Context) (*cri.ListPodSandboxResponse, error) { return &cri.ListPodSandboxResponse{}, nil }
	ready := []*cri.RuntimeCondition{{Type: "RuntimeReady", Status: true}, {Type: "NetworkReady", Reason: "NetworkPluginNotReady", Message: "cni plugin not initialized"}}
	for name, one := range map[string]struct {
		runtime cri.RuntimeServiceServer
		require []string
		call    time.Duration
		want    string // empty: healthy
	}{
		"well":            {runtime: &standIn{sandboxes: none}},
		"ready":           {runtime: &standIn{sandboxes: none, conditions: ready}, require: []string{"RuntimeReady"}},
		"without network": {runtime: &standIn{sandboxes: none, conditions: ready}, require: []string{"RuntimeReady", "NetworkReady"}, want: "the container runtime says that NetworkReady is false: NetworkPluginNotReady: cni plugin not initialized"},
		"without a word":  {runtime: &standIn{sandboxes: none}, require: []string{"RuntimeReady"}, want: "the container runtime does not say whether RuntimeReady"},
		"without CRI":     {want: "for its version: it does not offer runtime.v1 of the CRI"},
		"an error": {runtime: &standIn{sandboxes: func(context.Context) (*cri.ListPodSandboxResponse, error) {
			return nil, status.Error(codes.Internal, "database\nnot open")
		}}, want: "for a list of pod sandboxes: Internal: database not open"},
		"a long list": {runtime: &standIn{sandboxes: func(context.Context) (*cri.ListPodSandboxResponse, error) {
			return &cri.ListPodSandboxResponse{Items: []*cri.PodSandbox{{Id: strings.Repeat("x", 2<<20)}}}, nil
		}}},
		"one call hangs": {runtime: &standIn{sandboxes: func(ctx context.Context) (*cri.ListPodSandboxResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}, call: short, want: "for a list of pod sandboxes: no answer within 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			socket := startRuntime(t, one.runtime)
			err := (&probe.Runtime{Socket: socket, Require: one.require, CallTimeout: one.call}).Ask(within(t, long))
			if one.want == "" {
				require.NoError(t, err)
				return
			}
			requireUnhealthy(t, err, one.want)
		})
	}
}

// TestRuntimeThatDoesNotSpeak is one that accepts, or whose kernel does, and says nothing
// or something else.
func TestRuntimeThatDoesNotSpeak(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "something else": "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1": "HTTP/1.1 400 Bad Request\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			socket := probetest.ShortDir(t) + "/runtime.sock"
			listener, err := net.Listen("unix", socket)
			require.NoError(t, err)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = fmt.Fprint(conn, text)
					defer func() { _ = conn.Close() }()
				}
			}()
			defer func() { _ = listener.Close(); <-done }()
			began := time.Now()
			requireUnhealthy(t, (&probe.Runtime{Socket: socket}).Ask(within(t, short)), socket)
			require.Less(t, time.Since(began), long/2)
		})
	}
}

func TestRuntimeThatIsGone(t *testing.T) {
	socket := startRuntime(t, &standIn{})
	require.NoError(t, os.Remove(socket))
	requireUnhealthy(t, (&probe.Runtime{Socket: socket}).Ask(within(t, long)), "there is no socket: the service does not run")
}
