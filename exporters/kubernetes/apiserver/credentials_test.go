package apiserver_test

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
)

// whoIs is a server that tells whom it was asked by.
func whoIs(t *testing.T) (*server, func() string) {
	t.Helper()
	var who string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		who = r.Header.Get("Authorization")
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			who += " cert " + r.TLS.PeerCertificates[0].Subject.CommonName
		}
		answer(w, http.StatusOK, aNode("u-1"))
	})
	return s, func() string { return who }
}

// kubeconfig writes a kubeconfig file.
func kubeconfig(t *testing.T, cluster, user string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	write(t, file, fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: there, user: me}}]
clusters: [{name: there, cluster: {%s}}]
users: [{name: me, user: {%s}}]
`, cluster, user))
	return file
}

func caData(s *server) string {
	return "certificate-authority-data: " + base64.StdEncoding.EncodeToString(s.ca.pem())
}

// scene is what a case changes.
type scene struct {
	t *testing.T
	s *server
	p *pod
	c *apiserver.Config
}

func TestCredentials(t *testing.T) {
	tests := map[string]struct {
		change func(*scene)
		want   string
	}{
		"in the cluster": {
			change: func(x *scene) { x.c.Credentials = "in_cluster" },
			want:   "Bearer pod-token",
		},
		"auto, in a Pod": {
			change: func(x *scene) {
				x.p.env["KUBECONFIG"] = kubeconfig(x.t, "server: "+x.s.URL+","+caData(x.s), "token: file-token")
			},
			want: "Bearer pod-token",
		},
		"auto, a kubeconfig wins": {
			change: func(x *scene) {
				x.c.Kubeconfig = kubeconfig(x.t, "server: "+x.s.URL+","+caData(x.s), "token: file-token")
			},
			want: "Bearer file-token",
		},
		"auto, outside, $KUBECONFIG": {
			change: func(x *scene) {
				x.p.env = map[string]string{"KUBECONFIG": filepath.Join(x.p.dir, "absent") + ":" +
					kubeconfig(x.t, "server: "+x.s.URL+","+caData(x.s), "token: env-token")}
			},
			want: "Bearer env-token",
		},
		"auto, outside, with a server": {
			change: func(x *scene) { x.p.env, x.c.Server = nil, x.s.URL },
			want:   "Bearer pod-token",
		},
		"a kubeconfig with a password": {
			change: func(x *scene) {
				x.c.Credentials, x.c.Kubeconfig = "kubeconfig", kubeconfig(x.t, "server: "+x.s.URL+","+caData(x.s), "username: me, password: it")
			},
			want: "Basic " + base64.StdEncoding.EncodeToString([]byte("me:it")),
		},
		"a kubeconfig with files beside it": {
			change: func(x *scene) {
				x.c.Credentials, x.c.Kubeconfig = "kubeconfig", kubeconfig(x.t, "server: "+x.s.URL+", certificate-authority: ca.pem", "tokenFile: token.txt")
				dir := filepath.Dir(x.c.Kubeconfig)
				write(x.t, filepath.Join(dir, "ca.pem"), string(x.s.ca.pem()))
				write(x.t, filepath.Join(dir, "token.txt"), "beside\n")
			},
			want: "Bearer beside",
		},
		"none": {
			change: func(x *scene) {
				x.c.Credentials, x.c.Server, x.c.InsecureSkipVerify = "none", x.s.URL, true
			},
		},
		// What node-problem-detector's --apiserver-override says.
		"an override in the cluster": {
			change: func(x *scene) {
				x.c.Credentials, x.c.Server, x.c.InsecureSkipVerify = "in_cluster", x.s.URL, true
				x.p.env["KUBERNETES_SERVICE_HOST"] = "192.0.2.1"
			},
			want: "Bearer pod-token",
		},
		"an override of a kubeconfig": {
			change: func(x *scene) {
				x.c.Credentials, x.c.Server = "kubeconfig", x.s.URL
				x.c.Kubeconfig = kubeconfig(x.t, "server: https://192.0.2.1, tls-server-name: elsewhere,"+caData(x.s), "token: file-token")
			},
			want: "Bearer file-token",
		},
		"an override of a kubeconfig with a CA that is not there": {
			change: func(x *scene) {
				x.c.Credentials, x.c.Server, x.c.InsecureSkipVerify = "kubeconfig", x.s.URL, true
				x.c.Kubeconfig = kubeconfig(x.t, "server: http://192.0.2.1, certificate-authority: absent", "token: file-token")
			},
			want: "Bearer file-token",
		},
		"an override without credentials, as the service account": {
			change: func(x *scene) {
				x.c.Credentials, x.c.Server, x.c.InsecureSkipVerify, x.c.ServiceAccountToken = "none", x.s.URL, true, true
			},
			want: "Bearer pod-token",
		},
		"a kubeconfig, as the service account": {
			change: func(x *scene) {
				x.s.TLS.ClientAuth, x.s.TLS.ClientCAs = tls.VerifyClientCertIfGiven, x.s.ca.pool()
				x.c.Credentials, x.c.ServiceAccountToken = "kubeconfig", true
				x.c.Kubeconfig = kubeconfig(x.t, "server: "+x.s.URL+","+caData(x.s),
					"client-certificate: cert, client-key: key, username: me, password: it, as: somebody")
				dir := filepath.Dir(x.c.Kubeconfig)
				x.s.ca.writeClient(x.t, "node-1", filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
			},
			want: "Bearer pod-token",
		},
		"a client certificate": {
			change: func(x *scene) {
				x.s.TLS.ClientAuth, x.s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x.s.ca.pool()
				x.c.Credentials = "kubeconfig"
				x.c.Kubeconfig = kubeconfig(x.t, "server: "+x.s.URL+","+caData(x.s), "client-certificate: cert, client-key: key")
				dir := filepath.Dir(x.c.Kubeconfig)
				x.s.ca.writeClient(x.t, "node-1", filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
			},
			want: " cert node-1",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, who := whoIs(t)
			p := newPod(t, s, "pod-token\n")
			config := apiserver.DefaultConfig()
			tt.change(&scene{t: t, s: s, p: p, c: &config})
			_, err := newClient(t, config, p.options()).Node(t.Context(), "node-1")
			require.NoError(t, err)
			require.Equal(t, tt.want, who())
		})
	}
}

func TestNoCredentials(t *testing.T) {
	s, _ := whoIs(t)
	const (
		account = "give the Pod a service account, with automountServiceAccountToken, or set other apiserver.credentials"
		file    = "write a kubeconfig with a current-context, its cluster and its user there, readable for the agent, or set other apiserver.credentials"
		mend    = "mend the server, CA, certificate or token that the credentials name"
	)
	tests := map[string]struct {
		change func(*scene)
		want   string // after the request; DIR is the Pod's folder, FILE the kubeconfig
		remedy string
	}{
		"auto, nothing": {
			change: func(x *scene) {
				x.p.env = nil
			},
			want:   "there is no kubeconfig, no service account and no $KUBECONFIG",
			remedy: "run in a Pod with a service account, or set apiserver.kubeconfig; credentials: none with a server needs neither",
		},
		"in no Pod": {
			change: func(x *scene) { x.p.env, x.c.Credentials = nil, "in_cluster" },
			want:   "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set",
			remedy: "run in a Pod, or set apiserver.server or other apiserver.credentials",
		},
		"no token": {
			change: func(x *scene) {
				require.NoError(x.t, os.Remove(x.p.file("token")))
				x.c.Credentials = "in_cluster"
			},
			want:   "looking for the service account's token: stat DIR/token: no such file or directory",
			remedy: account,
		},
		"an empty token": {
			change: func(x *scene) { write(x.t, x.p.file("token"), "\n") },
			want:   "using the credentials for " + s.URL + `: read empty token from file "DIR/token"`,
			remedy: mend,
		},
		"a broken CA": {
			change: func(x *scene) { write(x.t, x.p.file("ca.crt"), "no certificate") },
			want:   "using the credentials for " + s.URL + ": unable to load root certificates: unable to parse bytes as PEM block",
			remedy: mend,
		},
		"no kubeconfig": {
			change: func(x *scene) { x.c.Kubeconfig = x.p.file("absent") },
			want:   "reading the kubeconfig DIR/absent: stat DIR/absent: no such file or directory",
			remedy: file,
		},
		"an empty kubeconfig": {
			change: func(x *scene) {
				x.c.Kubeconfig = x.p.file("empty")
				write(x.t, x.c.Kubeconfig, "")
			},
			want:   "reading the kubeconfig DIR/empty: there is nothing in it",
			remedy: file,
		},
		"no files of $KUBECONFIG": {
			change: func(x *scene) {
				x.p.env = map[string]string{"KUBECONFIG": x.p.file("a") + ":" + x.p.file("b")}
			},
			want:   "reading the kubeconfig DIR/a, DIR/b: there is nothing in it",
			remedy: file,
		},
		"a server with a password": {
			change: func(x *scene) {
				x.c.Kubeconfig = kubeconfig(x.t, "server: 'https://me:secret@h:x?secret'", "token: t")
			},
			want:   "using the credentials for https://…@h:x?…: host must be a URL or a host:port pair: \"https://…@h:x?…\"",
			remedy: mend,
		},
		"a proxy with a password": {
			change: func(x *scene) {
				x.c.Kubeconfig = kubeconfig(x.t, "server: "+x.s.URL+", proxy-url: 'me:secret@proxy:1'", "token: t")
			},
			want:   `reading the kubeconfig FILE: invalid configuration: invalid 'proxy-url' "…@proxy:1" for cluster "there": unsupported scheme "me", must be http, https, or socks5`,
			remedy: file,
		},
		"a kubeconfig with an old auth provider": {
			change: func(x *scene) {
				x.c.Kubeconfig = kubeconfig(x.t, "server: "+x.s.URL, "auth-provider: {name: gcp}")
			},
			want:   "using the credentials for " + s.URL + `: no Auth Provider found for name "gcp"`,
			remedy: mend,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPod(t, s, "pod-token")
			config := apiserver.DefaultConfig()
			tt.change(&scene{t: t, s: s, p: p, c: &config})
			options := p.options()
			options.Observe = func(r apiserver.Request) { t.Errorf("%+v was sent", r) }
			_, err := newClient(t, config, options).Node(t.Context(), "node-1")
			own := failure(t, err)
			require.Equal(t, apiserver.NoCredentials, own.Kind)
			require.EqualError(t, own, `reading the Node "node-1": `+strings.NewReplacer("DIR", p.dir, "FILE", config.Kubeconfig).Replace(tt.want))
			require.Equal(t, tt.remedy, own.Remedy)
		})
	}
}

// Credentials that come later are found by the next request.
func TestCredentialsComeLater(t *testing.T) {
	s, who := whoIs(t)
	p := newPod(t, s, "")
	require.NoError(t, os.Remove(p.file("token")))
	client := newClient(t, apiserver.DefaultConfig(), p.options())
	_, err := client.Node(t.Context(), "node-1")
	require.Equal(t, apiserver.NoCredentials, failure(t, err).Kind)
	write(t, p.file("token"), "late")
	_, err = client.Node(t.Context(), "node-1")
	require.NoError(t, err)
	require.Equal(t, "Bearer late", who())
}
