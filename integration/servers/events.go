package servers

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Event is an Event of the core API.
type Event struct {
	Metadata       metadata `json:"metadata"`
	Type           string   `json:"type"`
	Reason         string   `json:"reason"`
	Message        string   `json:"message"`
	Count          int      `json:"count"`
	InvolvedObject struct {
		APIVersion      string `json:"apiVersion"`
		Kind            string `json:"kind"`
		Name            string `json:"name"`
		Namespace       string `json:"namespace"`
		UID             string `json:"uid"`
		ResourceVersion string `json:"resourceVersion"`
		FieldPath       string `json:"fieldPath"`
	} `json:"involvedObject"`
	Source struct {
		Component string `json:"component"`
		Host      string `json:"host"`
	} `json:"source"`
	FirstTimestamp     time.Time `json:"firstTimestamp"`
	LastTimestamp      time.Time `json:"lastTimestamp"`
	EventTime          time.Time `json:"eventTime"`
	Action             string    `json:"action"`
	ReportingComponent string    `json:"reportingComponent"`
	ReportingInstance  string    `json:"reportingInstance"`
}

// Version is the revision of the last write: Events that were each written once are
// in the order of their writes when sorted by it.
func (e Event) Version(t testing.TB) int {
	t.Helper()
	version, err := strconv.Atoi(e.Metadata.ResourceVersion)
	require.NoError(t, err)
	return version
}

// Events returns the Events about a node in a namespace, by their last writes.
func (k *Kubernetes) Events(t testing.TB, namespace, node string) []Event {
	t.Helper()
	var list struct{ Items []Event }
	k.admin(t, http.MethodGet, eventsPath(namespace)+"?fieldSelector="+url.QueryEscape("involvedObject.name="+node),
		"", nil, http.StatusOK, &list)
	slices.SortFunc(list.Items, func(a, b Event) int { return cmp.Compare(a.Version(t), b.Version(t)) })
	return list.Items
}

// DeleteEvent deletes an Event, as its time to live does.
func (k *Kubernetes) DeleteEvent(t testing.TB, namespace, name string) {
	t.Helper()
	k.admin(t, http.MethodDelete, eventsPath(namespace)+"/"+name, "", nil, http.StatusOK, nil)
}

func eventsPath(namespace string) string { return "/api/v1/namespaces/" + namespace + "/events" }
