package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
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

// exporter serves /metrics. The figures come from the gatherer, not from the
// records: those it accepts and forgets.
type exporter struct {
	server *httpserve.Server
	down   atomic.Bool
}

func newExporter(settings pipeline.Settings, config *Config, gatherer prometheus.Gatherer) *exporter {
	return &exporter{server: httpserve.New(httpserve.Config{
		Endpoint: config.Endpoint,
		Key:      "exporters." + settings.ID.String() + ".endpoint",
		Handler:  newHandler(gatherer, settings),
		Logger:   settings.Logger,
		Report:   settings.Report,
	})}
}

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

// Start begins to listen. A taken port is no error: it is tried again.
func (e *exporter) Start(ctx context.Context) error {
	e.server.Start(ctx)
	return nil
}

// Shutdown stops listening and waits for scrapes under way as long as ctx lets.
func (e *exporter) Shutdown(ctx context.Context) error {
	e.down.Store(true)
	return e.server.Shutdown(ctx)
}

// Consume accepts all records: what they count is in the metrics already.
func (e *exporter) Consume(context.Context, []pipeline.Record) error {
	if e.down.Load() {
		return fmt.Errorf("exporter %s is shut down", Type)
	}
	return nil
}

// errorLog logs what goes wrong in making or writing the page.
type errorLog struct{ settings pipeline.Settings }

// Println logs a warning.
func (l errorLog) Println(v ...any) {
	l.settings.Logger.Warn("serve metrics", "error", fmt.Sprint(v...))
}
