// Package agent runs the built otelnpd as its users do: as a process with a
// configuration file, seen through its console, its ports and its exit code.
package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	return buildVariant("otelnpd-faultpoints", "-tags", "grpcnotrace,faultpoints")
})

// BuildOfSchema builds an agent whose state has another schema: it writes that one and
// knows none after it. All else is as it stands, the form of what it keeps too.
func BuildOfSchema(schema int) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	source := filepath.Join(root, "pipeline", "state", "document.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	other := schemaLine.ReplaceAll(text, fmt.Appendf(nil, "const Schema = %d", schema))
	if bytes.Equal(other, text) {
		return "", fmt.Errorf("%s has another schema than %d already, or says it in another way", source, schema)
	}
	dir, err := os.MkdirTemp("", "schema")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {source: filepath.Join(dir, "document.go")}})
	if err := errors.Join(err, os.WriteFile(filepath.Join(dir, "document.go"), other, 0o600),
		os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600)); err != nil {
		return "", err
	}
	return buildVariant(fmt.Sprintf("otelnpd-schema-%d", schema), "-tags", "grpcnotrace", "-overlay", filepath.Join(dir, "overlay.json"))
}

var schemaLine = regexp.MustCompile(`(?m)^const Schema = \d+$`)

// buildVariant builds an agent beside bin/otelnpd that differs from it in some flags of
// the build.
func buildVariant(name string, flags ...string) (path string, err error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	path = filepath.Join(root, "bin", name)
	command := exec.Command("go", append(append([]string{"build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", path}, flags...), "./cmd/otelnpd")...)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, output)
	}
	return path, nil
}

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
