// Package agent runs the built otelnpd as its users do: as a process with a
// configuration file, seen through its console, its ports and its exit code.
package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Build builds bin/otelnpd as `make build` does and returns its path. Where the
// environment has OTELNPD_BINARY, that program is used instead.
func Build() (string, error) {
	if path := os.Getenv("OTELNPD_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	output, err := exec.Command("make", "--silent", "--directory", root, "build").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("make build: %w\n%s", err, output)
	}
	return filepath.Join(root, "bin", "otelnpd"), nil
}

// BuildWithFaults builds an agent that can be told to die at a fault point, once a
// test run. The variable [faultpoint.Variable] tells it.
var BuildWithFaults = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // a build a run
	root, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "bin", "otelnpd-faultpoints")
	command := exec.Command("go", "build", "-buildvcs=false", "-tags", "grpcnotrace,faultpoints", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/otelnpd")
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build with fault points: %w\n%s", err, output)
	}
	return path, nil
})

// Root returns the folder of the agent's module.
func Root() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "", fmt.Errorf("find the agent's module above %q: build without -trimpath", file)
	}
	return filepath.Join(filepath.Dir(file), "..", ".."), nil
}

// Result is what a command has come to.
type Result struct {
	Stdout, Stderr string
	ExitCode       int
}

// Run runs a command of the agent to its end.
func Run(t testing.TB, binary, stdin string, args ...string) Result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return Result{Stdout: stdout.String(), Stderr: stderr.String(), ExitCode: cmd.ProcessState.ExitCode()}
}
