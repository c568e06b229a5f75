package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// toolsDir is the folder of the module files of the servers, found beside this
// source file.
func toolsDir() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "", fmt.Errorf("find integration/tools beside %q: build without -trimpath", file)
	}
	return filepath.Join(filepath.Dir(file), "..", "tools"), nil
}

// command runs a program to its end, at low priority, and reports what it prints
// only where it fails. While it runs a line a half minute says so.
func command(ctx context.Context, dir string, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", "10", name}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	stop := every(30*time.Second, func(since time.Duration) {
		progress("still at it after %s: %s %s", since, name, args)
	})
	defer stop()
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, args, err, tail(output, 4096))
	}
	return nil
}

// every calls tell each interval until stop is called.
func every(interval time.Duration, tell func(since time.Duration)) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for started := time.Now(); ; {
			select {
			case <-done:
				return
			case <-ticker.C:
				tell(time.Since(started).Round(time.Second))
			}
		}
	}()
	return func() { close(done); <-ended }
}

func tail(output []byte, size int) []byte {
	if len(output) > size {
		return output[len(output)-size:]
	}
	return output
}

// readAll returns the content of files, as parts of a recipe's key.
func readAll(paths ...string) ([]string, error) {
	var contents []string
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		contents = append(contents, string(content))
	}
	return contents, nil
}
