package httpserve

import (
	"sync"

	"github.com/otelnpd/otelnpd/pipeline"
)

// status is how a server does, of its port and of its web configuration: the component
// is ok while both are. It is safe for concurrent use.
type status struct {
	report func(pipeline.Status)

	mu   sync.Mutex
	port pipeline.Status // not started: nothing is known yet
	web  pipeline.Status // not degraded: in order, or there is none
}

// listens takes what became of the port.
func (s *status) listens(port pipeline.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.port = port
	s.tell()
}

// reads takes what became of the web configuration. The same again is not told.
func (s *status) reads(web pipeline.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.web.State == web.State && s.web.Reason == web.Reason {
		return
	}
	s.web = web
	if s.port.State != pipeline.ComponentStarting {
		s.tell()
	}
}

func (s *status) tell() {
	if s.web.State == pipeline.ComponentDegraded && s.port.State == pipeline.ComponentOK {
		s.report(s.web)
		return
	}
	s.report(s.port)
}

// readWebConfig takes how the reading of the web configuration went. Who connects has
// it read, so that a mended one needs no reload.
func (s *Server) readWebConfig(err error) {
	if err == nil {
		s.status.reads(pipeline.Status{State: pipeline.ComponentOK})
		return
	}
	s.status.reads(pipeline.Status{
		State: pipeline.ComponentDegraded, Err: err,
		Reason: "nobody is served: " + err.Error(),
		Remedy: "mend what is named, of which otelnpd validate tells too, or set " + s.config.Key + ".web_config_file to another file; it is read at every connection",
	})
}
