package npd

import (
	"net"
	"regexp"
	"strconv"
	"strings"
)

var (
	// namespacePattern is a DNS label (RFC 1123), which a namespace is.
	namespacePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// nodePattern is what the YAML takes as service.node.
	nodePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)
)

// validate reports all that is wrong with the flags together.
func (o *Options) validate() {
	o.anything()
	o.endpoint("address", o.Address, "port", o.Port)
	o.endpoint("prometheus-address", o.PrometheusAddress, "prometheus-port", o.PrometheusPort)
	if o.servesStatus() && o.servesMetrics() && o.Port == o.PrometheusPort && o.Address == o.PrometheusAddress {
		o.fault("--prometheus-port", "%d is the port of --port already: write another", o.PrometheusPort)
	}
	if o.HostnameOverride != "" && !nodePattern.MatchString(o.HostnameOverride) {
		o.fault("--hostname-override", "%q is no node name: write letters, digits, '-', '.' and '_', at most 253", o.HostnameOverride)
	}
	if o.EnableK8sExporter {
		o.validateKubernetes()
	}
}

// anything reports a command line that would do nothing, which ends
// node-problem-detector too.
func (o *Options) anything() {
	if len(o.SystemLogMonitors)+len(o.CustomPluginMonitors)+len(o.SystemStatsMonitors) == 0 {
		o.fault("--config.system-log-monitor", "no monitor is configured: write the path of a file, for example --config.system-log-monitor=/config/kernel-monitor.json")
	}
	if !o.EnableK8sExporter && !o.servesMetrics() && o.StackdriverExporter == "" {
		o.fault("--enable-k8s-exporter", "no exporter is on: leave out --enable-k8s-exporter=false, or --prometheus-port=%d", o.PrometheusPort)
	}
}

func (o *Options) servesStatus() bool  { return o.Port > 0 }
func (o *Options) servesMetrics() bool { return o.PrometheusPort > 0 }

// tells tells whether the Kubernetes exporter has anything to do.
func (o *Options) tellsKubernetes() bool {
	return o.EnableK8sExporter && (o.WriteEvents || o.UpdateNodeConditions)
}

func (o *Options) endpoint(addressFlag, address, portFlag string, port int) {
	if port > 65535 {
		o.fault("--"+portFlag, "%d is no port: write 1 to 65535, or 0 for off", port)
	}
	if port > 0 && strings.ContainsAny(bare(address), " /[]\t\r\n\x00") {
		o.fault("--"+addressFlag, "%q is no address: write one like 127.0.0.1, ::1 or 0.0.0.0", address)
	}
}

// joined returns HOST:PORT.
func joined(address string, port int) string {
	return net.JoinHostPort(bare(address), strconv.Itoa(port))
}

// bare takes the brackets off an IPv6 address.
func bare(address string) string {
	if inner, ok := strings.CutPrefix(address, "["); ok && strings.HasSuffix(inner, "]") {
		return strings.TrimSuffix(inner, "]")
	}
	return address
}

func (o *Options) validateKubernetes() {
	if o.APIServerWaitInterval <= 0 {
		o.fault("--apiserver-wait-interval", "%s is no interval: write a time above 0, for example 5s", o.APIServerWaitInterval)
	}
	if o.KubeAPIBurst < 0 && o.KubeAPIQPS >= 0 {
		o.fault("--kube-api-burst", "%d lets no request through: write a number above 0, for example 500", o.KubeAPIBurst)
	}
	if o.EventNamespace != "" && !namespacePattern.MatchString(o.EventNamespace) {
		o.fault("--event-namespace", "%q is no namespace: write lower-case letters, digits and '-', at most 63", o.EventNamespace)
	}
	o.validateOverride()
}
