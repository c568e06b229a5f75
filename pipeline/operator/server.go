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

	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/health"
)

const (
	maxBodyBytes   = 4 << 10
	maxHeaderBytes = 16 << 10
	readTimeout    = 10 * time.Second
	// writeTimeout leaves a clear the time to reach the disk.
	writeTimeout = 30 * time.Second
)

// ServerConfig says where the server listens and what it asks. The functions
// are called by several goroutines at once.
type ServerConfig struct {
	// Path of the socket.
	Path string
	// Health returns the agent's health.
	Health func() health.Report
	// Views returns every condition with all that holds it.
	Views func() []pipeline.ConditionView
	// Clear ends all causes of a condition type and returns once that is
	// durable. The request id makes the identity of the Event. A type that is not
	// known is ErrUnknownCondition.
	Clear func(ctx context.Context, conditionType, requestID string) (Cleared, error)
	// Logger notes every clear, and who asked for it.
	Logger *slog.Logger
}

// Server answers on the socket.
type Server struct {
	config ServerConfig
	uid    uint32 // of the agent
	socket *socket
	http   *http.Server
	done   sync.WaitGroup
}

// Listen makes the socket and begins to answer. The error ErrRunning is another
// agent; with any other the agent can go on, without operator.
func Listen(config ServerConfig) (*Server, error) {
	made, err := listenAlone(config.Path)
	if err != nil {
		return nil, fmt.Errorf("make the operator's socket: %w", err)
	}
	s := &Server{config: config, uid: uint32(os.Geteuid()), socket: made} //nolint:gosec // a uid has 32 bits
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

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathHealth, s.health)
	mux.HandleFunc("GET "+pathConditions, s.conditions)
	mux.HandleFunc("POST "+pathClear, s.clear)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.allow(r); err != nil {
			fail(w, http.StatusForbidden, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, s.config.Health())
}

func (s *Server) conditions(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, s.config.Views())
}

func (s *Server) clear(w http.ResponseWriter, r *http.Request) {
	request, err := readClear(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	cleared, err := s.config.Clear(r.Context(), request.Type, request.RequestID)
	switch {
	case errors.Is(err, ErrUnknownCondition):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		fail(w, http.StatusInternalServerError, err)
	default:
		s.noteClear(r, request, cleared)
		reply(w, http.StatusOK, cleared)
	}
}

func (s *Server) noteClear(r *http.Request, request wireClear, cleared Cleared) {
	peer, _ := r.Context().Value(peerKey{}).(*unix.Ucred)
	s.config.Logger.Info("an operator cleared a condition", "condition", request.Type, "request_id", request.RequestID,
		"causes", cleared.Causes, "uid", peer.Uid, "pid", peer.Pid)
}
