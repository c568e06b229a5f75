package webconfig

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"

	"golang.org/x/time/rate"

	"github.com/otelnpd/otelnpd/pipeline/regularfile"
)

// Validate checks a path, and not what is there: see [Check].
func Validate(path string) error {
	if path != "" && !filepath.IsAbs(path) {
		return fmt.Errorf("%q is no absolute path: write one like /etc/otelnpd/web.yaml", path)
	}
	return nil
}

// Check reads a web configuration file and all that it names, and tells what is wrong;
// fs.ErrNotExist: something is not there. An empty path is no file.
func Check(path string) error {
	if path == "" {
		return nil
	}
	_, _, err := New(path, nil, nil).readAll()
	return err
}

// Gate lets pass whom a web configuration file allows to. It is safe for concurrent use.
type Gate struct {
	path    string
	report  func(error)
	refused func()

	mu      sync.Mutex
	content []byte
	rules   *rules
}

// rules are what a content of the file says. They are kept while it is the same.
type rules struct {
	file    *file
	door    *door
	limiter *rate.Limiter // nil: no limit
}

// New returns a gate by the file at path. report takes how each reading went: nil, or
// why nobody is let pass; refused, which may be nil, is told of connections that are
// closed at once. Both are called by several goroutines at once.
func New(path string, report func(error), refused func()) *Gate {
	if refused == nil {
		refused = func() {}
	}
	return &Gate{path: path, report: report, refused: refused}
}

// Read reads the file and all that it names, and reports.
func (g *Gate) Read() {
	_, _, err := g.readAll()
	g.report(err)
}

// readAll reads the file and all that it names. The tls.Config is nil where there is no
// TLS.
func (g *Gate) readAll() (*rules, *tls.Config, error) {
	now, err := g.read()
	if err != nil || !now.file.TLS.enabled() {
		return now, nil, err
	}
	loaded, err := now.file.TLS.load(now.file.HTTP.HTTP2)
	return now, loaded, g.about(err)
}

// read reads the file alone.
func (g *Gate) read() (*rules, error) {
	content, err := regularfile.Read(g.path, maxBytes)
	if err != nil {
		return nil, g.about(err)
	}
	now, err := g.parsed(content)
	return now, g.about(err)
}

func (g *Gate) about(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read the web configuration %s: %w", g.path, err)
}

func (g *Gate) parsed(content []byte) (*rules, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rules != nil && bytes.Equal(content, g.content) {
		return g.rules, nil
	}
	read, err := parse(content, g.path)
	if err != nil {
		return nil, err
	}
	g.content, g.rules = content, &rules{file: read, door: newDoor(read.Users), limiter: read.RateLimit.limiter()}
	return g.rules, nil
}

// Listener returns a listener on which connections are encrypted where the file says so.
// Nobody can connect while the file is not in order.
func (g *Gate) Listener(on net.Listener) net.Listener { return listener{Listener: on, gate: g} }

type listener struct {
	net.Listener
	gate *Gate
}

// Accept implements [net.Listener].
func (l listener) Accept() (net.Conn, error) {
	for {
		connection, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		_, encrypt, err := l.gate.readAll()
		l.gate.report(err)
		switch {
		case err != nil:
			l.gate.refused()
			_ = connection.Close() // who is refused need not be told well
		case encrypt != nil:
			return tls.Server(connection, encrypt), nil
		default:
			return connection, nil
		}
	}
}

// Handler lets requests pass to next. It is for connections of a [Gate.Listener].
func (g *Gate) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now, err := g.read()
		if err != nil {
			g.report(err)
		}
		if err != nil || now.file.TLS.enabled() && r.TLS == nil {
			// The connection is older than what the file says now.
			w.Header().Set("Connection", "close")
			answer(w, http.StatusServiceUnavailable)
			return
		}
		if now.admit(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}

// admit tells whether a request may pass; else it has been answered.
func (r *rules) admit(w http.ResponseWriter, request *http.Request) bool {
	if r.limiter != nil && !r.limiter.Allow() {
		answer(w, http.StatusTooManyRequests)
		return false
	}
	for name, value := range r.file.HTTP.Headers {
		w.Header().Set(name, value)
	}
	if len(r.file.Users) == 0 {
		return true
	}
	user, password, told := request.BasicAuth()
	if told {
		right, err := r.door.open(request.Context(), user, password)
		if errors.Is(err, errBusy) {
			answer(w, http.StatusServiceUnavailable)
			return false
		}
		if right {
			return true
		}
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="otelnpd"`)
	answer(w, http.StatusUnauthorized)
	return false
}

func answer(w http.ResponseWriter, code int) { http.Error(w, http.StatusText(code), code) }
