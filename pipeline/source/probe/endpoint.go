package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/otelnpd/otelnpd/pipeline/redact"
)

// The bounds of an answer: its headers, its body, and what of it is shown.
const (
	maxHeader = 16 << 10
	maxBody   = 64 << 10
	maxShown  = 256
)

// Endpoint is a health endpoint: healthy is what answers 200 and ends its answer in
// time. The kubelet's is http://127.0.0.1:10248/healthz, kube-proxy's
// http://127.0.0.1:10256/livez.
type Endpoint struct {
	// URL is what is asked, by GET.
	URL string
	// Proc is where the node's /proc is. A connection that is refused on loopback says
	// nothing about the node unless loopback is the node's.
	Proc string
}

// Ask asks once.
func (e *Endpoint) Ask(ctx context.Context) error {
	within, address := given(ctx), redact.URL(e.URL)
	asked, err := url.Parse(e.URL)
	if err != nil {
		return &Unknown{Err: fmt.Errorf("GET %s: it is no URL", address), Remedy: "write a URL, for example http://127.0.0.1:10248/healthz"}
	}
	transport := &http.Transport{DialContext: dialNode, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader}
	err = get(ctx, transport, e.URL)
	switch {
	case err == nil:
		return nil
	case isTimeout(err):
		return fmt.Errorf("GET %s: no answer within %s", address, within)
	case isOwnWant(err):
		return ownWant(fmt.Errorf("GET %s: %w", address, plain(err)))
	case isUnreachable(err) && isLoopback(asked.Hostname()):
		if away := nodeNetwork(e.Proc); away != nil {
			return &Unknown{Err: fmt.Errorf("GET %s: %w: %w", address, plain(err), away.Err), Remedy: away.Remedy}
		}
	}
	return fmt.Errorf("GET %s: %w", address, plain(err))
}

// get is what all that speak HTTP have in common.
func get(ctx context.Context, transport *http.Transport, address string) error {
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "otelnpd")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	switch {
	case response.StatusCode != http.StatusOK:
		return errors.New(strings.TrimSuffix(response.Status+": "+shown(body), ": "))
	case err != nil:
		return fmt.Errorf("the answer breaks off: %w", err)
	}
	return nil
}

// shown is the part of a foreign text that is shown, on one line.
func shown(text []byte) string {
	valid := strings.ToValidUTF8(string(text[:min(len(text), maxShown)]), "")
	return strings.Join(strings.FieldsFunc(valid, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
}

// plain takes off what net and net/http put around an error: the method and URL, and
// the local port, which is another each time.
func plain(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	if outer, ok := errors.AsType[*net.OpError](err); ok {
		err = outer.Err
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		err = call.Err
	}
	return err
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	timed, ok := errors.AsType[net.Error](err)
	return ok && timed.Timeout()
}

// isOwnWant tells whether no connection could be made for want of what this process, or
// the node, has too little of: nobody has been asked then.
func isOwnWant(err error) bool {
	for _, one := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

func ownWant(err error) *Unknown {
	return &Unknown{Err: err, Remedy: "raise the limit of open files (LimitNOFILE) or of memory of this process, or see what uses up those of the node"}
}

func isUnreachable(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

const localhost = "localhost"

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == localhost || ip != nil && ip.IsLoopback()
}

// dialNode knows localhost also where there is no /etc/hosts, as in an image from
// scratch.
func dialNode(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -time.Second}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host != localhost {
		return dialer.DialContext(ctx, network, address)
	}
	conn, err := dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	if err == nil || !errors.Is(err, syscall.ECONNREFUSED) {
		return conn, err
	}
	if six, errSix := dialer.DialContext(ctx, network, net.JoinHostPort("::1", port)); errSix == nil {
		return six, nil
	}
	return nil, err
}
