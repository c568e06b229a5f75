package nodeevents

import (
	"math"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
	"github.com/otelnpd/otelnpd/pipeline"
)

// reasonSuppressed is the reason of the Event that sums up a flood.
const reasonSuppressed = "EventsSuppressed"

// maxNameBytes is the longest name of an object: a DNS subdomain.
const maxNameBytes = 253

// writer makes Events about a Node.
type writer struct {
	namespace string
	node      string // the Node's name
	prefix    string // of the Events' names
}

func newWriter(namespace, node string) writer {
	if namespace == "" {
		namespace = apiserver.DefaultNamespace
	}
	return writer{namespace: namespace, node: node, prefix: namePrefix(node)}
}

// series makes the Event of a series, as it now stands.
func (w *writer) series(s *series, nodeUID string) *apiserver.Event {
	event := w.event(s.UID, nodeUID, s.First, s.Last)
	event.Type, event.Reason, event.Message = s.Type, s.Reason, s.Text
	event.Source.Component, event.ReportingController = s.Source, s.Source
	event.Count = int32(min(s.Count, math.MaxInt32)) //nolint:gosec // it is bounded here
	return event
}

// summary makes the Event of a flood.
func (w *writer) summary(f *flood, nodeUID string) *apiserver.Event {
	event := w.event(f.uid(w.node), nodeUID, f.From, f.To)
	event.Type, event.Reason, event.Message = apiserver.EventNormal, reasonSuppressed, message(f.String())
	event.Source.Component, event.ReportingController = defaultSource, defaultSource
	event.Count = 1
	return event
}

// event makes what all Events have. There is no eventTime: with one, the API
// server judges by the rules of events.k8s.io, which know no count.
func (w *writer) event(uid pipeline.UID, nodeUID string, first, last time.Time) *apiserver.Event {
	return &apiserver.Event{
		ObjectMeta:        apiserver.ObjectMeta{Namespace: w.namespace, Name: w.prefix + uid.String()},
		InvolvedObject:    w.involved(nodeUID),
		Source:            apiserver.EventSource{Host: w.node},
		ReportingInstance: w.node,
		FirstTimestamp:    first.UTC().Truncate(time.Second),
		LastTimestamp:     last.UTC().Truncate(time.Second),
	}
}

// involved refers to the Node. It has a namespace only where the API server asks
// for the Event's own.
func (w *writer) involved(nodeUID string) apiserver.ObjectReference {
	ref := apiserver.ObjectReference{APIVersion: "v1", Kind: "Node", Name: w.node, UID: nodeUID}
	if w.namespace != apiserver.DefaultNamespace {
		ref.Namespace = w.namespace
	}
	return ref
}

// namePrefix is the Node's name and a dot, as a part of a DNS subdomain that
// leaves room for a UID; empty if nothing of the name can stand there.
func namePrefix(node string) string {
	const room = maxNameBytes - 1 - 2*len(pipeline.UID{})
	var labels []string
	for label := range strings.SplitSeq(strings.Map(keepInName, strings.ToLower(node)), ".") {
		if label = strings.Trim(label, "-"); label != "" {
			labels = append(labels, label)
		}
	}
	name := strings.Join(labels, ".")
	if name = strings.TrimRight(name[:min(len(name), room)], "-."); name == "" {
		return ""
	}
	return name + "."
}

func keepInName(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.':
		return r
	default:
		return '-'
	}
}
