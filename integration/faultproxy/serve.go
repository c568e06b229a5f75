package faultproxy

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// connection is the key of a request's connection in its context.
type connection struct{}

// ServeHTTP forwards a request, or does what a fault says.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := Request{
		At: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(),
		ContentType: r.Header.Get("Content-Type"), Header: r.Header.Clone(),
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has left in the middle of its request
	}
	request.Body = body
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.mu.Lock()
	fault := take(p.faults, r)
	number := len(p.requests)
	p.requests = append(p.requests, request)
	p.wake()
	p.mu.Unlock()
	code, done := p.answer(w, r, fault)
	p.finish(number, code, done)
	if code == 0 {
		cut(r)
	}
}

// answer answers as a fault says and returns the status that the client was told,
// 0 where the connection is to be cut, and the server's, 0 where it was not asked.
func (p *Proxy) answer(w http.ResponseWriter, r *http.Request, fault Fault) (code, done int) {
	if fault.Hold != nil {
		select {
		case <-fault.Hold:
		case <-r.Context().Done():
			return 0, 0
		}
	}
	if fault.Cut == CutBefore {
		return 0, 0
	}
	if fault.Status != 0 {
		write(w, fault.Status, fault.Header, []byte(fault.Body))
		return fault.Status, 0
	}
	if fault.Delay == 0 && fault.Cut == CutNever {
		return p.pass(w, r)
	}
	return p.spoil(w, r, fault)
}

// pass lets the answer stream through.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request) (code, done int) {
	seen := &statusWriter{ResponseWriter: w}
	defer func() {
		if recover() != nil { // no answer of the server
			code, done = 0, 0
		}
	}()
	p.forward.ServeHTTP(seen, r)
	return seen.status, seen.status
}

// spoil takes the whole answer of the server, and then does harm to it. The client
// may leave meanwhile: what it asked for is done all the same.
func (p *Proxy) spoil(w http.ResponseWriter, r *http.Request, fault Fault) (code, done int) {
	answer := httptest.NewRecorder()
	_, done = p.pass(answer, r.WithContext(context.WithoutCancel(r.Context())))
	if done == 0 {
		return 0, 0
	}
	if fault.Delay > 0 {
		late := time.NewTimer(fault.Delay)
		defer late.Stop()
		select {
		case <-late.C:
		case <-r.Context().Done():
			return 0, done
		}
	}
	switch content := answer.Body.Bytes(); fault.Cut {
	case CutAfter:
		return 0, done
	case CutBody:
		answer.Header().Set("Content-Length", strconv.Itoa(len(content)))
		write(w, done, answer.Header(), content[:len(content)/2])
		return 0, done
	default:
		write(w, done, answer.Header(), content)
		return done, done
	}
}

func write(w http.ResponseWriter, status int, header http.Header, body []byte) {
	maps.Copy(w.Header(), header)
	w.WriteHeader(status)
	_, _ = w.Write(body)
	_ = http.NewResponseController(w).Flush()
}

// cut closes the connection of a request under it.
func cut(r *http.Request) {
	if c, ok := r.Context().Value(connection{}).(net.Conn); ok {
		_ = c.Close()
	}
	panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to write nothing more
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (w *statusWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
