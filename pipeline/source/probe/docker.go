package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
)

// Docker is a docker daemon: healthy is one that lists its containers, as `docker ps`
// lets it. The list is that of its Engine API.
type Docker struct {
	// Socket is the path of its unix socket.
	Socket string
}

// Ask asks once.
func (d *Docker) Ask(ctx context.Context) error {
	within := given(ctx)
	conn, err := dialSocket(ctx, d.Socket)
	if err == nil {
		defer func() { _ = conn.Close() }() // closed by the transport too
		// One container is enough: the answer stays small however many there are.
		err = get(ctx, &http.Transport{
			DialContext:       func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
		}, "http://docker/containers/json?limit=1")
	}
	switch {
	case err == nil:
		return nil
	case isTimeout(err):
		return fmt.Errorf("list containers of docker at %s: no answer within %s", d.Socket, within)
	}
	return fmt.Errorf("list containers of docker: %w", plain(err))
}
