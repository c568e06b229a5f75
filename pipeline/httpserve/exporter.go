package httpserve

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/otelnpd/otelnpd/pipeline"
)

// ErrShutDown is what an exporter answers to records after its Shutdown.
var ErrShutDown = errors.New("the exporter is shut down")

// Exporter serves pages over what the rest of the agent knows. It accepts all
// records and forgets them.
type Exporter struct {
	server *Server
	down   atomic.Bool
}

var (
	_ pipeline.Exporter = (*Exporter)(nil)
	_ pipeline.Heir     = (*Exporter)(nil)
)

// Listen is where an exporter serves, and how that is protected.
type Listen struct {
	// Endpoint is HOST:PORT, the key endpoint of the exporter's configuration.
	Endpoint string
	// WebConfigFile is a path, the key web_config_file; empty: none.
	WebConfigFile string
}

// NewExporter returns an exporter that serves handler.
func NewExporter(settings pipeline.Settings, listen Listen, handler http.Handler) (*Exporter, error) {
	measure, err := newMetrics(settings.ID, settings.Meter)
	if err != nil {
		return nil, err
	}
	return &Exporter{server: New(Config{
		Endpoint:      listen.Endpoint,
		WebConfigFile: listen.WebConfigFile,
		Key:           "exporters." + settings.ID.String(),
		Handler:       handler,
		Logger:        settings.Logger,
		Report:        settings.Report,
		Observed:      measure.observed,
		Refused:       measure.refused,
	})}, nil
}

// Inherit implements [pipeline.Heir]: the port, if it is the same.
func (e *Exporter) Inherit(from pipeline.Component) {
	if predecessor, ok := from.(*Exporter); ok {
		e.server.Inherit(predecessor.server)
	}
}

// Start begins to listen. A taken port is no error: it is tried again.
func (e *Exporter) Start(ctx context.Context) error {
	e.server.Start(ctx)
	return nil
}

// Shutdown stops listening and waits for answers under way, as [Server.Shutdown] does.
func (e *Exporter) Shutdown(ctx context.Context) error {
	e.down.Store(true)
	return e.server.Shutdown(ctx)
}

// Consume accepts all records until Shutdown.
func (e *Exporter) Consume(context.Context, []pipeline.Record) error {
	if e.down.Load() {
		return ErrShutDown
	}
	return nil
}
