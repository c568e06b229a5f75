package probe_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/source/probe"
	"github.com/otelnpd/otelnpd/pipeline/source/probe/probetest"
)

// short is a time that is over soon, and long one that is not.
const (
	short = 300 * time.Millisecond
	long  = 20 * time.Second
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// requireUnhealthy wants an error that is no Unknown.
func requireUnhealthy(t *testing.T, err error, text string) {
	t.Helper()
	require.ErrorContains(t, err, text)
	require.Nil(t, probe.AsUnknown(err), "%v", err)
}

func requireUnknown(t *testing.T, err error, text, remedy string) {
	t.Helper()
	unknown := probe.AsUnknown(err)
	require.NotNil(t, unknown, "%v", err)
	require.ErrorContains(t, err, text)
	require.Contains(t, unknown.Remedy, remedy)
}

func TestEndpoint(t *testing.T) {
	for name, one := range map[string]struct {
		manner probetest.Manner
		given  time.Duration
		want   string // empty: healthy
	}{
		"well":                  {probetest.Well, long, ""},
		"an error":              {probetest.Fails, long, ": 500 Internal Server Error: [+]ping ok [-]syncloop failed: [31mreason withheld healthz check failed"},
		"hangs":                 {probetest.Hangs, short, ": no answer within 300ms"},
		"drips its body":        {probetest.Drips, short, ": no answer within 300ms"},
		"drips its headers":     {probetest.DripsHeaders, short, ": no answer within 300ms"},
		"never ends":            {probetest.Endless, long, ""},
		"redirects":             {probetest.Redirects, long, ": 302 Found"},
		"breaks off":            {probetest.BreaksOff, long, ": the answer breaks off: unexpected EOF"},
		"speaks something else": {probetest.Garbles, long, `malformed HTTP response "SSH-2.0-OpenSSH_9.2"`},
	} {
		t.Run(name, func(t *testing.T) {
			server := probetest.StartServer(t)
			server.Be(one.manner)
			endpoint := probe.Endpoint{URL: server.URL, Proc: "/proc"}
			began := time.Now()
			err := endpoint.Ask(within(t, one.given))
			require.Less(t, time.Since(began), long/2)
			if one.want == "" {
				require.NoError(t, err)
				return
			}
			requireUnhealthy(t, err, "GET "+server.URL)
			require.ErrorContains(t, err, one.want)
		})
	}
}

func TestEndpointHidesSecrets(t *testing.T) {
	server := probetest.StartServer(t)
	server.Be(probetest.Fails)
	address := strings.TrimPrefix(server.URL, "http://")
	for asked, want := range map[string]string{
		"http://me:secret@" + address + "?token=secret": "GET http://…@" + address + "?…: 500 ",
		"http://me:secret@h:x":                          "GET http://…@h:x: it is no URL",
		"http://me:secret#@h":                           "GET http://…: it is no URL",
	} {
		endpoint := probe.Endpoint{URL: asked, Proc: "/proc"}
		err := endpoint.Ask(within(t, long))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
}

func TestRefusedOnLoopback(t *testing.T) {
	server := probetest.StartServer(t)
	server.Stop()
	endpoint := probe.Endpoint{URL: server.URL, Proc: "/proc"}
	err := endpoint.Ask(within(t, long))
	requireUnhealthy(t, err, "connection refused")
	require.EqualError(t, err, "GET "+server.URL+": connection refused", "it is the same each time")

	endpoint.Proc = t.TempDir() // nothing tells that this is the node's network
	requireUnknown(t, endpoint.Ask(within(t, long)), "connection refused", "hostNetwork: true")
}

func TestLocalhostIsKnownWithoutAResolver(t *testing.T) {
	server := probetest.StartServer(t)
	port := server.URL[len("http://127.0.0.1"):]
	require.NoError(t, (&probe.Endpoint{URL: "http://localhost" + port}).Ask(within(t, long)))
	server.Stop()
	requireUnhealthy(t, (&probe.Endpoint{URL: "http://localhost" + port, Proc: "/proc"}).Ask(within(t, long)), "connection refused")
}

func TestDocker(t *testing.T) {
	socket := probetest.ShortDir(t) + "/docker.sock"
	server := probetest.StartSocket(t, socket)
	docker := probe.Docker{Socket: socket}
	require.NoError(t, docker.Ask(within(t, long)))
	require.Equal(t, "/containers/json?limit=1", server.Asked().URL.String())
	server.Be(probetest.Fails)
	requireUnhealthy(t, docker.Ask(within(t, long)), "list containers of docker: 500 Internal Server Error: [+]ping ok")
	server.Be(probetest.Hangs)
	requireUnhealthy(t, docker.Ask(within(t, short)), "list containers of docker at "+socket+": no answer within 300ms")
}
