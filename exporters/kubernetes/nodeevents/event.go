package nodeevents

import (
	"math"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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
		namespace = metav1.NamespaceDefault
	}
	return writer{namespace: namespace, node: node, prefix: namePrefix(node)}
}

// series makes the Event of a series, as it now stands.
func (w *writer) series(s *series, nodeUID string) *corev1.Event {
	event := w.event(s.UID, nodeUID, s.First, s.Last)
	event.Type, event.Reason, event.Message = s.Type, s.Reason, s.Text
	event.Source.Component, event.ReportingController = s.Source, s.Source
	event.Count = int32(min(s.Count, math.MaxInt32)) //nolint:gosec // it is bounded here
	return event
}

// summary makes the Event of a flood.
func (w *writer) summary(f *flood, nodeUID string) *corev1.Event {
	event := w.event(f.uid(w.node), nodeUID, f.From, f.To)
	event.Type, event.Reason, event.Message = corev1.EventTypeNormal, reasonSuppressed, message(f.String())
	event.Source.Component, event.ReportingController = defaultSource, defaultSource
	event.Count = 1
	return event
}

// event makes what all Events have. There is no eventTime: with one, the API
// server judges by the rules of events.k8s.io, which know no count.
func (w *writer) event(uid pipeline.UID, nodeUID string, first, last time.Time) *corev1.Event {
	return &corev1.Event{
		TypeMeta:          metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta:        metav1.ObjectMeta{Namespace: w.namespace, Name: w.prefix + uid.String()},
		InvolvedObject:    w.involved(nodeUID),
		Source:            corev1.EventSource{Host: w.node},
		ReportingInstance: w.node,
		FirstTimestamp:    metav1.Time{Time: first.UTC().Truncate(time.Second)},
		LastTimestamp:     metav1.Time{Time: last.UTC().Truncate(time.Second)},
	}
}

// involved refers to the Node. It has a namespace only where the API server asks
// for the Event's own.
func (w *writer) involved(nodeUID string) corev1.ObjectReference {
	ref := corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: w.node, UID: types.UID(nodeUID)}
	if w.namespace != metav1.NamespaceDefault {
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
