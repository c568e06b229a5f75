package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/otelnpd/otelnpd/config"
	"github.com/otelnpd/otelnpd/config/filewatch"
)

// configWatch tells when the configuration is to be read again: at SIGHUP, and
// when one of its files has changed.
type configWatch struct {
	// reloads has a word on who asks.
	reloads chan string

	files   []string // none: nothing is watched
	logger  *slog.Logger
	watcher *filewatch.Watcher
	hangup  chan os.Signal
	end     chan struct{}
	done    sync.WaitGroup
}

// byChangedFiles is who asks where files have changed.
const byChangedFiles = "changed files"

// newConfigWatch watches the files of a configuration that was read from readAt
// on, and of those that come after it.
func newConfigWatch(logger *slog.Logger, files []string, loaded *config.Config, readAt time.Time) *configWatch {
	w := &configWatch{
		reloads: make(chan string, 1), files: files, logger: logger,
		watcher: filewatch.New(filewatch.Options{Logger: logger}),
		hangup:  make(chan os.Signal, 1), end: make(chan struct{}),
	}
	w.watch(loaded)
	if len(files) > 0 && w.changedSince(loaded, readAt) {
		w.reloads <- "a change while it was read"
	}
	signal.Notify(w.hangup, syscall.SIGHUP)
	w.watcher.Start()
	w.done.Go(w.run)
	return w
}

// watch watches the files of a configuration from now on.
func (w *configWatch) watch(loaded *config.Config) {
	if len(w.files) == 0 {
		return
	}
	if err := w.watcher.SetPaths(slices.Concat(w.files, loaded.Files)); err != nil {
		w.logger.Warn("not every file of the configuration can be watched for changes; otelnpd reload takes them on", "error", err)
	}
}

// changedSince tells whether a file was written after the reading had begun.
func (w *configWatch) changedSince(loaded *config.Config, readAt time.Time) bool {
	return slices.ContainsFunc(slices.Concat(w.files, loaded.Files), func(path string) bool {
		info, err := os.Stat(path)
		return err == nil && info.ModTime().After(readAt)
	})
}

func (w *configWatch) run() {
	for {
		who := "SIGHUP"
		select {
		case <-w.hangup:
		case <-w.watcher.Changes():
			who = byChangedFiles
		case <-w.end:
			return
		}
		select {
		case w.reloads <- who:
		case <-w.end:
			return
		}
	}
}

// stop ends it. The wait is for a file that is being read.
func (w *configWatch) stop() {
	signal.Stop(w.hangup)
	close(w.end)
	w.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := w.watcher.Shutdown(ctx); err != nil {
		w.logger.Debug("the watch over the configuration's files has not ended", "error", err)
	}
}
