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

// NewExporter returns an exporter that serves handler at endpoint, HOST:PORT,
// which is the key endpoint of its configuration.
func NewExporter(settings pipeline.Settings, endpoint string, handler http.Handler) *Exporter {
	return &Exporter{server: New(Config{
		Endpoint: endpoint,
		Key:      "exporters." + settings.ID.String() + ".endpoint",
		Handler:  handler,
		Logger:   settings.Logger,
		Report:   settings.Report,
	})}
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

// Shutdown stops listening and waits for answers under way as long as ctx lets.
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
