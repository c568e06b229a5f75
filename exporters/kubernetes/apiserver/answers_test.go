package apiserver_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
)

// toServer is a configuration of a server whose certificate is not looked at.
func toServer(url string) apiserver.Config {
	config := apiserver.DefaultConfig()
	config.Credentials, config.Server, config.InsecureSkipVerify = "none", url, true
	return config
}

// The three requests, by their verbs.
var requests = map[string]func(context.Context, *apiserver.Client) error{
	"GET": func(ctx context.Context, client *apiserver.Client) error {
		_, err := client.Node(ctx, "node-1")
		return err
	},
	"PATCH": func(ctx context.Context, client *apiserver.Client) error {
		_, err := client.PatchConditions(ctx, apiserver.Patch{Node: "node-1", UID: "u-1", Delete: []string{"Old"}})
		return err
	},
	"PUT": func(ctx context.Context, client *apiserver.Client) error {
		return client.WriteEvent(ctx, &apiserver.Event{ObjectMeta: apiserver.ObjectMeta{Namespace: "default", Name: "e"}})
	},
}

// status is a Status as kube-apiserver writes it.
func status(code, reason, message, details string) string {
	return `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"` + message +
		`","reason":"` + reason + `","details":` + details + `,"code":` + code + `}`
}

func TestAnswersThatAreErrors(t *testing.T) {
	const (
		rights = "bind the ClusterRole system:node-problem-detector to the agent's user, which lets it "
		policy = ", or mend the admission policy that denies it"
		again  = "nothing: the agent tries again"
		bug    = "read what the server says about it; if nothing of the cluster explains it, report this as a bug"
		other  = "check that apiserver.server, or the server of the credentials, and any proxy before it lead to kube-apiserver"
		broken = "look at kube-apiserver and etcd, and at any proxy before them"
	)
	tests := map[string]struct {
		verb   string
		code   int
		header http.Header
		body   string
		want   apiserver.Error
		text   string
	}{
		"unauthorized": {
			verb: "GET", code: 401, body: status("401", "Unauthorized", "Unauthorized", "null"),
			want: apiserver.Error{Kind: apiserver.Unauthorized, Remedy: "renew the token or certificate of the agent's credentials: the server does not know it"},
			text: `reading the Node "node-1": 401 Unauthorized: Unauthorized`,
		},
		"may not get": {
			verb: "GET", code: 403, body: status("403", "Forbidden", `nodes \"node-1\" is forbidden`, "null"),
			want: apiserver.Error{Kind: apiserver.Forbidden, Remedy: rights + "get nodes" + policy},
			text: `reading the Node "node-1": 403 Forbidden: nodes "node-1" is forbidden`,
		},
		"may not patch": {
			verb: "PATCH", code: 403, body: status("403", "Forbidden", "no", "{}"),
			want: apiserver.Error{Kind: apiserver.Forbidden, Remedy: rights + "patch nodes/status" + policy},
			text: `patching the status of the Node "node-1": 403 Forbidden: no`,
		},
		"may not write": {
			verb: "PUT", code: 403, body: status("403", "Forbidden", "no", "{}"),
			want: apiserver.Error{Kind: apiserver.Forbidden, Remedy: rights + "create and update events" + policy},
			text: `writing the Event "e" in namespace "default": 403 Forbidden: no`,
		},
		"no node": {
			verb: "GET", code: 404, body: status("404", "NotFound", `nodes \"node-1\" not found`, "{}"),
			want: apiserver.Error{Kind: apiserver.NotFound, Remedy: "register the Node, or set service.node (or $NODE_NAME) to the name that kubectl get nodes shows"},
			text: `reading the Node "node-1": 404 Not Found: nodes "node-1" not found`,
		},
		"no namespace": {
			verb: "PUT", code: 404, body: status("404", "NotFound", `namespaces \"default\" not found`, "{}"),
			want: apiserver.Error{Kind: apiserver.NotFound, Remedy: "make the namespace, or set another in events.namespace"},
			text: `writing the Event "e" in namespace "default": 404 Not Found: namespaces "default" not found`,
		},
		"no such page": {
			verb: "GET", code: 404, body: "<html>\n\x1b[2J</html>",
			want: apiserver.Error{Kind: apiserver.ServerError, Remedy: other},
			text: `reading the Node "node-1": 404 Not Found: <html>\n\x1b[2J</html>`,
		},
		"another uid": {
			verb: "PATCH", code: 422,
			body: status("422", "Invalid", "Node is invalid", `{"causes":[{"reason":"FieldValueInvalid","message":"Invalid value: field is immutable","field":"metadata.uid"}]}`),
			want: apiserver.Error{Kind: apiserver.UIDChanged, Remedy: again},
			text: `patching the status of the Node "node-1": 422 Unprocessable Entity: Node is invalid`,
		},
		"another uid, without details": {
			verb: "PATCH", code: 422,
			body: status("422", "Invalid", `Node \"node-1\" is invalid: metadata.uid: Invalid value: \"u-1\": field is immutable`, "null"),
			want: apiserver.Error{Kind: apiserver.UIDChanged, Remedy: again},
			text: `patching the status of the Node "node-1": 422 Unprocessable Entity: Node "node-1" is invalid: metadata.uid: Invalid value: "u-1": field is immutable`,
		},
		"another uid, as a precondition": {
			verb: "PATCH", code: 409,
			body: status("409", "Conflict", "Precondition failed: UID in precondition: a, UID in object meta: b", "{}"),
			want: apiserver.Error{Kind: apiserver.UIDChanged, Remedy: again},
			text: `patching the status of the Node "node-1": 409 Conflict: Precondition failed: UID in precondition: a, UID in object meta: b`,
		},
		"invalid otherwise": {
			verb: "PATCH", code: 422,
			body: status("422", "Invalid", "Node is invalid", `{"causes":[{"field":"status.conditions[0].message"}]}`),
			want: apiserver.Error{Kind: apiserver.Refused, Remedy: bug},
			text: `patching the status of the Node "node-1": 422 Unprocessable Entity: Node is invalid`,
		},
		"an event's uid": {
			verb: "PUT", code: 422, body: status("422", "Invalid", "Event is invalid", `{"causes":[{"field":"metadata.uid"}]}`),
			want: apiserver.Error{Kind: apiserver.Refused, Remedy: bug},
			text: `writing the Event "e" in namespace "default": 422 Unprocessable Entity: Event is invalid`,
		},
		"at the same moment": {
			verb: "PUT", code: 409, body: status("409", "AlreadyExists", "it is there", "{}"),
			want: apiserver.Error{Kind: apiserver.Conflict, Remedy: again},
			text: `writing the Event "e" in namespace "default": 409 Conflict: it is there`,
		},
		"too many": {
			verb: "PUT", code: 429, header: http.Header{"Retry-After": {"3"}, "Content-Type": {"text/plain; charset=utf-8"}},
			body: "Too many requests, please try again later.\n",
			want: apiserver.Error{
				Kind: apiserver.Throttled, RetryAfter: 3 * time.Second,
				Remedy: "nothing for a moment; if it stays, give the agent a FlowSchema of its own or find out who else loads kube-apiserver",
			},
			text: `writing the Event "e" in namespace "default": 429 Too Many Requests: Too many requests, please try again later.`,
		},
		"starting": {
			verb: "GET", code: 503, header: http.Header{"Retry-After": {"1"}}, body: status("503", "ServiceUnavailable", "not ready", "{}"),
			want: apiserver.Error{Kind: apiserver.ServerError, RetryAfter: time.Second, Remedy: broken},
			text: `reading the Node "node-1": 503 Service Unavailable: not ready`,
		},
		"etcd is away": {
			verb: "PATCH", code: 500, body: status("500", "", "etcdserver: request timed out", "{}"),
			want: apiserver.Error{Kind: apiserver.ServerError, Remedy: broken},
			text: `patching the status of the Node "node-1": 500 Internal Server Error: etcdserver: request timed out`,
		},
		"bad request": {
			verb: "PUT", code: 400, body: status("400", "BadRequest", "no event", "{}"),
			want: apiserver.Error{Kind: apiserver.Refused, Remedy: bug},
			text: `writing the Event "e" in namespace "default": 400 Bad Request: no event`,
		},
		"too large": {
			verb: "PUT", code: 413, header: http.Header{"Content-Type": {"text/html"}}, body: strings.Repeat("é", 513),
			want: apiserver.Error{Kind: apiserver.Refused, Remedy: bug},
			text: `writing the Event "e" in namespace "default": 413 Request Entity Too Large: ` + strings.Repeat("é", 512) + "…",
		},
		"unsupported media type": {
			verb: "PATCH", code: 415, body: "",
			want: apiserver.Error{Kind: apiserver.Refused, Remedy: bug},
			text: `patching the status of the Node "node-1": 415 Unsupported Media Type`,
		},
		"no such method": {
			verb: "PUT", code: 405, body: status("405", "MethodNotAllowed", "no", "{}"),
			want: apiserver.Error{Kind: apiserver.Refused, Remedy: bug},
			text: `writing the Event "e" in namespace "default": 405 Method Not Allowed: no`,
		},
		"somewhere else": {
			verb: "GET", code: 302, header: http.Header{"Location": {"https://login.example"}}, body: "",
			want: apiserver.Error{Kind: apiserver.ServerError, Remedy: other},
			text: `reading the Node "node-1": 302 Found`,
		},
		"a page": {
			verb: "GET", code: 200, header: http.Header{"Content-Type": {"text/html"}}, body: "<html>",
			want: apiserver.Error{Kind: apiserver.ServerError, Remedy: other},
			text: `reading the Node "node-1": the answer cannot be understood: invalid character '<' looking for beginning of value`,
		},
		"something else": {
			verb: "GET", code: 200, body: `{"kind":"Pod","metadata":{"uid":"u"}}`,
			want: apiserver.Error{Kind: apiserver.ServerError, Remedy: other},
			text: `reading the Node "node-1": the answer cannot be understood: kind "Pod" is not Node`,
		},
		"nobody": {
			verb: "PATCH", code: 200, body: `{"kind":"PartialObjectMetadata","metadata":{}}`,
			want: apiserver.Error{Kind: apiserver.ServerError, Remedy: other},
			text: `patching the status of the Node "node-1": the answer cannot be understood: there is no metadata.uid`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			asked := 0
			s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
				asked++
				maps.Copy(w.Header(), tt.header)
				if w.Header().Get("Content-Type") == "" {
					w.Header().Set("Content-Type", "application/json")
				}
				w.WriteHeader(tt.code)
				_, _ = io.WriteString(w, tt.body)
			})
			var seen []apiserver.Request
			options := outside(t)
			options.Observe = func(r apiserver.Request) { seen = append(seen, r) }
			own := failure(t, requests[tt.verb](t.Context(), newClient(t, toServer(s.URL), options)))
			require.EqualError(t, own, tt.text)
			tt.want.Code, own.Err = tt.code, nil
			require.Equal(t, &tt.want, own)
			require.Equal(t, 1, asked, "nothing is tried again in here")
			require.Len(t, seen, 1)
			require.Positive(t, seen[0].Duration)
			seen[0].Duration = 0
			resource := map[string]string{"GET": "nodes", "PATCH": "nodes/status", "PUT": "events"}[tt.verb]
			require.Equal(t, apiserver.Request{Verb: tt.verb, Resource: resource, Code: tt.code}, seen[0])
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "1": time.Second, "-1": 0, "1.5": 0, "soon": 0, "99999": apiserver.MaxRetryAfter, "99999999999999999999": 0,
		"Sun, 01 Mar 2026 12:00:20 GMT": 20 * time.Second, "Sun, 01 Mar 2026 11:00:00 GMT": 0,
	} {
		require.Equal(t, want, apiserver.RetryAfter(header, noon), header)
	}
}
