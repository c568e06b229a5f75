package status

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"
	"sync/atomic"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/httpserve"
)

// exporter serves the status page. What it shows comes from its sources, not
// from the records: those it accepts and forgets.
type exporter struct {
	server *httpserve.Server
	down   atomic.Bool
}

func newExporter(settings pipeline.Settings, config *Config, sources Sources) *exporter {
	return &exporter{server: httpserve.New(httpserve.Config{
		Endpoint: config.Endpoint,
		Key:      "exporters." + settings.ID.String() + ".endpoint",
		Handler:  newHandler(config, sources),
		Logger:   settings.Logger,
		Report:   settings.Report,
	})}
}

func newHandler(config *Config, sources Sources) http.Handler {
	answers := answers{sources: sources, stallLimit: config.StallLimit}
	links := []httpserve.Link{
		{Path: "/healthz", Text: "whether the process makes progress"},
		{Path: "/healthz?verbose", Text: "how every component does"},
		{Path: "/readyz", Text: "whether every component is ok"},
		{Path: "/conditions", Text: "the node's conditions"},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", answers.healthz)
	mux.HandleFunc("GET /readyz", answers.readyz)
	mux.HandleFunc("GET /conditions", answers.conditions)
	if config.Pprof {
		addProfiles(mux)
		links = append(links, httpserve.Link{Path: "/debug/pprof/", Text: "profiles"})
	}
	mux.Handle("GET /{$}", httpserve.Page("otelnpd "+sources.Version, links...))
	return mux
}

func addProfiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // as go tool pprof asks
}

// Start begins to listen. A taken port is no error: it is tried again.
func (e *exporter) Start(ctx context.Context) error {
	e.server.Start(ctx)
	return nil
}

// Shutdown stops listening and waits for answers under way as long as ctx lets.
func (e *exporter) Shutdown(ctx context.Context) error {
	e.down.Store(true)
	return e.server.Shutdown(ctx)
}

// Consume accepts all records: the conditions come from the store.
func (e *exporter) Consume(context.Context, []pipeline.Record) error {
	if e.down.Load() {
		return fmt.Errorf("exporter %s is shut down", Type)
	}
	return nil
}
