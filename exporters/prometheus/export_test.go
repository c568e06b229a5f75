package prometheus

// Handler is the exporter's handler, for tests without a network.
var Handler = newHandler
