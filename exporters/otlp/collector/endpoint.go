package collector

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline/redact"
)

// Endpoint is where a Collector is.
type Endpoint struct {
	// Secure tells that the connection is by TLS.
	Secure bool
	// Address is a URL for HTTP, and a target of gRPC's else.
	Address string
}

// grpcPort is the port of OTLP over gRPC where none is given.
const grpcPort = "4317"

// ParseEndpoint reads where a Collector is. By HTTP that is a URL, to which the
// signal's path is appended unless the URL is whole. By gRPC it is HOST[:PORT] or a URL without a
// path, or what gRPC itself reads: unix:PATH, unix:///PATH and dns:[//RESOLVER/]HOST[:PORT].
// What has no scheme of http or https is secure unless insecure is set.
func (s Signal) ParseEndpoint(protocol Protocol, text string, insecure, whole bool) (Endpoint, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	switch isURL := scheme == "http" || scheme == "https"; {
	case protocol == HTTP && !isURL:
		return Endpoint{}, fmt.Errorf("%q is no URL: write http://HOST:PORT or https://HOST:PORT", redact.URL(text))
	case isURL:
		return s.parseURL(protocol, text, whole)
	case scheme == "unix" && strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "///"), scheme == "unix" && rest == "":
		return Endpoint{}, fmt.Errorf("%q is no path of a socket: write unix:///PATH", redact.URL(text))
	case scheme == "unix", scheme == "dns" && strings.Trim(rest, "/") != "" && net.ParseIP(rest) == nil && !isNumber(rest):
		return Endpoint{Secure: !insecure, Address: text}, nil
	default:
		return parseHostPort(text, insecure)
	}
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

func (s Signal) parseURL(protocol Protocol, text string, whole bool) (Endpoint, error) {
	at, err := url.Parse(text)
	switch {
	case err != nil, at.Hostname() == "", !validPort(at.Port()), strings.HasSuffix(at.Host, ":"):
		return Endpoint{}, fmt.Errorf("%q is no URL of a Collector: write http://HOST:PORT or https://HOST:PORT", redact.URL(text))
	case at.User != nil:
		return Endpoint{}, errors.New("has a user in it: write credentials into headers, for example authorization: Basic ${env:CREDENTIALS}")
	case at.RawQuery != "" || at.ForceQuery || at.Fragment != "":
		return Endpoint{}, fmt.Errorf("%q has more than a path in it: write http://HOST:PORT or https://HOST:PORT", redact.URL(text))
	}
	secure := at.Scheme == "https"
	if protocol == HTTP {
		if !whole {
			at = at.JoinPath(s.path())
		}
		return Endpoint{Secure: secure, Address: at.String()}, nil
	}
	if strings.Trim(at.Path, "/") != "" {
		return Endpoint{}, fmt.Errorf("%q has a path, which gRPC has not: write %s://%s, or protocol: http/protobuf", text, at.Scheme, at.Host)
	}
	port := at.Port()
	if port == "" {
		port = grpcPort
	}
	return Endpoint{Secure: secure, Address: "dns:///" + net.JoinHostPort(at.Hostname(), port)}, nil
}

func parseHostPort(text string, insecure bool) (Endpoint, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil { // there may be no port
		host, port, err = net.SplitHostPort(net.JoinHostPort(strings.Trim(text, "[]"), grpcPort))
	}
	if err != nil || host == "" || port == "" || !validPort(port) || strings.ContainsAny(host, " /?#@%") {
		return Endpoint{}, fmt.Errorf("%q is no endpoint: write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:///PATH", redact.URL(text))
	}
	return Endpoint{Secure: !insecure, Address: "dns:///" + net.JoinHostPort(host, port)}, nil
}

func validPort(port string) bool {
	if port == "" {
		return true
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number > 0
}
