package otlp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/otlptest"
	"github.com/otelnpd/otelnpd/pipeline"
)

// What the login page of a proxy answers with 200 has not been taken, and is sent again.
func TestWhoDoesNotSpeakOTLPHasTakenNothing(t *testing.T) {
	l := newPushLab(t)
	l.config.Protocol, l.config.Endpoint = collector.HTTP, "http://"+l.HTTP
	page := otlptest.Reply{HTTP: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<html>Please log in</html>")}
	l.Answer(func(*otlptest.Request) otlptest.Reply { return page })
	exporter := l.start(t)
	consume(t, exporter, "one")
	l.WaitFor(t, "both, and again", func(all []*otlptest.Request) bool {
		return countRequests(all, func(r *otlptest.Request) bool { return r.Metrics == nil }) >= 2 &&
			countRequests(all, func(r *otlptest.Request) bool { return r.Metrics != nil }) >= 2
	})
	eventually(t, "the status", func() bool { return strings.Contains(l.statuses.Last().Reason, "not of OTLP") })
	require.Equal(t, pipeline.ComponentDegraded, l.statuses.Last().State)
	require.Contains(t, l.statuses.Last().Remedy, "no proxy on the way")
	l.Answer(nil)
	l.WaitForBodies(t, 1)
	l.source.add(4)
	l.waitForValue(t, 4)
	eventually(t, "the status", func() bool { return l.statuses.Last().State == pipeline.ComponentOK })
	shutdown(t, exporter)
	require.Equal(t, []string{"one"}, l.Bodies())
	require.EqualValues(t, 1, l.sums(t)["exporter.sent_records"])
}

func countRequests(all []*otlptest.Request, is func(*otlptest.Request) bool) (count int) {
	for _, one := range all {
		if is(one) {
			count++
		}
	}
	return count
}
