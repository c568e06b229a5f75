package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/health"
)

const (
	maxBodyBytes   = 4 << 10
	maxHeaderBytes = 16 << 10
	readTimeout    = 10 * time.Second
	// writeTimeout leaves what was asked for the time to reach the disk.
	writeTimeout = 30 * time.Second
	// reloadTimeout leaves components the time to end and to start.
	reloadTimeout = 5 * time.Minute
)

// ServerConfig says where the server listens and what it asks. The functions
// are called by several goroutines at once. Their ctx ends when the operator goes
// away. What has no function is not served.
type ServerConfig struct {
	// Path of the socket.
	Path string
	// Fallbacks are where the socket is made, in this order, if it cannot be made
	// at Path: in a container /run may be read-only. [Dial] looks there too if it is
	// told the same.
	Fallbacks []string
	// Health returns the agent's health.
	Health func() health.Report
	// Views returns every condition with all that holds it.
	Views func() []pipeline.ConditionView
	// Clear ends all causes of a condition type and returns once that is
	// durable. The request id makes the identity of the Event. A type that is not
	// known is ErrUnknownCondition.
	Clear func(ctx context.Context, conditionType, requestID string) (Cleared, error)
	// Rules returns every rule, in the order to show.
	Rules func() []Rule
	// Silence keeps a rule from having any effect for a time, and returns once that
	// is durable. A rule that there is not is ErrUnknownRule; which ones are near,
	// the server adds.
	Silence func(ctx context.Context, rule string, silence time.Duration, requestID string) (Silenced, error)
	// Unsilence ends the silence of a rule, as Silence begins it.
	Unsilence func(ctx context.Context, rule, requestID string) (Unsilenced, error)
	// Reload reads the configuration again and runs it. One that cannot be run is
	// ErrReloadRefused; see RefuseReload.
	Reload func(ctx context.Context, requestID string) (Reloaded, error)
	// Logger notes everything that is changed, and who asked for it.
	Logger *slog.Logger
}

// Server answers on the socket.
type Server struct {
	config ServerConfig
	uid    uint32 // of the agent
	path   string
	socket *socket
	http   *http.Server
	done   sync.WaitGroup
}

// Listen makes the socket and begins to answer. The error ErrRunning is another
// agent; with any other, which names all paths that were tried, the agent can go
// on, without operator.
func Listen(config ServerConfig) (*Server, error) {
	made, path, err := listenSomewhere(append([]string{config.Path}, config.Fallbacks...))
	if made == nil {
		return nil, fmt.Errorf("make the operator's socket: %w", err)
	}
	if err != nil {
		config.Logger.Info("the operator's socket is at its second place", "socket", path, "error", err)
	}
	s := &Server{config: config, uid: uint32(os.Geteuid()), path: path, socket: made} //nolint:gosec // a uid has 32 bits
	s.http = &http.Server{
		Handler:           s.handler(),
		ConnContext:       withPeer,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(config.Logger.Handler(), slog.LevelDebug),
	}
	s.done.Go(func() { s.serve() })
	return s, nil
}

// Path is where the socket is.
func (s *Server) Path() string { return s.path }

func (s *Server) serve() {
	if err := s.http.Serve(s.socket.listener); !errors.Is(err, http.ErrServerClosed) {
		s.config.Logger.Warn("the operator's socket has closed; restart the agent to have it back", "error", err)
	}
}

// Shutdown removes the socket and waits for answers under way as long as ctx
// lets. It may be called twice.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("wait for the operator's requests: %w", err), s.http.Close())
	}
	s.done.Wait()
	return errors.Join(err, s.socket.close())
}
