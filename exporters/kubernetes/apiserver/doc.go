// Package apiserver is the client of the three requests that the agent makes of
// kube-apiserver, and of no others:
//
//	request                                 for                          resource      verb
//	GET   /api/v1/nodes/NAME                the seed: what the Node says nodes         get
//	PATCH /api/v1/nodes/NAME/status         node conditions, heartbeats  nodes/status  patch
//	PUT   /api/v1/namespaces/NS/events/NAME an Event, new or once more   events        create, update
//
// The ClusterRole system:node-problem-detector, which every cluster has, grants
// all of them (its patch of events is not used).
//
// The GET has no resourceVersion, so the answer is read from etcd and is never
// an old one. The PATCH is a strategic merge patch of single conditions; it
// names no other condition and can take none away but those it deletes. The PUT
// carries no resourceVersion, which makes it an upsert.
//
// Nothing is tried again in here: every failure comes back at once as an
// [*Error] that says what kind it is and what an operator can do, and [Backoff]
// says how long to wait.
//
// Credentials are read at the first request, and anew after the server has
// refused them, after a certificate was not trusted, and when the files that
// they came from have changed. The files of tokens are read once a minute.
package apiserver
