package operator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"golang.org/x/sys/unix"
)

type peerKey struct{}

// withPeer notes who is at the other end of a connection (SO_PEERCRED,
// unix(7)): the kernel's word, taken when the peer connected.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	peer, err := peerOf(conn)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

func peerOf(conn net.Conn) (*unix.Ucred, error) {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, fmt.Errorf("a connection of type %T has no credentials", conn)
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var errPeer error
	err = raw.Control(func(fd uintptr) {
		peer, errPeer = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return peer, errors.Join(err, errPeer)
}

// allow refuses everybody but root and the agent's own user.
func (s *Server) allow(r *http.Request) error {
	peer, known := r.Context().Value(peerKey{}).(*unix.Ucred)
	switch {
	case !known:
		return fmt.Errorf("%w, and who you are is not known", ErrNotAllowed)
	case peer.Uid != 0 && peer.Uid != s.uid:
		return fmt.Errorf("%w: you are uid %d, the agent is uid %d; try sudo", ErrNotAllowed, peer.Uid, s.uid)
	default:
		return nil
	}
}
