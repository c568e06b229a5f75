package probetest

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// Manner is how a server answers.
type Manner int32

// The manners.
const (
	Well Manner = iota
	Fails
	Hangs
	Drips
	DripsHeaders
	Endless
	Redirects
	BreaksOff
	Garbles
)

// Server stands in for an HTTP server of a service (the kubelet, docker): it answers
// in the manner that a test sets.
type Server struct {
	// URL is its address over TCP, Socket its path over a unix socket.
	URL, Socket string

	manner  atomic.Int32
	asked   atomic.Pointer[http.Request]
	server  *http.Server
	socket  net.Listener
	release chan struct{}
}

// Be sets the manner.
func (s *Server) Be(manner Manner) { s.manner.Store(int32(manner)) }

// Asked is the last request; nil: there was none.
func (s *Server) Asked() *http.Request { return s.asked.Load() }

// StartServer starts a server on a port of loopback.
func StartServer(t testing.TB) *Server {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return StartServerOn(t, listener)
}

// StartServerOn starts a server on a listener for TCP, which it closes.
func StartServerOn(t testing.TB, listener net.Listener) *Server {
	t.Helper()
	s := serve(t, listener)
	s.URL = "http://" + listener.Addr().String() + "/healthz"
	return s
}

// StartSocket starts a server on a unix socket.
func StartSocket(t testing.TB, socket string) *Server {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil { //nolint:gosec // as on a node
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, listener)
	s.Socket = socket
	return s
}

func serve(t testing.TB, listener net.Listener) *Server {
	t.Helper()
	s := &Server{socket: listener, release: make(chan struct{})}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: patience}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.server.Serve(listener) // it is closed by Stop
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	return s
}

// Stop ends the server: its port refuses then.
func (s *Server) Stop() {
	select {
	case <-s.release:
	default:
		close(s.release)
	}
	_ = s.socket.Close() // also where it has not begun to serve
	_ = s.server.Close()
}

// ServeHTTP answers in its manner.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked.Store(r.Clone(context.WithoutCancel(r.Context())))
	switch Manner(s.manner.Load()) {
	case Well:
		_, _ = w.Write([]byte("ok"))
	case Fails:
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("[+]ping ok\n[-]syncloop failed: \x1b[31mreason withheld\nhealthz check failed\n"))
	case Hangs:
		s.until(r)
	case Drips:
		s.drip(w, r)
	case DripsHeaders:
		s.raw(w, func(conn net.Conn) {
			_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nX-Drip: "))
			for s.pause(r) {
				if _, err := conn.Write([]byte("x")); err != nil {
					return
				}
			}
		})
	case Endless:
		for block := make([]byte, 1<<20); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	case Redirects:
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	case BreaksOff:
		s.raw(w, func(conn net.Conn) { _, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")) })
	case Garbles:
		s.raw(w, func(conn net.Conn) { _, _ = conn.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n")) })
	}
}

func (s *Server) drip(w http.ResponseWriter, r *http.Request) {
	for s.pause(r) {
		if _, err := w.Write([]byte("o")); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush() // the next write tells
	}
}

// raw takes the connection over.
func (*Server) raw(w http.ResponseWriter, speak func(net.Conn)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	speak(conn)
	_ = conn.Close()
}

func (s *Server) until(r *http.Request) {
	select {
	case <-s.release:
	case <-r.Context().Done():
	}
}

func (s *Server) pause(r *http.Request) bool {
	select {
	case <-s.release:
		return false
	case <-r.Context().Done():
		return false
	case <-time.After(20 * time.Millisecond):
		return true
	}
}
