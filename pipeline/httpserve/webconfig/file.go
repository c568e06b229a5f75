package webconfig

import (
	"errors"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// maxBytes bounds a web configuration file, and each file that it names.
const maxBytes = 1 << 20

// errOpen is a file by which everybody would be served in the clear, such as one that an
// editor has truncated and not yet written.
var errOpen = errors.New("it has neither tls_server_config nor basic_auth_users, so that it protects nothing: " +
	"write one of them, or leave out web_config_file")

// file is a web configuration file.
type file struct {
	// TLS says how connections are encrypted; nothing in it: not at all.
	TLS tlsServer `yaml:"tls_server_config"`
	// HTTP says how answers are given.
	HTTP httpServer `yaml:"http_server_config"`
	// RateLimit bounds how many requests are answered.
	RateLimit rateLimit `yaml:"rate_limit"`
	// Users are the bcrypt hashes of the passwords, by user.
	Users map[string]string `yaml:"basic_auth_users"`
}

type httpServer struct {
	// HTTP2 offers HTTP/2 beside HTTP/1.1, over TLS.
	HTTP2 bool `yaml:"http2"`
	// Headers are added to every answer.
	Headers map[string]string `yaml:"headers"`
}

type rateLimit struct {
	// Interval is the time in which one request more is allowed; 0: no limit.
	Interval time.Duration `yaml:"interval"`
	// Burst is how many may come at once.
	Burst int `yaml:"burst"`
}

// headers are those that may be set, and the values that each may have; none: any.
var headers = map[string][]string{
	"Strict-Transport-Security": nil,
	"X-Content-Type-Options":    {"nosniff"},
	"X-Frame-Options":           {"deny", "sameorigin"},
	"X-XSS-Protection":          nil,
	"Content-Security-Policy":   nil,
}

// parse reads a file's content; name is its path.
func parse(content []byte, name string) (*file, error) {
	read := &file{HTTP: httpServer{HTTP2: true}, TLS: tlsServer{MinVersion: "TLS12", MaxVersion: "TLS13"}}
	if _, err := strictyaml.Decode(content, name, read); err != nil {
		return nil, err
	}
	read.TLS.within(filepath.Dir(name))
	if err := read.validate(); err != nil {
		return nil, err
	}
	return read, nil
}

func (f *file) validate() error {
	if !f.TLS.enabled() && len(f.Users) == 0 {
		return errOpen
	}
	errs := []error{pipeline.At("tls_server_config", f.TLS.validate()), f.RateLimit.validate()}
	for user, hash := range f.Users {
		errs = append(errs, pipeline.At("basic_auth_users."+user, checkHash(hash)))
	}
	for name, value := range f.HTTP.Headers {
		errs = append(errs, pipeline.At("http_server_config.headers."+name, checkHeader(name, value)))
	}
	return errors.Join(errs...)
}

func (r rateLimit) validate() error {
	if r.Interval < 0 || r.Interval > 0 && r.Burst < 1 {
		return pipeline.At("rate_limit", errors.New("lets nobody pass: write interval: 1s and burst: 1, or more"))
	}
	return nil
}

// limiter returns nil where there is no limit.
func (r rateLimit) limiter() *rate.Limiter {
	if r.Interval == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Every(r.Interval), r.Burst)
}

func checkHeader(name, value string) error {
	allowed, known := headers[name]
	switch {
	case !known:
		return errors.New("this header cannot be set")
	case len(allowed) > 0 && !slices.Contains(allowed, value):
		return pipeline.OneOf(value, allowed...)
	}
	return nil
}
