package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/integration/agent"
	"github.com/otelnpd/otelnpd/integration/manual"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// documentation makes the machines on which pages are done.
type documentation struct {
	root string
	// clusters bounds how many API servers run at once.
	clusters chan struct{}
}

func newDocumentation(t *testing.T) *documentation {
	t.Helper()
	root, err := agent.Root()
	require.NoError(t, err)
	return &documentation{root: root, clusters: make(chan struct{}, 2)}
}

// clone is a machine with Go, make and a fresh clone of the repository.
func (d *documentation) clone(t *testing.T) *manual.Shell {
	t.Helper()
	environment := append(goEnvironment(t, "GOCACHE", "GOMODCACHE"), "OTELNPD_CACHE="+cacheFolder(t))
	return d.machine(t, d.checkout(t), nil, environment...)
}

// emptyCaches is such a machine on which nothing was ever built, with the network of this
// one: what is needed is fetched.
func (d *documentation) emptyCaches(t *testing.T) *manual.Shell {
	t.Helper()
	environment := goEnvironment(t)
	for _, name := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if value, set := os.LookupEnv(name); set {
			environment = append(environment, name+"="+value)
		}
	}
	shell := manual.StartShell(t, d.checkout(t), d.environment(t, nil, environment), manual.OwnFiles)
	shell.MakePrivate(t)
	return shell
}

// node is a machine with otelnpd, and a folder with nothing in it.
func (d *documentation) node(t *testing.T) *manual.Shell {
	t.Helper()
	return d.machine(t, t.TempDir(), map[string]string{"otelnpd": binary})
}

// cluster is a machine with otelnpd, kubectl, Helm and the rights of an administrator on
// a cluster with one Node, on which nothing runs.
func (d *documentation) cluster(t *testing.T) *manual.Shell {
	t.Helper()
	d.clusters <- struct{}{}
	t.Cleanup(func() { <-d.clusters })
	programs := map[string]string{"otelnpd": binary, "kubectl": servers.Kubectl(t), "helm": servers.Tool(t, servers.Helm3)}
	k := servers.StartKubernetes(t)
	k.CreateNode(t, servers.Node{Name: "node-1", BootID: bootID(t), Conditions: []servers.NodeCondition{ready()}})
	home := t.TempDir()
	kubeconfig := filepath.Join(home, ".kube", "config")
	shell := d.machine(t, d.checkout(t), programs, "HOME="+home, "KUBECONFIG="+kubeconfig, "NODE_NAME=node-1")
	config := k.Kubeconfig(servers.Admin)
	config.Server = "https://" + forward(t, shell.Listen(t), config.Server)
	content, err := os.ReadFile(config.Write(t))
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Dir(kubeconfig), 0o755))
	require.NoError(t, os.WriteFile(kubeconfig, content, 0o600))
	return shell
}

// machine starts a shell in a folder of a machine on which there are programs more, by
// their names.
func (d *documentation) machine(t *testing.T, dir string, programs map[string]string, environment ...string) *manual.Shell {
	t.Helper()
	shell := manual.StartShell(t, dir, d.environment(t, programs, environment), manual.OwnMachine)
	shell.MakePrivate(t)
	shell.EnableLoopback(t)
	return shell
}

func (d *documentation) environment(t *testing.T, programs map[string]string, more []string) []string {
	t.Helper()
	bin := t.TempDir()
	for name, path := range programs {
		require.NoError(t, os.Symlink(path, filepath.Join(bin, name)))
	}
	// The shell is root's, and sudo may not be there.
	require.NoError(t, os.WriteFile(filepath.Join(bin, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755))
	return append([]string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8", "TERM=dumb", "PAGER=cat",
	}, more...)
}

// checkout clones the repository, and adds what is not committed yet.
func (d *documentation) checkout(t *testing.T) string {
	t.Helper()
	clone := filepath.Join(t.TempDir(), "otelnpd")
	d.git(t, "clone", "--quiet", d.root, clone)
	for name := range strings.SplitSeq(d.git(t, "ls-files", "-z", "--modified", "--others", "--exclude-standard"), "\x00") {
		if name == "" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(d.root, name))
		if os.IsNotExist(err) {
			require.NoError(t, os.Remove(filepath.Join(clone, name)))
			continue
		}
		require.NoError(t, err)
		info, err := os.Stat(filepath.Join(d.root, name))
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(clone, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(clone, name), content, info.Mode()))
	}
	return clone
}

func (d *documentation) git(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "git", append([]string{"-C", d.root}, args...)...)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	output, err := command.Output()
	require.NoError(t, err, "git %v: %s", args, &complaint)
	return string(output)
}

// goEnvironment has go fetch modules as it does here, and more of its settings.
func goEnvironment(t *testing.T, more ...string) (environment []string) {
	t.Helper()
	names := append([]string{"env", "-json", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOTOOLCHAIN"}, more...)
	output, err := exec.CommandContext(t.Context(), "go", names...).Output()
	require.NoError(t, err)
	settings := map[string]string{}
	require.NoError(t, json.Unmarshal(output, &settings))
	for name, value := range settings {
		environment = append(environment, name+"="+value)
	}
	return environment
}

func cacheFolder(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("OTELNPD_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	require.NoError(t, err)
	return filepath.Join(dir, "otelnpd")
}

// forward passes what a listener accepts on to the address of a URL, until the test
// ends, and returns the listener's address.
func forward(t *testing.T, listener net.Listener, to string) string {
	t.Helper()
	target, err := url.Parse(to)
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return // the test has ended
			}
			all.Go(func() { join(t.Context(), connection, target.Host) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		all.Wait()
	})
	return listener.Addr().String()
}

// join copies both ways until one side or the context ends.
func join(ctx context.Context, near net.Conn, address string) {
	defer near.Close()
	far, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	hangUp := func() {
		_ = near.Close()
		_ = far.Close()
	}
	defer context.AfterFunc(ctx, hangUp)()
	var back sync.WaitGroup
	back.Go(func() {
		defer hangUp()
		_, _ = io.Copy(near, far)
	})
	_, _ = io.Copy(far, near)
	hangUp()
	back.Wait()
}
