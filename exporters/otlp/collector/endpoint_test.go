package collector_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
)

func TestEndpointsByGRPC(t *testing.T) {
	for text, want := range map[string]collector.Endpoint{
		"gateway.observability:4317":      {Secure: true, Address: "dns:///gateway.observability:4317"},
		"gateway":                         {Secure: true, Address: "dns:///gateway:4317"},
		"10.1.2.3:99":                     {Secure: true, Address: "dns:///10.1.2.3:99"},
		"[2001:db8::1]:4317":              {Secure: true, Address: "dns:///[2001:db8::1]:4317"},
		"2001:db8::1":                     {Secure: true, Address: "dns:///[2001:db8::1]:4317"},
		"[2001:db8::1]":                   {Secure: true, Address: "dns:///[2001:db8::1]:4317"},
		"http://gateway:4317":             {Address: "dns:///gateway:4317"},
		"http://gateway":                  {Address: "dns:///gateway:4317"},
		"http://[::1]:4317/":              {Address: "dns:///[::1]:4317"},
		"https://gateway.example.com:443": {Secure: true, Address: "dns:///gateway.example.com:443"},
		"unix:///run/otelcol.sock":        {Secure: true, Address: "unix:///run/otelcol.sock"},
		"unix:otelcol.sock":               {Secure: true, Address: "unix:otelcol.sock"},
		"dns:///gateway:4317":             {Secure: true, Address: "dns:///gateway:4317"},
		"dns:4317":                        {Secure: true, Address: "dns:///dns:4317"}, // a host of that name
		"unixhost:1":                      {Secure: true, Address: "dns:///unixhost:1"},
	} {
		at, err := collector.Logs.ParseEndpoint(collector.GRPC, text, false, false)
		require.NoError(t, err, text)
		require.Equal(t, want, at, text)
		at, err = collector.Logs.ParseEndpoint(collector.GRPC, text, true, false)
		require.NoError(t, err, text)
		want.Secure = strings.HasPrefix(text, "https:")
		require.Equal(t, want, at, "%s, insecure", text)
	}
}

func TestEndpointsByHTTP(t *testing.T) {
	for text, want := range map[string]collector.Endpoint{
		"http://gateway:4318":                  {Address: "http://gateway:4318/v1/logs"},
		"http://gateway:4318/":                 {Address: "http://gateway:4318/v1/logs"},
		"https://logs.example.com/otlp":        {Secure: true, Address: "https://logs.example.com/otlp/v1/logs"},
		"https://logs.example.com/otlp/v1///":  {Secure: true, Address: "https://logs.example.com/otlp/v1/v1/logs"},
		"https://[2001:db8::1]:4318/a%20b?":    {},
		"https://[2001:db8::1]:4318/a%20b":     {Secure: true, Address: "https://[2001:db8::1]:4318/a%20b/v1/logs"},
		"gateway:4318":                         {},
		"unix:///run/otelcol.sock":             {},
		"https://user:secret@logs.example.com": {},
	} {
		at, err := collector.Logs.ParseEndpoint(collector.HTTP, text, false, false)
		if want.Address == "" {
			require.Error(t, err, text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, at, text)
	}
	at, err := collector.Logs.ParseEndpoint(collector.HTTP, "http://gateway:4318/my/logs", false, true)
	require.NoError(t, err)
	require.Equal(t, collector.Endpoint{Address: "http://gateway:4318/my/logs"}, at, "as it is")
}

func TestEndpointsThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		"":                          `"" is no endpoint`,
		":4317":                     "no endpoint",
		"gateway:":                  "no endpoint",
		"gateway:port":              "no endpoint",
		"gateway:0":                 "no endpoint",
		"gateway:70000":             "no endpoint",
		"gateway:4317/v1/logs":      "no endpoint",
		"ftp://gateway:4317":        "no endpoint",
		"http://":                   "no URL of a Collector",
		"http://gateway:":           "no URL of a Collector",
		"http://:4317":              "no URL of a Collector",
		"http://gateway:99999":      "no URL of a Collector",
		"http://gateway:4317/logs":  "which gRPC has not: write http://gateway:4317, or protocol: http/protobuf",
		"http://gateway:4317?x=1":   "more than a path",
		"http://gateway:4317#x":     "more than a path",
		"http://me:pw@gateway:4317": "write credentials into headers",
		"unix:":                     "no path of a socket",
		"unix://run/x.sock":         "write unix:///PATH",
		"a b:1":                     "no endpoint",
	} {
		_, err := collector.Logs.ParseEndpoint(collector.GRPC, text, false, false)
		require.ErrorContains(t, err, want, text)
	}
}

func TestErrorsOfEndpointsHidePasswords(t *testing.T) {
	for _, text := range []string{"http://me:secret@gateway:x", "me:secret@gateway:4317", "https://me:secret@gateway", "https://me:secret@gateway?", "http://gateway?token=secret", "unix://me:secret@gateway", "http://me:secret#x@gateway"} {
		for _, protocol := range []collector.Protocol{collector.GRPC, collector.HTTP} {
			_, err := collector.Logs.ParseEndpoint(protocol, text, false, false)
			require.Error(t, err, text)
			require.NotContains(t, err.Error(), "secret", text)
		}
	}
}

func FuzzParseEndpoint(f *testing.F) {
	for _, seed := range []string{"gateway:4317", "https://[::1]:1/a", "unix:///x", "dns://8.8.8.8/gateway", "http://%zz"} {
		f.Add(seed, true, false)
	}
	f.Fuzz(func(t *testing.T, text string, insecure, whole bool) {
		for _, protocol := range []collector.Protocol{collector.GRPC, collector.HTTP} {
			at, err := collector.Logs.ParseEndpoint(protocol, text, insecure, whole)
			if err != nil {
				continue
			}
			require.NotEmpty(t, at.Address)
			if protocol == collector.HTTP {
				read, err := url.Parse(at.Address)
				require.NoError(t, err)
				require.Equal(t, at.Secure, read.Scheme == "https")
				require.NotEmpty(t, read.Host)
			}
		}
	})
}
