package otlp_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/otelnpd/otelnpd/exporters/otlp"
	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/googleauth/googletest"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/pipeline"
)

// newGoogleLab is a lab whose exporter has Google's credentials, and whose receiver
// stands for Google's.
func newGoogleLab(t *testing.T, protocol collector.Protocol) *lab {
	t.Helper()
	authority := otlptest.NewAuthority(t)
	l := newPushLab(t)
	l.Server = otlptest.Start(t, authority.Server(false))
	l.config.Auth, l.config.Protocol, l.config.TLS.CAFile, l.config.Endpoint = otlp.AuthGoogle, protocol, authority.CAFile, "https://"+l.GRPC
	if protocol == collector.HTTP {
		l.config.Endpoint = "https://" + l.HTTP
	}
	return l
}

// projectOf is that of a request's resource.
func projectOf(r *otlptest.Request) (project string) {
	attributes := r.Metrics.GetResourceMetrics()
	for _, one := range attributes {
		for _, about := range one.GetResource().GetAttributes() {
			if about.GetKey() == "gcp.project_id" {
				project = about.GetValue().GetStringValue()
			}
		}
	}
	for _, one := range r.GetResourceLogs() {
		for _, about := range one.GetResource().GetAttributes() {
			if about.GetKey() == "gcp.project_id" {
				project = about.GetValue().GetStringValue()
			}
		}
	}
	return project
}

func TestGoogleTakesBothSignals(t *testing.T) {
	for _, protocol := range []collector.Protocol{collector.GRPC, collector.HTTP} {
		t.Run(string(protocol), func(t *testing.T) {
			google := googletest.Start(t)
			google.UseKey(t)
			t.Setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")
			l := newGoogleLab(t, protocol)
			exporter := l.start(t)
			consume(t, exporter, "one")
			l.WaitForBodies(t, 1)
			l.source.add(4)
			l.waitForValue(t, 4)
			for _, request := range l.Requests() {
				require.Equal(t, []string{"Bearer token-1"}, request.Header.Get("authorization"))
				require.Equal(t, []string{"payer"}, request.Header.Get("x-goog-user-project"))
				if len(request.Metrics.GetResourceMetrics())+len(request.GetResourceLogs()) > 0 {
					require.Equal(t, "project-of-key", projectOf(request))
				}
			}
			require.NotContains(t, l.log.String(), "token-1")
		})
	}
}

func TestTheProjectOfTheEnvironmentGoesBefore(t *testing.T) {
	google := googletest.Start(t)
	google.UseMachine(t)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "gcp.project_id=mine")
	l := newGoogleLab(t, collector.GRPC)
	l.start(t)
	require.Equal(t, "mine", projectOf(l.waitForValue(t, 0)))
}

func TestATokenThatCannotBeHad(t *testing.T) {
	google := googletest.Start(t)
	google.UseKey(t)
	google.Refuse(true)
	l := newGoogleLab(t, collector.GRPC)
	exporter := l.start(t)
	consume(t, exporter, "one")
	eventually(t, "degraded", func() bool {
		return strings.Contains(l.statuses.Last().Reason, "does not take records and metrics: get a token of Google's: the token server answers 400")
	})
	require.Contains(t, l.statuses.Last().Remedy, "GOOGLE_APPLICATION_CREDENTIALS")
	require.Empty(t, l.Requests())
	google.Refuse(false)
	l.WaitForBodies(t, 1)
	l.waitForValue(t, 0)
	eventually(t, "ok", func() bool { return l.statuses.Last().State == pipeline.ComponentOK })
}

// TestATokenThatIsRefused: the next request has a new one.
func TestATokenThatIsRefused(t *testing.T) {
	google := googletest.Start(t)
	google.UseMachine(t)
	l := newGoogleLab(t, collector.GRPC)
	l.Answer(func(r *otlptest.Request) otlptest.Reply {
		if slices.Equal(r.Header.Get("authorization"), []string{"Bearer token-1"}) {
			return refusing(codes.Unauthenticated)
		}
		return otlptest.Reply{}
	})
	l.start(t)
	reading := l.waitForValue(t, 0)
	require.NotEqual(t, []string{"Bearer token-1"}, reading.Header.Get("authorization"))
}
