package otlp

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
)

// lookup is an environment.
func lookup(variables map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}

func TestInvalidConfigurations(t *testing.T) {
	for want, wrong := range map[string]Config{
		`protocol: "http/json" is unknown: write one of grpc, http/protobuf`:         {Protocol: "http/json"},
		`compression: "lz4" is unknown: write one of none, gzip, zstd`:               {Compression: "lz4"},
		`endpoint: "gateway:" is no endpoint`:                                        {Endpoint: "gateway:"},
		`endpoint: "gateway:4318" is no URL: write http://HOST:PORT`:                 {Endpoint: "gateway:4318", Protocol: collector.HTTP},
		`endpoint: "http://gateway/v1/logs" has a path, which gRPC has not`:          {Endpoint: "http://gateway/v1/logs"},
		"timeout: 1ms is out of bounds: write a duration from 100ms to 5m0s":         {Timeout: time.Millisecond},
		"timeout: 1h0m0s is out of bounds":                                           {Timeout: time.Hour},
		"timeout: -1s is out of bounds":                                              {Timeout: -time.Second},
		"probe_interval: 10ms is too short: write 1s or more, or 0 for never":        {ProbeInterval: 10 * time.Millisecond},
		`headers.a b: "a b" is no name of a header`:                                  {Headers: map[string]string{"a b": "x"}},
		"headers.grpc-timeout: is for the protocol itself to set":                    {Headers: map[string]string{"grpc-timeout": "1S"}},
		"headers.Content-Type: is for the protocol itself to set":                    {Headers: map[string]string{"Content-Type": "x"}},
		"headers.token: has a value with characters that no header can have":         {Headers: map[string]string{"token": "x\n"}},
		"headers.token: is Token once more":                                          {Headers: map[string]string{"token": "x", "Token": "y"}},
		`tls.ca_file: "ca.crt" is no absolute path`:                                  {TLS: collector.TLS{CAFile: "ca.crt"}},
		"tls.insecure: is true, and the endpoint says https":                         {Endpoint: "https://gateway", TLS: collector.TLS{Insecure: true}},
		"tls: has keys that are of no use without TLS: write https:// before the en": {Endpoint: "http://gateway", TLS: collector.TLS{CAFile: "/ca.crt"}},
	} {
		require.ErrorContains(t, wrong.Validate(), want)
	}
	many := Config{Protocol: "x", Compression: "y", Timeout: 1, ProbeInterval: 1, TLS: collector.TLS{CAFile: "z"}}
	require.Len(t, strings.Split(many.Validate().Error(), "\n"), 5, "all at once")
}

func TestTheErrorOfAHeaderHidesItsValue(t *testing.T) {
	err := (&Config{Headers: map[string]string{"token": "hush\x00"}}).Validate()
	require.ErrorContains(t, err, "headers.token")
	require.NotContains(t, err.Error(), "hush")
}

func TestAnEndpointOfTheEnvironmentIsJudgedToo(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hush@gateway:4317")
	err := DefaultConfig().Validate()
	require.ErrorContains(t, err, "endpoint: OTEL_EXPORTER_OTLP_ENDPOINT in the environment: has a user in it")
	require.NotContains(t, err.Error(), "hush")
	require.NoError(t, (&Config{Endpoint: "http://gateway"}).Validate(), "it is not asked")
}

