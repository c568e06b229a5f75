package otlp

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/googleauth"
	"github.com/otelnpd/otelnpd/pipeline"
)

// Auth is a way to get credentials.
type Auth string

// AuthGoogle takes Google Cloud's application-default credentials.
const AuthGoogle Auth = "google"

// googleEndpoint is that of Google Cloud's Telemetry API
// (https://docs.cloud.google.com/stackdriver/docs/reference/telemetry/overview), which
// takes all protocols of OTLP.
const googleEndpoint = "https://telemetry.googleapis.com"

// Words are the ways that there are.
func (Auth) Words() []string { return []string{"", string(AuthGoogle)} }

// endpoint completes that of gRPC with the port that Google has for all protocols.
func (a Auth) endpoint(text string, protocol collector.Protocol) string {
	at, err := url.Parse(text)
	if a != AuthGoogle || protocol == collector.HTTP || err != nil || at.Scheme != "https" || at.Port() != "" {
		return text
	}
	at.Host += ":443"
	return at.String()
}

// fits returns an error where credentials would be sent for all to read.
func (a Auth) fits(endpoint collector.Endpoint) error {
	if a == AuthGoogle && !endpoint.Secure {
		return errors.New("is google, and the endpoint is without TLS, where anybody could read the credentials: write https:// before the endpoint")
	}
	return nil
}

func (c *Config) validateAuth() error {
	if err := pipeline.CheckWord(c.Auth); err != nil || c.Auth == "" {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(c.Headers)) {
		if strings.EqualFold(key, "authorization") {
			return errors.New("is google, and headers has an authorization: remove one of them")
		}
	}
	return nil
}

// authorizer is the one of all signals.
func (c *Config) authorizer() collector.Authorizer {
	if c.Auth != AuthGoogle {
		return nil
	}
	return googleauth.New()
}
