// Package servers starts the real servers that integration tests talk to: a
// kube-apiserver with etcd, an OpenTelemetry Collector, a Prometheus, a containerd.
//
// What a server needs is fetched or built once, into a cache outside the clone
// ($OTELNPD_CACHE, else $XDG_CACHE_HOME/otelnpd, else ~/.cache/otelnpd), under a
// key of all that decides its content. Each StartX listens on loopback and free
// ports, keeps its files in the test's temporary directory, returns once the server
// says that it is ready, and ends it, with all its children, when the test ends. A
// server that cannot be got skips the test with the reason, or fails it where
// CI=true.
package servers
