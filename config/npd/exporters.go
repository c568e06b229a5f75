package npd

import (
	"strconv"
	"time"
)

// The bounds of exporters/kubernetes, and the rates of client-go where none is set
// (rest.DefaultQPS, rest.DefaultBurst).
const (
	minHeartbeat    = time.Second
	minWaitInterval = 100 * time.Millisecond
	clientQPS       = 5
	clientBurst     = 10
)

// wiring are the ids of the exporters, by the pipelines in which they stand.
type wiring struct{ logs, metrics []string }

// exporters makes the section, and says where they stand. The console shows in the
// container's log what node-problem-detector logs. Where only figures are measured, there
// are no problems to tell of.
func (c *converter) exporters() (section *node, wired wiring) {
	o := c.options
	var entries []entry
	add := func(on bool, id string, value *node, in ...*[]string) {
		if !on {
			return
		}
		entries = append(entries, entry{key: id, value: value})
		for _, list := range in {
			*list = append(*list, id)
		}
	}
	problems, figuresAlone := &wired.logs, !c.watchesProblems()
	served := problems
	if figuresAlone {
		served = &wired.metrics
	}
	add(o.tellsKubernetes() && !figuresAlone, "kubernetes", c.kubernetes(), problems)
	prometheus := []*[]string{&wired.metrics}
	if !figuresAlone {
		prometheus = append(prometheus, problems)
	}
	add(o.servesMetrics(), "prometheus", flow(entry{key: "endpoint", value: text(joined(o.PrometheusAddress, o.PrometheusPort))}), prometheus...)
	add(o.servesStatus(), "status", flow(
		entry{key: "endpoint", value: text(joined(o.Address, o.Port))},
		entry{key: "pprof", value: boolean(true)},
	), served)
	add(!figuresAlone, "console", flow(entry{key: "output", value: text("text")}), problems)
	if c.cloud != nil {
		add(true, exporterGoogleCloud, c.googleCloud(), &wired.metrics)
		entries[len(entries)-1].comment = shown(c.cloud.source.name)
	}
	return block(entries...), wired
}

func (c *converter) kubernetes() *node {
	o := c.options
	qps, burst := o.rates()
	access := &o.apiserver
	return block(
		entry{key: "apiserver", value: block(
			entry{key: "credentials", value: text(access.credentials)},
			entry{key: "kubeconfig", value: optional(access.kubeconfig)},
			entry{key: "server", value: optional(access.server)},
			entry{key: "insecure_skip_verify", value: only(access.insecure, false)},
			entry{key: "service_account_token", value: only(access.serviceAccount, false)},
			entry{key: "qps", value: plain(strconv.FormatFloat(qps, 'f', -1, 32))},
			entry{key: "burst", value: plain(strconv.Itoa(burst))},
		)},
		entry{key: "wait", value: flow(
			entry{key: "interval", value: plain(short(max(o.APIServerWaitInterval, minWaitInterval)))},
			entry{key: "timeout", value: plain(short(max(o.APIServerWaitTimeout, 0)))},
		)},
		entry{key: "heartbeat_period", value: plain(short(max(o.HeartbeatPeriod, minHeartbeat)))},
		entry{key: "node_conditions", value: boolean(o.UpdateNodeConditions)},
		entry{key: "events", value: flow(
			entry{key: "enabled", value: boolean(o.WriteEvents)},
			entry{key: "namespace", value: optional(o.EventNamespace)},
		)},
	)
}

// rates are the bounds on requests as client-go reads them. For it a rate below 0
// is none, for the exporter 0 is.
func (o *Options) rates() (qps float64, burst int) {
	qps, burst = o.KubeAPIQPS, o.KubeAPIBurst
	if qps == 0 {
		qps = clientQPS
	}
	if burst == 0 {
		burst = clientBurst
	}
	return max(qps, 0), max(burst, 0)
}

// kubernetesFlags warns of flags of the Kubernetes exporter that are odd.
func (c *converter) kubernetesFlags() {
	o := c.options
	if o.HeartbeatPeriod < minHeartbeat {
		c.warn("--k8s-exporter-heartbeat-period: %s is too short: conditions are told every %s", o.HeartbeatPeriod, minHeartbeat)
	}
	if o.APIServerWaitInterval < minWaitInterval {
		c.warn("--apiserver-wait-interval: %s is too short: the Node is asked for every %s", o.APIServerWaitInterval, minWaitInterval)
	}
	if o.KubeAPIQPS == 0 || o.KubeAPIBurst == 0 {
		c.warn("--kube-api-qps, --kube-api-burst: 0 stands for the client's own %d and %d", clientQPS, clientBurst)
	}
	for _, part := range o.apiserver.ignored {
		c.warn("--apiserver-override: %s has no effect: leave it out", part)
	}
}
