package servers

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/process"
)

const kubernetesVersion = "v1.37.2"

// The users of a [Kubernetes]; each one's token is its name.
const (
	// Admin may do everything.
	Admin = "admin"
	// Detector is bound to the ClusterRole system:node-problem-detector.
	Detector = "detector"
	// Nobody is bound to nothing.
	Nobody = "nobody"
)

// Kubernetes is a kube-apiserver with its etcd.
type Kubernetes struct {
	// URL is its base address, CAFile the certificate it is to be trusted by.
	URL, CAFile string

	program, etcd, dir, address string
	client                      *http.Client
	server                      *process.Process
}

func kubernetesRecipe() (*recipe, error) {
	return kubernetesPrograms("kubernetes", func(build kubernetesBuild) error {
		progress("building etcd: about a minute")
		if err := build("etcd", "go.etcd.io/etcd/server/v3"); err != nil {
			return err
		}
		progress("building kube-apiserver %s: 4 to 6 minutes on two cores", kubernetesVersion)
		return build("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver")
	}, "etcd", "kube-apiserver")
}

func kubectlRecipe() (*recipe, error) {
	return kubernetesPrograms("kubectl", func(build kubernetesBuild) error {
		progress("building kubectl %s: about a minute", kubernetesVersion)
		return build("kubectl", "k8s.io/kubernetes/cmd/kubectl")
	}, "kubectl")
}

// Kubectl returns the path of a kubectl.
func Kubectl(t testing.TB) string {
	t.Helper()
	return filepath.Join(getOrSkip(t, kubectlRecipe), "kubectl")
}

// kubernetesBuild builds a program of a package.
type kubernetesBuild func(program, pkg string) error

// kubernetesPrograms is the recipe of programs that a module of integration/tools pins.
func kubernetesPrograms(module string, all func(build kubernetesBuild) error, programs ...string) (*recipe, error) {
	tools, err := toolsDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(tools, module)
	key, err := readAll(filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum"))
	if err != nil {
		return nil, err
	}
	return &recipe{
		name:     module,
		key:      append(key, kubernetesVersion),
		programs: programs,
		make: func(ctx context.Context, folder string) error {
			return all(func(program, pkg string) error {
				return command(ctx, dir, []string{"CGO_ENABLED=0"}, "go", "build", "-buildvcs=false", "-trimpath",
					"-ldflags", "-s -w -X k8s.io/component-base/version.gitVersion="+kubernetesVersion,
					"-o", filepath.Join(folder, program), pkg)
			})
		},
	}, nil
}

// StartKubernetes starts etcd and a kube-apiserver with the users above.
func StartKubernetes(t testing.TB) *Kubernetes {
	t.Helper()
	folder := getOrSkip(t, kubernetesRecipe)
	etcd := startEtcd(t, folder)
	dir := t.TempDir()
	writeKey(t, filepath.Join(dir, "accounts.key"))
	tokens := fmt.Sprintf("%s,%[1]s,1,\"system:masters\"\n%s,%[2]s,2\n%s,%[3]s,3\n", Admin, Detector, Nobody)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokens.csv"), []byte(tokens), 0o600))
	address := process.FreeAddress(t)
	k := &Kubernetes{
		URL: "https://" + address, CAFile: filepath.Join(dir, "certificates", "apiserver.crt"),
		program: filepath.Join(folder, "kube-apiserver"), etcd: etcd, dir: dir, address: address,
	}
	k.Start(t)
	k.Bind(t, Detector)
	return k
}

// Start starts the kube-apiserver until t ends, the first time or again after Stop:
// on the same port, with the same certificate and the same etcd. Nodes are not cached, so that a
// [NodeWatch] can go on where the server was stopped.
func (k *Kubernetes) Start(t testing.TB) {
	t.Helper()
	k.server = process.Start(t, "kube-apiserver", exec.Command(k.program,
		"--etcd-servers="+k.etcd, "--watch-cache-sizes=nodes#0",
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port="+portOf(t, k.address),
		"--cert-dir="+filepath.Join(k.dir, "certificates"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+filepath.Join(k.dir, "accounts.key"),
		"--service-account-signing-key-file="+filepath.Join(k.dir, "accounts.key"),
		"--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=Node,RBAC", "--anonymous-auth=false",
		"--token-auth-file="+filepath.Join(k.dir, "tokens.csv"),
		"--allow-privileged=true", "--endpoint-reconciler-type=none", "--disable-admission-plugins=ServiceAccount"))
	t.Cleanup(func() { k.Stop(t) }) // politely it would wait for those who watch
	k.server.WaitReady(t, k.ready)
}

// Stop kills the kube-apiserver: its port refuses connections from then on. etcd and
// all that is stored stay.
func (k *Kubernetes) Stop(t testing.TB) {
	t.Helper()
	k.server.Kill(t)
}

func startEtcd(t testing.TB, folder string) (url string) {
	t.Helper()
	client, peer := "http://"+process.FreeAddress(t), "http://"+process.FreeAddress(t)
	p := process.Start(t, "etcd", exec.Command(filepath.Join(folder, "etcd"), "--data-dir="+t.TempDir(), "--unsafe-no-fsync",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer))
	p.WaitReady(t, process.Answers200(http.DefaultClient, client+"/health", nil))
	return client
}

// writeKey writes the key that signs service accounts' tokens.
func writeKey(t testing.TB, path string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
}

// ready asks /readyz, once the server has written the certificate it made itself.
func (k *Kubernetes) ready(ctx context.Context) error {
	if k.client == nil {
		certificate, err := os.ReadFile(k.CAFile)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(certificate) {
			return errors.New("the certificate is not complete yet")
		}
		k.client = &http.Client{Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2: true,
		}}
	}
	headers := http.Header{"Authorization": {"Bearer " + Admin}}
	return process.Answers200(k.client, k.URL+"/readyz", headers)(ctx)
}

// Do sends a request as a user and returns the answer.
func (k *Kubernetes) Do(ctx context.Context, user, method, path, contentType string, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, k.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+user)
	request.Header.Set("Content-Type", contentType)
	response, err := k.client.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s as %s: %w", method, path, user, err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}
