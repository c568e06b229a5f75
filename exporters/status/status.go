package status

import (
	"net/http"
	"net/http/pprof"

	"github.com/otelnpd/otelnpd/pipeline/httpserve"
)

// newHandler serves the status page. What it shows comes from its sources, not
// from the records.
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
