package googlecloud

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/redact"
)

// board says in words how the exporter does.
type board struct{ *pipeline.StatusChanges }

func (b board) degraded(err error, reason, remedy string) {
	b.Set(pipeline.Status{State: pipeline.ComponentDegraded, Reason: reason, Remedy: remedy, Err: err})
}

// unlocated tells that something is not known yet which the metadata server should
// say.
func (b board) unlocated(what part, err error) {
	reason := fmt.Sprintf("the %s is not known: it is not configured, and the metadata server does not tell %s: %s", what.key, what.path, err)
	remedy := "see whether the metadata server can be reached"
	if errors.Is(err, errUndefined) {
		remedy = "this machine is perhaps not in a cluster of GKE's"
	}
	key := "resource." + what.key
	if what.key == "project" {
		key = what.key
	}
	b.degraded(err, reason, fmt.Sprintf("%s, or write %s in the exporter's configuration", remedy, key))
}

func (b board) unconnected(err error) {
	b.degraded(err, fmt.Sprintf("there are no credentials for Cloud Monitoring: %s", redact.Error(err)),
		"set credentials_file or GOOGLE_APPLICATION_CREDENTIALS, or run where the metadata server gives them (Compute Engine, Workload Identity)")
}

// exported tells what came of an export.
func (b board) exported(o *outcome, err error, project string) {
	if err == nil && o.worst == nil {
		b.Set(pipeline.Status{State: pipeline.ComponentOK})
		return
	}
	if o.worst == nil {
		b.degraded(err, fmt.Sprintf("the metrics cannot be written: %s", redact.Error(err)), "")
		return
	}
	code := o.worst.Code()
	reason := fmt.Sprintf("Cloud Monitoring does not write the metrics: %s: %s", code, redact.Text(o.worst.Message()))
	if o.written > 0 {
		reason = fmt.Sprintf("Cloud Monitoring does not write some of the metrics: %s: %s", code, redact.Text(o.worst.Message()))
	}
	b.degraded(o.worst.Err(), reason, remedy(code, project))
}

// remedy is what an operator can do about an answer.
func remedy(code codes.Code, project string) string {
	switch code {
	case codes.PermissionDenied:
		return fmt.Sprintf("give the service account the role roles/monitoring.metricWriter in the project %s, and see that the Cloud Monitoring API is enabled there; on a machine of Compute Engine its access scopes must let it too", project)
	case codes.Unauthenticated:
		return "see whether the credentials are valid, and the metadata server gives a token"
	case codes.NotFound:
		return fmt.Sprintf("see whether there is a project %s: write its id as project", project)
	case codes.ResourceExhausted:
		return "nothing, if it passes; else see the quotas of the Cloud Monitoring API, make period longer, or leave metrics out by exclude"
	case codes.Unavailable, codes.DeadlineExceeded:
		return "see whether the endpoint can be reached from here; the next period tries again"
	case codes.InvalidArgument:
		return "see which metric is named, and leave it out by exclude or give it another type by metric_types"
	default:
		return "the next period tries again"
	}
}
