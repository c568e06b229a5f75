package otlp

import (
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// SetHandOverPatience sets how long an exporter waits for a request that is under way
// when a successor takes over: a busy machine may need longer than a reload may take.
func SetHandOverPatience(of pipeline.Exporter, patience time.Duration) {
	of.(*exporter).patience = patience //nolint:forcetypeassert // it is one
}
