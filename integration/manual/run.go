package manual

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// patience is how long what runs in the background may take to print what a page says.
const patience = 30 * time.Second

// Do does the steps of a page one after another in a shell. The error is the first that
// is not as the page says, with its line, and what was printed.
func (s *Shell) Do(ctx context.Context, page *Page) error {
	for _, step := range page.Steps {
		var err error
		if step.File != "" {
			err = s.write(step)
		} else {
			err = s.step(ctx, step)
		}
		if err != nil {
			return fmt.Errorf("%s:%w", page.Name, err)
		}
	}
	return nil
}

func (s *Shell) write(step Step) error {
	path := filepath.Join(s.dir, step.File)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(step.Content), 0o644)
	}
	if err != nil {
		return fmt.Errorf("%d: %w", step.Line, err)
	}
	return nil
}

func (s *Shell) step(ctx context.Context, step Step) error {
	exitCode, place, err := s.Run(ctx, step.Command)
	if err != nil {
		return fmt.Errorf("%d: %w; it has printed:\n%s", step.Line, err, s.Output(place))
	}
	if exitCode != 0 {
		return fmt.Errorf("%d: `%s` failed with exit code %d; it has printed:\n%s", step.Line, step.Command, exitCode, s.Output(place))
	}
	running, failed, err := s.jobs()
	if err != nil {
		return fmt.Errorf("%d: %w", step.Line, err)
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d: by `%s`, something in the background has failed with exit code %s; since then was printed:\n%s",
			step.Line, step.Command, strings.Join(failed, ", "), s.Output(place))
	}
	return s.compare(ctx, step, place, running)
}

// compare looks for the expected output, and waits for it where something in the
// background may still print it.
func (s *Shell) compare(ctx context.Context, step Step, place int, wait bool) error {
	if wait {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, patience)
		defer stop()
	}
	for {
		missing, ok := Missing(step.Output, s.Output(place))
		if !ok {
			return nil
		}
		failed := fmt.Errorf("%d: `%s` (line %d) does not print, behind the lines before it:\n%s\n(… stands for what differs;"+
			" a line is compared as a whole.) It has printed:\n%s", missing.Line, step.Command, step.Line, missing.Text, s.Output(place))
		if !wait {
			return failed
		}
		select {
		case <-s.screen.changed:
		case <-ctx.Done():
			return failed
		}
	}
}
