// Package httpserve keeps an HTTP server listening: a port that is taken makes
// its component degraded and is tried again, and never ends the agent.
package httpserve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/httpserve/webconfig"
	"github.com/otelnpd/otelnpd/pipeline/redact"
)

// Limits of a connection. Whoever asks is close by and asks for little.
const (
	readTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 16 << 10
)

// lookupTimeout bounds how long the name of a host is looked up: a start must
// not wait for a DNS server that is away.
const lookupTimeout = 2 * time.Second

// endPatience bounds how long answers under way are waited for at the end: exporters end
// one after the other, and who does not read an answer would take the time of the others,
// in which they tell what they have accepted.
const endPatience = 2 * time.Second

// The wait before a port is tried again doubles from firstRetry to lastRetry.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Config says what is served, and where.
type Config struct {
	// Endpoint to listen on, HOST:PORT.
	Endpoint string
	// WebConfigFile is the path of a web configuration file, which says by which
	// certificate and to whom is served; empty: in the clear, to everybody.
	WebConfigFile string
	// Key is the component's key in the configuration, for remedies: endpoint and
	// web_config_file stand below it.
	Key string
	// Handler answers.
	Handler http.Handler
	// Logger takes errors of connections.
	Logger *slog.Logger
	// Report takes the status of the component: ok while listening.
	Report func(pipeline.Status)
	// Observed measures all answers, also those to who is not let in; nil: nobody does.
	Observed func(http.Handler) http.Handler
	// Refused is told of connections that the web configuration refuses; nil: nobody is.
	Refused func()
}

// Server is an HTTP server that goes on trying to listen until Shutdown.
type Server struct {
	config                Config
	http                  *http.Server
	gate                  *webconfig.Gate // nil: none
	status                status
	firstRetry, lastRetry time.Duration
	patience              time.Duration

	stop    chan struct{}
	stopped sync.Once
	done    sync.WaitGroup

	mu   sync.Mutex
	addr net.Addr
	port *port // what is listened on, or was handed over; nil: nothing
}

// New returns a server that does nothing yet.
func New(config Config) *Server {
	s := &Server{
		config: config, firstRetry: firstRetry, lastRetry: lastRetry, patience: endPatience,
		stop:   make(chan struct{}),
		status: status{report: config.Report},
		http: &http.Server{
			Handler:           config.Handler,
			ReadHeaderTimeout: readTimeout,
			ReadTimeout:       readTimeout,
			WriteTimeout:      writeTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			ErrorLog:          slog.NewLogLogger(config.Logger.Handler(), slog.LevelDebug),
		},
	}
	if config.WebConfigFile != "" {
		s.gate = webconfig.New(config.WebConfigFile, s.readWebConfig, config.Refused)
		s.http.Handler = s.gate.Handler(config.Handler)
	}
	if config.Observed != nil {
		s.http.Handler = config.Observed(s.http.Handler)
	}
	return s
}

// behindGate is a listener on which only those can connect who may.
func (s *Server) behindGate(on net.Listener) net.Listener {
	if s.gate == nil {
		return on
	}
	return s.gate.Listener(on)
}

// Start tries to listen once, reports how that went, and serves or tries again
// in the background. It is called once, and not after Shutdown.
func (s *Server) Start(ctx context.Context) {
	ctx = context.WithoutCancel(ctx) // that of starting alone
	if s.gate != nil {
		s.gate.Read()
	}
	listener := s.open(ctx)
	s.done.Go(func() { s.run(ctx, listener) })
}

// Addr is where the server listens, or nil while it does not.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// Shutdown stops listening, waits for answers under way, for two seconds at most, and
// then cuts them off. It may be called twice, and without Start. Where it is a
// hand-over the port stays open, until Inherit takes it or Shutdown is called again.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopped.Do(func() { close(s.stop) })
	handOver := pipeline.IsHandOver(ctx)
	if handOver {
		s.holdPort()
	}
	err := s.end(ctx)
	s.done.Wait()
	if !handOver {
		err = errors.Join(err, s.closePort())
	}
	return err
}

