package httpserve

import (
	"errors"
	"net"
	"sync"
	"time"
)

// port is a listener that can outlive the HTTP server that accepts from it: who
// connects meanwhile waits in the kernel's queue, and is answered by the next one.
type port struct {
	*net.TCPListener

	mu   sync.Mutex
	held bool
}

// hold makes Close end no more than the wait for connections.
func (p *port) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = true
}

// release lets connections be accepted, and the port be closed, again.
func (p *port) release() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = false
	return p.SetDeadline(time.Time{})
}

// Close implements [net.Listener].
func (p *port) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held {
		return p.SetDeadline(time.Unix(1, 0)) // long over
	}
	return p.TCPListener.Close()
}

// Inherit takes the port of a server whose Shutdown was a hand-over, so that nobody
// who asks is refused meanwhile. Where this one is to listen elsewhere, that port is
// closed. It is called before Start.
func (s *Server) Inherit(from *Server) {
	left := from.takePort()
	if left == nil {
		return
	}
	if from.config.Endpoint == s.config.Endpoint && left.release() == nil {
		s.setPort(left)
		return
	}
	_ = left.TCPListener.Close() // nobody wants it any more
}

// holdPort leaves the port open for a successor.
func (s *Server) holdPort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.port != nil {
		s.port.hold()
	}
}

// closePort closes a port that was held, and that nobody has taken.
func (s *Server) closePort() error {
	left := s.takePort()
	if left == nil {
		return nil
	}
	if err := left.TCPListener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil // it was not held
}

func (s *Server) takePort() *port {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.port
	s.port = nil
	return taken
}

func (s *Server) setPort(p *port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.port = p
}

func (s *Server) inherited() *port {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.port
}
