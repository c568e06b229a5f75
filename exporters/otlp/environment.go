package otlp

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/pipeline"
)

// environment is what OpenTelemetry's variables say, by
// https://opentelemetry.io/docs/specs/otel/protocol/exporter. A variable of the signal
// goes before that of all signals, and an empty one is none.
type environment struct {
	signal collector.Signal
	lookup func(name string) (string, bool)
	// odd is what could not be read, and is left out: the specification wants that told
	// and gone on from.
	odd []string
}

// get returns a variable's value and name.
func (e *environment) get(option string) (value, name string) {
	for _, name := range []string{e.own(option), "OTEL_EXPORTER_OTLP_" + option} {
		if value, _ := e.lookup(name); strings.TrimSpace(value) != "" {
			return strings.TrimSpace(value), name
		}
	}
	return "", ""
}

// own is the name of the signal's own variable.
func (e *environment) own(option string) string {
	return "OTEL_EXPORTER_OTLP_" + strings.ToUpper(e.signal.String()) + "_" + option
}

func (e *environment) value(option string) string {
	value, _ := e.get(option)
	return value
}

// word returns a variable's value if it is one of its type's words.
func word[W pipeline.Word](e *environment, option string) W {
	value, name := e.get(option)
	if err := pipeline.CheckWord(W(value)); err != nil {
		e.odd = append(e.odd, fmt.Sprintf("%s: %s", name, err))
		return ""
	}
	return W(value)
}

func (e *environment) timeout() time.Duration {
	_, name := e.get("TIMEOUT")
	return e.milliseconds(name, minTimeout, maxTimeout)
}

func (e *environment) insecure() bool {
	value, name := e.get("INSECURE")
	if value != "" && !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
		e.odd = append(e.odd, fmt.Sprintf("%s: %q is neither true nor false", name, value))
	}
	return strings.EqualFold(value, "true")
}

// headers reads KEY=VALUE,KEY=VALUE with values encoded by percent signs. What is
// wrong is told without values.
func (e *environment) headers() map[string]string {
	value, name := e.get("HEADERS")
	headers := map[string]string{}
	for pair := range strings.SplitSeq(value, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, encoded, ok := strings.Cut(pair, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		decoded, err := url.PathUnescape(strings.TrimSpace(encoded))
		if !ok || err != nil || checkHeader(key, decoded) != nil {
			e.odd = append(e.odd, name+": one of its headers is not NAME=VALUE, with a value encoded by percent signs")
			continue
		}
		headers[key] = decoded
	}
	return headers
}

// endpoint returns where the Collector is, and whether a URL is whole.
func (e *environment) endpoint() (endpoint, name string, whole bool) {
	endpoint, name = e.get("ENDPOINT")
	return endpoint, name, name == e.own("ENDPOINT")
}

// resolve fills up what the configuration leaves to the environment, or to nobody.
// warnings are of variables that are left out. An endpoint that cannot be read is an
// error wherever it is from: records must not go elsewhere.
func resolve(c *Config, signal collector.Signal, lookup func(string) (string, bool)) (options collector.Options, warnings []string, err error) {
	e := &environment{signal: signal, lookup: lookup}
	options = collector.Options{
		Signal:      signal,
		Protocol:    cmp.Or(c.Protocol, word[collector.Protocol](e, "PROTOCOL"), collector.GRPC),
		Compression: cmp.Or(c.Compression, word[collector.Compression](e, "COMPRESSION"), collector.CompressionNone),
		Timeout:     cmp.Or(c.Timeout, e.timeout(), defaultTimeout),
		Headers:     e.headers(),
		TLS:         c.TLS,
	}
	for key, value := range c.Headers {
		options.Headers[strings.ToLower(key)] = value
	}
	if err := e.locate(c, &options); err != nil {
		return options, nil, err
	}
	return options, e.odd, nil
}

// locate finds the endpoint and what secures the way to it.
func (e *environment) locate(c *Config, options *collector.Options) (err error) {
	text, name, whole := c.Endpoint, "", false
	if text == "" {
		text, name, whole = e.endpoint()
	}
	if text == "" {
		text = defaultEndpoint(c.Auth, options.Protocol)
	}
	text = c.Auth.endpoint(text, options.Protocol)
	insecure := c.TLS.Insecure || c.TLS == (collector.TLS{}) && e.insecure()
	if options.Endpoint, err = e.signal.ParseEndpoint(options.Protocol, text, insecure, whole); err != nil {
		if name != "" {
			err = fmt.Errorf("%s in the environment: %w", name, err)
		}
		return pipeline.At("endpoint", err)
	}
	if err := options.TLS.Fits(options.Endpoint); err != nil {
		return pipeline.At("tls", err)
	}
	if err := c.Auth.fits(options.Endpoint); err != nil {
		return pipeline.At("auth", err)
	}
	if options.Endpoint.Secure {
		e.certificates(&options.TLS)
	}
	return nil
}

func defaultEndpoint(auth Auth, protocol collector.Protocol) string {
	switch {
	case auth == AuthGoogle:
		return googleEndpoint
	case protocol == collector.HTTP:
		return "http://localhost:4318"
	default:
		return "http://localhost:4317"
	}
}

// certificates are files that the configuration does not name.
func (e *environment) certificates(t *collector.TLS) {
	t.CAFile = cmp.Or(t.CAFile, e.value("CERTIFICATE"))
	if t.CertFile == "" {
		t.CertFile, t.KeyFile = e.value("CLIENT_CERTIFICATE"), e.value("CLIENT_KEY")
		if (t.CertFile == "") != (t.KeyFile == "") {
			e.odd = append(e.odd, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY: only one of them is set")
			t.CertFile, t.KeyFile = "", ""
		}
	}
}
