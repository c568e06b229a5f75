package npd

import (
	"net/url"
	"strconv"

	"github.com/otelnpd/otelnpd/pipeline/redact"
)

// apiserver is how the Kubernetes API is reached.
type apiserver struct {
	credentials    string
	kubeconfig     string
	server         string
	insecure       bool
	serviceAccount bool
	// ignored are parts of the URI that nothing reads.
	ignored []string
}

// The keys of a Heapster source URI:
// https://github.com/kubernetes-retired/heapster/blob/master/docs/source-configuration.md
const (
	uriInCluster      = "inClusterConfig"
	uriInsecure       = "insecure"
	uriAuth           = "auth"
	uriServiceAccount = "useServiceAccount"
)

// validateOverride reads --apiserver-override. The first value of a key counts.
func (o *Options) validateOverride() {
	const flag = "--apiserver-override"
	uri, err := url.Parse(o.APIServerOverride)
	if err != nil {
		// Why is not told: the parser may take a part of a password for a port.
		o.fault(flag, "%q is no URI: write https://HOST:PORT?KEY=VALUE", redact.URL(o.APIServerOverride))
		return
	}
	query := uri.Query()
	boolean := func(key string, initial bool) bool {
		if len(query[key]) == 0 {
			return initial
		}
		set, err := strconv.ParseBool(query[key][0])
		if err != nil {
			o.fault(flag, "%s=%s cannot be read: write %s=true or %s=false", key, query[key][0], key, key)
		}
		return set
	}
	a := &o.apiserver
	inCluster := boolean(uriInCluster, true)
	a.insecure, a.serviceAccount = boolean(uriInsecure, false), boolean(uriServiceAccount, false)
	if uri.Scheme != "" && uri.Host != "" {
		if uri.Hostname() == "" {
			o.fault(flag, "%q names no host: write https://HOST:PORT", uri.Host)
		}
		a.server = uri.Scheme + "://" + uri.Host
	}
	if a.server != "" && uri.Scheme != "http" && uri.Scheme != "https" {
		o.fault(flag, "%q is neither http nor https: write https://HOST:PORT", uri.Scheme)
	}
	if !inCluster {
		a.kubeconfig = query.Get(uriAuth)
	}
	a.note(uri, query, inCluster)
	switch {
	case inCluster:
		a.credentials = "in_cluster"
	case a.kubeconfig != "":
		a.credentials = "kubeconfig"
	default:
		a.credentials = "none"
		if a.server == "" {
			o.fault(flag, "%q names no apiserver: write https://HOST:PORT?%s=false, or %s=KUBECONFIG behind it", redact.URL(o.APIServerOverride), uriInCluster, uriAuth)
		}
	}
}

// note keeps the parts of the URI that have no effect.
func (a *apiserver) note(uri *url.URL, query url.Values, inCluster bool) {
	if a.server != "" && uri.Path != "" && uri.Path != "/" {
		a.ignored = append(a.ignored, "the path "+uri.Path)
	}
	for _, key := range sortedKeys(query) {
		switch key {
		case uriInCluster, uriInsecure, uriServiceAccount:
		case uriAuth:
			if inCluster {
				a.ignored = append(a.ignored, "auth (beside inClusterConfig=false alone it has an effect)")
			}
		default:
			a.ignored = append(a.ignored, "the key "+key)
		}
	}
	if a.server == "" && (uri.Host != "" || uri.Path != "") {
		a.ignored = append(a.ignored, "the address, which is not like https://HOST:PORT,")
	}
}
