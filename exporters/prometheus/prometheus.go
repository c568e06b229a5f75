package prometheus

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/httpserve"
)

// maxScrapes bounds the answers that are made at a time; more are told to come
// back (503).
const maxScrapes = 4

// gatherTimeout bounds how long a scrape waits for the figures.
const gatherTimeout = 10 * time.Second

// newHandler serves /metrics. The figures come from the gatherer, not from the
// records.
func newHandler(gatherer prometheus.Gatherer, settings pipeline.Settings) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{
		ErrorLog: errorLog{settings},
		// One series that cannot be made must not hide all the others.
		ErrorHandling: promhttp.ContinueOnError,
		// Figures that hang hold up one goroutine, however many ask for them.
		MaxRequestsInFlight: maxScrapes,
		CoalesceGather:      true,
		Timeout:             gatherTimeout,
		// The scraper is close by and the page small: packing it would cost more
		// memory than the rest of the exporter.
		DisableCompression: true,
	}))
	mux.Handle("GET /{$}", httpserve.Page("otelnpd "+settings.Version,
		httpserve.Link{Path: "/metrics", Text: "metrics in Prometheus' text format"}))
	return mux
}

// errorLog logs what goes wrong in making or writing the page.
type errorLog struct{ settings pipeline.Settings }

// Println logs a warning.
func (l errorLog) Println(v ...any) {
	l.settings.Logger.Warn("serve metrics", "error", fmt.Sprint(v...))
}
