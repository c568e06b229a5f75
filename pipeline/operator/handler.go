package operator

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathHealth, s.health)
	mux.HandleFunc("GET "+pathConditions, s.conditions)
	mux.HandleFunc("POST "+pathClear, order(s, readClear, s.clear))
	if s.config.Rules != nil {
		mux.HandleFunc("GET "+pathRules, s.rules)
	}
	if s.config.Silence != nil {
		mux.HandleFunc("POST "+pathSilence, order(s, readSilence, s.silence))
	}
	if s.config.Unsilence != nil {
		mux.HandleFunc("POST "+pathUnsilence, order(s, readUnsilence, s.unsilence))
	}
	if s.config.Reload != nil {
		mux.HandleFunc("POST "+pathReload, s.reload)
	}
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

// order answers a request to do something.
func order[Request, Answer any](
	s *Server, read func(*http.Request) (Request, error), do func(*http.Request, Request) (Answer, error),
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		request, err := read(r)
		if err != nil {
			fail(w, http.StatusBadRequest, err)
			return
		}
		answer, err := do(r, request)
		if err != nil {
			s.refuse(w, err)
			return
		}
		reply(w, http.StatusOK, answer)
	}
}

func (s *Server) clear(r *http.Request, request wireClear) (Cleared, error) {
	cleared, err := s.config.Clear(r.Context(), request.Type, request.RequestID)
	if err != nil {
		return Cleared{}, err
	}
	s.note(r, "an operator cleared a condition", "condition", request.Type, "request_id", request.RequestID, "causes", cleared.Causes)
	return cleared, nil
}

func (s *Server) rules(w http.ResponseWriter, _ *http.Request) {
	rules := s.config.Rules()
	if rules == nil {
		rules = []Rule{}
	}
	reply(w, http.StatusOK, rules)
}

func (s *Server) silence(r *http.Request, request wireSilence) (Silenced, error) {
	silenced, err := s.config.Silence(r.Context(), request.Rule, request.silence, request.RequestID)
	if err != nil {
		return Silenced{}, s.withNearest(err, request.Rule)
	}
	s.note(r, "an operator silenced a rule", "rule", request.Rule, "request_id", request.RequestID, "until", silenced.Until)
	return silenced, nil
}

func (s *Server) unsilence(r *http.Request, request wireUnsilence) (Unsilenced, error) {
	unsilenced, err := s.config.Unsilence(r.Context(), request.Rule, request.RequestID)
	if err != nil {
		return Unsilenced{}, s.withNearest(err, request.Rule)
	}
	s.note(r, "an operator ended the silence of a rule", "rule", request.Rule, "request_id", request.RequestID, "silenced", unsilenced.Silenced)
	return unsilenced, nil
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	request, err := readReload(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	// It fails only for a connection that has gone.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(reloadTimeout))
	s.note(r, "an operator asks for a reload", "request_id", request.RequestID)
	reloaded, err := s.config.Reload(r.Context(), request.RequestID)
	if err != nil {
		s.refuse(w, err)
		return
	}
	reply(w, http.StatusOK, reloaded)
}

// withNearest adds the rules that may have been meant.
func (s *Server) withNearest(err error, rule string) error {
	if !errors.Is(err, ErrUnknownRule) || s.config.Rules == nil {
		return err
	}
	return fmt.Errorf("%w; %s", err, suggestRules(rule, s.config.Rules()))
}

// refuse answers with what kept the agent from doing as it was asked.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrUnknownCondition), errors.Is(err, ErrUnknownRule):
		code = http.StatusNotFound
	case errors.Is(err, ErrReloadRefused):
		code = http.StatusUnprocessableEntity
	}
	fail(w, code, err)
}

// note logs what an operator has asked for, and who that is.
func (s *Server) note(r *http.Request, message string, about ...any) {
	if peer, known := r.Context().Value(peerKey{}).(*unix.Ucred); known {
		about = append(about, "uid", peer.Uid, "pid", peer.Pid)
	}
	s.config.Logger.Info(message, about...)
}