func TestEnvironment(t *testing.T) {
	plain := func(address string) collector.Endpoint { return collector.Endpoint{Address: address} }
	secure := func(address string) collector.Endpoint { return collector.Endpoint{Secure: true, Address: address} }
	for name, tt := range map[string]struct {
		config      Config
		environment map[string]string
		want        collector.Options
		odd         []string
	}{
		"nothing": {
			want: collector.Options{Protocol: collector.GRPC, Endpoint: plain("dns:///localhost:4317"), Compression: collector.CompressionNone, Timeout: 10 * time.Second},
		},
		"nothing but HTTP": {
			environment: map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
			want:        collector.Options{Protocol: collector.HTTP, Endpoint: plain("http://localhost:4318/v1/logs"), Compression: collector.CompressionNone, Timeout: 10 * time.Second},
		},
		"all of it": {
			environment: map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": " https://gateway:1 ", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
				"OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20a%3Db, x-one = 1 ,", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca", "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/key",
				"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/crt", "OTEL_EXPORTER_OTLP_INSECURE": "true",
			},
			want: collector.Options{
				Protocol: collector.GRPC, Endpoint: secure("dns:///gateway:1"), Compression: collector.CompressionGzip, Timeout: 2500 * time.Millisecond,
				Headers: map[string]string{"authorization": "Bearer a=b", "x-one": "1"}, TLS: collector.TLS{CAFile: "/ca", CertFile: "/crt", KeyFile: "/key"},
			},
		},
		"of logs before that of all": {
			environment: map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": "http://all:4318", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://logs:4318/as/it/is",
				"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/protobuf",
				"OTEL_EXPORTER_OTLP_TIMEOUT": "1000", "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "", "OTEL_EXPORTER_OTLP_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "b=2",
			},
			want: collector.Options{
				Protocol: collector.HTTP, Endpoint: plain("http://logs:4318/as/it/is"), Compression: collector.CompressionNone, Timeout: time.Second,
				Headers: map[string]string{"b": "2"},
			},
		},
		"the file goes before": {
			config: Config{
				Endpoint: "http://file:4318/base", Protocol: collector.HTTP, Compression: collector.CompressionZstd, Timeout: time.Minute,
				Headers: map[string]string{"Authorization": "mine"},
			},
			environment: map[string]string{
				"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://env:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
				"OTEL_EXPORTER_OTLP_TIMEOUT": "1000", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=theirs,other=1", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca",
			},
			want: collector.Options{
				Protocol: collector.HTTP, Endpoint: plain("http://file:4318/base/v1/logs"), Compression: collector.CompressionZstd, Timeout: time.Minute,
				Headers: map[string]string{"authorization": "mine", "other": "1"},
			},
		},
		"insecure, without scheme": {
			environment: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "gateway:4317", "OTEL_EXPORTER_OTLP_INSECURE": "TRUE"},
			want:        collector.Options{Protocol: collector.GRPC, Endpoint: plain("dns:///gateway:4317"), Compression: collector.CompressionNone, Timeout: 10 * time.Second},
		},
		"the file's TLS goes before insecure": {
			config:      Config{Endpoint: "gateway:4317", TLS: collector.TLS{CAFile: "/mine"}},
			environment: map[string]string{"OTEL_EXPORTER_OTLP_INSECURE": "true"},
			want: collector.Options{Protocol: collector.GRPC, Endpoint: secure("dns:///gateway:4317"), Compression: collector.CompressionNone, Timeout: 10 * time.Second,
				TLS: collector.TLS{CAFile: "/mine"}},
		},
		"what cannot be read is left out": {
			environment: map[string]string{
				"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_COMPRESSION": "lz4", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s",
				"OTEL_EXPORTER_OTLP_HEADERS": "hush,a=%zz,grpc-x=1,good=1", "OTEL_EXPORTER_OTLP_INSECURE": "yes", "OTEL_EXPORTER_OTLP_ENDPOINT": "gateway:4317",
				"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/crt",
			},
			want: collector.Options{Protocol: collector.GRPC, Endpoint: secure("dns:///gateway:4317"), Compression: collector.CompressionNone, Timeout: 10 * time.Second,
				Headers: map[string]string{"good": "1"}},
			odd: []string{"PROTOCOL", "COMPRESSION", "TIMEOUT", "HEADERS", "HEADERS", "HEADERS", "INSECURE", "CLIENT_KEY"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, odd, err := resolve(&tt.config, collector.Logs, lookup(tt.environment))
			require.NoError(t, err)
			if tt.want.Headers == nil {
				tt.want.Headers = map[string]string{}
			}
			require.Equal(t, tt.want, got)
			require.Len(t, odd, len(tt.odd), "%q", odd)
			for i := range odd {
				require.Contains(t, odd[i], tt.odd[i])
				require.NotContains(t, odd[i], "hush")
			}
		})
	}
}

func FuzzEnvironment(f *testing.F) {
	f.Add("a=1,b=%20", "http://gateway", "10")
	f.Fuzz(func(t *testing.T, headers, endpoint, timeout string) {
		got, _, err := resolve(DefaultConfig(), collector.Logs, lookup(map[string]string{
			"OTEL_EXPORTER_OTLP_HEADERS": headers, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": timeout,
		}))
		if err != nil {
			return
		}
		require.NotEmpty(t, got.Endpoint.Address)
		for key, value := range got.Headers {
			require.NoError(t, checkHeader(key, value))
		}
		require.GreaterOrEqual(t, got.Timeout, minTimeout)
		require.LessOrEqual(t, got.Timeout, maxTimeout)
	})
}
