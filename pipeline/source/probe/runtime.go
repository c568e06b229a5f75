package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// maxRuntimeAnswer bounds an answer of a runtime in bytes.
const maxRuntimeAnswer = 1 << 20

// noSandbox is a label that no pod sandbox has: the runtime looks at all of them, and
// its answer is small however many there are.
const noSandbox = "otelnpd.none"

// Runtime is a container runtime: healthy is one that tells its version and lists pod
// sandboxes by the Container Runtime Interface (k8s.io/cri-api, runtime.v1), as
// `crictl pods` lets it.
type Runtime struct {
	// Socket is the path of its unix socket.
	Socket string
	// CallTimeout bounds each call; 0: the context alone does.
	CallTimeout time.Duration
	// Require names conditions of the runtime's own status that must be true:
	// RuntimeReady, NetworkReady. None: its status is not asked for.
	Require []string
}

// Ask asks once.
func (r *Runtime) Ask(ctx context.Context) error {
	within := given(ctx)
	conn, err := dialSocket(ctx, r.Socket)
	if isTimeout(err) {
		return fmt.Errorf("connect to the container runtime at %s: no answer within %s", r.Socket, within)
	} else if err != nil {
		return fmt.Errorf("ask the container runtime: %w", err)
	}
	client, err := overConn(conn)
	if err != nil {
		return errors.Join(fmt.Errorf("ask the container runtime at %s: %w", r.Socket, err), conn.Close())
	}
	defer func() { _ = client.Close() }() // nothing is under way
	service := cri.NewRuntimeServiceClient(client)
	for _, call := range r.calls() {
		if err := r.one(ctx, service, call); err != nil {
			return err
		}
	}
	return nil
}

// overConn makes a client that speaks on a connection and, once that is lost, on none.
func overConn(conn net.Conn) (*grpc.ClientConn, error) {
	taken := make(chan net.Conn, 1)
	taken <- conn
	return grpc.NewClient("passthrough:///runtime",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithAuthority("localhost"),
		grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxRuntimeAnswer)),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case conn := <-taken:
				return conn, nil
			default:
				return nil, errors.New("it has closed the connection")
			}
		}))
}

// call is a question to the runtime.
type call struct {
	what string
	ask  func(context.Context, cri.RuntimeServiceClient) error
}

func (r *Runtime) calls() []call {
	calls := []call{
		{"its version", func(ctx context.Context, service cri.RuntimeServiceClient) error {
			_, err := service.Version(ctx, &cri.VersionRequest{})
			return err
		}},
		{"a list of pod sandboxes", func(ctx context.Context, service cri.RuntimeServiceClient) error {
			_, err := service.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{
				Filter: &cri.PodSandboxFilter{LabelSelector: map[string]string{noSandbox: "none"}},
			})
			return err
		}},
	}
	if len(r.Require) > 0 {
		calls = append(calls, call{"its status", r.status})
	}
	return calls
}

func (r *Runtime) one(ctx context.Context, service cri.RuntimeServiceClient, c call) error {
	if r.CallTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.CallTimeout)
		defer cancel()
	}
	within := given(ctx)
	err := c.ask(ctx, service)
	asked := fmt.Sprintf("ask the container runtime at %s for %s", r.Socket, c.what)
	notReady, own := errors.AsType[*notReadyError](err)
	switch code := status.Code(err); {
	case err == nil:
		return nil
	case own:
		return notReady
	case code == codes.ResourceExhausted && strings.Contains(status.Convert(err).Message(), "received message larger than max"):
		return nil // it answers, at length
	case code == codes.DeadlineExceeded:
		return fmt.Errorf("%s: no answer within %s", asked, within)
	case code == codes.Unimplemented:
		return fmt.Errorf("%s: it does not offer runtime.v1 of the CRI: enable its CRI plugin", asked)
	default:
		return fmt.Errorf("%s: %s: %s", asked, code, shown([]byte(status.Convert(err).Message())))
	}
}

// notReadyError is what the runtime says of itself.
type notReadyError struct{ text string }

func (e *notReadyError) Error() string { return e.text }

func (r *Runtime) status(ctx context.Context, service cri.RuntimeServiceClient) error {
	response, err := service.Status(ctx, &cri.StatusRequest{})
	if err != nil {
		return err
	}
	for _, required := range r.Require {
		if err := isTrue(response.GetStatus().GetConditions(), required); err != nil {
			return err
		}
	}
	return nil
}

func isTrue(conditions []*cri.RuntimeCondition, required string) error {
	for _, condition := range conditions {
		switch {
		case condition.GetType() != required:
		case condition.GetStatus():
			return nil
		default:
			return &notReadyError{fmt.Sprintf("the container runtime says that %s is false: %s: %s", required,
				shown([]byte(condition.GetReason())), shown([]byte(condition.GetMessage())))}
		}
	}
	return &notReadyError{fmt.Sprintf("the container runtime does not say whether %s", required)}
}
