package servers

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The Helms that there are: as `.ci/tool` names them.
const (
	Helm3 = "helm"
	Helm4 = "helm4"
)

// Tool returns the path of a tool that `.ci/tool` installs.
func Tool(t testing.TB, name string) string {
	t.Helper()
	root, err := repository()
	require.NoError(t, err)
	path, err := exec.CommandContext(t.Context(), filepath.Join(root, ".ci", "tool"), name).Output()
	require.NoError(t, err, "get %s", name)
	return strings.TrimSpace(string(path))
}

func repository() (string, error) {
	tools, err := toolsDir()
	return filepath.Join(tools, "..", ".."), err
}

// Helm runs a Helm in the repository's root and returns what it prints, or its error.
func Helm(t testing.TB, tool string, args ...string) (output, failure string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Tool(t, tool), args...)
	root, err := repository()
	require.NoError(t, err)
	cmd.Dir = root
	cmd.Env = append(cmd.Environ(), "HELM_CACHE_HOME="+t.TempDir(), "KUBECONFIG=/dev/null")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), stderr.String() + err.Error()
	}
	return stdout.String(), ""
}
