// Package webconfig serves HTTP as a web configuration file says: by which certificate,
// and to whom. It is the file that Prometheus and its exporters share
// (github.com/prometheus/exporter-toolkit, docs/web-configuration.md). It is read again
// for every connection and every request, so that renewed certificates and passwords
// need no reload; and while it is missing or broken nobody is served.
package webconfig
