package apiserver_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
)

// plugin writes an exec plugin and a kubeconfig that names it.
func plugin(t *testing.T, s *server, script string) apiserver.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plugin")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o700))
	config := apiserver.DefaultConfig()
	config.Kubeconfig = kubeconfig(t, "server: "+s.URL+","+caData(s),
		"exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always, command: "+file+"}")
	return config
}

// The plugin wants a terminal, and gets nothing to read, not even a pipe.
func TestExecPluginReadsNothing(t *testing.T) {
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	stdin := os.Stdin
	os.Stdin = reader
	t.Cleanup(func() {
		os.Stdin = stdin
		require.NoError(t, reader.Close())
		require.NoError(t, writer.Close())
	})
	s, who := whoIs(t)
	client := newClient(t, plugin(t, s, `read line && exit 1
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"of-plugin"}}'`), outside(t))
	_, err = client.Node(t.Context(), "node-1")
	require.NoError(t, err)
	require.Equal(t, "Bearer of-plugin", who())
}

func TestExecPluginFails(t *testing.T) {
	s, _ := whoIs(t)
	client := newClient(t, plugin(t, s, "exit 3"), outside(t))
	_, err := client.Node(t.Context(), "node-1")
	own := failure(t, err)
	require.Equal(t, apiserver.NoCredentials, own.Kind)
	require.ErrorContains(t, own, `reading the Node "node-1": getting credentials: exec: executable `)
	require.Equal(t, "run the exec plugin of the kubeconfig by hand, as the agent's user and without a terminal, and mend what it complains about", own.Remedy)
}

// A plugin that hangs keeps nobody waiting for longer than the timeout, and one
// goroutine in all.
func TestExecPluginHangs(t *testing.T) {
	s, who := whoIs(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	config := plugin(t, s, `read token <`+fifo+`
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'$token'"}}'`)
	config.Timeout = 100 * time.Millisecond
	client := newClient(t, config, outside(t))
	for range 3 {
		_, err := client.Node(t.Context(), "node-1")
		own := failure(t, err)
		require.Equal(t, apiserver.NoCredentials, own.Kind)
		require.ErrorContains(t, own, "the exec plugin does not answer: ")
	}
	require.Empty(t, who())
	require.NoError(t, os.WriteFile(fifo, []byte("at-last\n"), 0o600))
	require.Eventually(t, func() bool {
		_, err := client.Node(t.Context(), "node-1")
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, "Bearer at-last", who())
}