// end waits for answers under way, and cuts off who does not read theirs.
func (s *Server) end(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	err := s.http.Shutdown(wait)
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && wait.Err() != nil:
		return s.http.Close()
	}
	return errors.Join(fmt.Errorf("wait for answers under way on %s: %w", s.config.Endpoint, err), s.http.Close())
}

// run serves, and listens anew whenever it cannot, until Shutdown.
func (s *Server) run(ctx context.Context, listener net.Listener) {
	wait := s.firstRetry
	for {
		if listener != nil {
			wait = s.firstRetry
			err := s.http.Serve(s.behindGate(listener))
			s.setAddr(nil)
			if errors.Is(err, http.ErrServerClosed) {
				return
			}
			s.degraded(fmt.Errorf("serve on %s: %w", s.config.Endpoint, err))
		}
		if !s.pause(wait) {
			return
		}
		wait = min(2*wait, s.lastRetry)
		listener = s.listen(ctx)
	}
}

// pause waits for d and tells whether the server is still wanted.
func (s *Server) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.stop:
		return false
	}
}

// open returns the port that was handed over, or listens.
func (s *Server) open(ctx context.Context) net.Listener {
	if on := s.inherited(); on != nil {
		s.listens(on)
		return on
	}
	return s.listen(ctx)
}

// listen tries once; nil means that it did not work, which has been reported.
func (s *Server) listen(ctx context.Context) net.Listener {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", s.config.Endpoint)
	if err != nil {
		s.degraded(fmt.Errorf("listen on %s: %w", s.config.Endpoint, err))
		return nil
	}
	tcp, ok := listener.(*net.TCPListener)
	if !ok { // a listener on "tcp" is nothing else
		s.degraded(fmt.Errorf("listen on %s: it is served by %T", s.config.Endpoint, listener))
		_ = listener.Close()
		return nil
	}
	opened := &port{TCPListener: tcp}
	s.setPort(opened)
	s.listens(opened)
	return opened
}

// listens notes that there is a port.
func (s *Server) listens(on *port) {
	s.setAddr(on.Addr())
	s.status.listens(pipeline.Status{State: pipeline.ComponentOK})
}

func (s *Server) setAddr(addr net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addr = addr
}

func (s *Server) degraded(err error) {
	s.status.listens(pipeline.Status{
		State: pipeline.ComponentDegraded, Reason: err.Error(), Remedy: s.remedy(err), Err: err,
	})
}

func (s *Server) remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "end the process that has the port (ss -ltnp shows it), or set " + s.config.Key + ".endpoint to a free one"
	case errors.Is(err, syscall.EACCES):
		return "set " + s.config.Key + ".endpoint to a port from 1024 up, or give the agent the capability NET_BIND_SERVICE"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "set " + s.config.Key + ".endpoint to an address of this host, such as 127.0.0.1"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "let the agent have more open files (LimitNOFILE= in a unit, ulimit -n in a shell)"
	default:
		return "correct " + s.config.Key + ".endpoint"
	}
}

// ValidateEndpoint checks HOST:PORT. An empty host stands for all addresses,
// port 0 for any free port.
func ValidateEndpoint(endpoint string) error {
	const example = "write HOST:PORT, for example 127.0.0.1:20257"
	_, port, err := net.SplitHostPort(endpoint)
	if err != nil {
		return fmt.Errorf("%q is no endpoint: %s", redact.URL(endpoint), example)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%q has no port between 0 and 65535: %s", redact.URL(endpoint), example)
	}
	return nil
}

// Claim names an endpoint as something that only one server can have; port 0 is
// any free port, and leaves it empty.
func Claim(endpoint string) string {
	if _, port, err := net.SplitHostPort(endpoint); err != nil || port == "0" {
		return ""
	}
	return "the endpoint " + endpoint
}
