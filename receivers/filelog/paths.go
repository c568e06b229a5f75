package filelog

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/inotify"
	"github.com/otelnpd/otelnpd/pipeline/source/file"
)

// maxTails is how many paths are followed at most.
const maxTails = 1024

// isPattern tells whether a path is a pattern of paths.
func isPattern(path string) bool { return strings.ContainsAny(path, `*?[\`) }

// matches tells whether the configuration takes a path.
func (c *Config) matches(path string) bool {
	for _, pattern := range c.Exclude {
		if ok, err := filepath.Match(filepath.Clean(pattern), path); ok && err == nil {
			return false
		}
	}
	for _, pattern := range c.Include {
		if ok, err := filepath.Match(filepath.Clean(pattern), path); pattern == path || ok && err == nil {
			return true
		}
	}
	return false
}

// found are the paths that the configuration names now, and which of them a pattern
// found.
func (r *Receiver) found() map[string]bool {
	paths := map[string]bool{}
	for _, include := range r.config.Include {
		include = filepath.Clean(include)
		if !isPattern(include) {
			if r.config.matches(include) { // else it is excluded
				paths[include] = false
			}
			continue
		}
		list, err := filepath.Glob(escapeRoot(r.settings.Host.Root) + include)
		if err != nil {
			continue // Validate has found it to be a pattern
		}
		for _, path := range list {
			path = filepath.Clean("/" + strings.TrimPrefix(path, strings.TrimSuffix(r.settings.Host.Root, "/")))
			if _, known := paths[path]; !known && r.config.matches(path) && mayBeLog(r.settings.Host.Path(path)) {
				paths[path] = true
			}
		}
	}
	return paths
}

// mayBeLog leaves out directories, sockets and the like, which a pattern means no more
// than other names that it matches. Where a symlink leads is not known here.
func mayBeLog(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && (info.Mode().IsRegular() || info.Mode().Type() == fs.ModeSymlink)
}

// rotatedEnd is what logrotate and others put behind a log's name: kern.log.1,
// kern.log-20260131.gz, 0.log.20260131-120000.
var rotatedEnd = regexp.MustCompile(`^(\.\d+|[.-]\d{8}[\d._T:-]*)(\.(gz|bz2|xz|zst|lz4|Z))?$`)

// dropRotated takes out the names that rotation gave to logs that are followed
// themselves: their lines would come twice.
func dropRotated(paths map[string]bool) {
	maps.DeleteFunc(paths, func(path string, pattern bool) bool {
		if !pattern {
			return false
		}
		for at := len(filepath.Dir(path)) + 2; at < len(path); at++ {
			if path[at] != '.' && path[at] != '-' {
				continue
			}
			if _, followed := paths[path[:at]]; followed && rotatedEnd.MatchString(path[at:]) {
				return true
			}
		}
		return false
	})
}

// escapeRoot makes the root a pattern that matches itself.
func escapeRoot(root string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(strings.TrimSuffix(root, "/"))
}

// enumerate begins to follow what is new, and ends with what is gone.
func (w *work) enumerate() {
	w.ask(strings.Join(w.receiver.config.Include, ", "))
	defer w.answered()
	now := w.receiver.settings.Clock.Now()
	found := w.receiver.found()
	known := slices.Collect(maps.Keys(w.resumed))
	for _, t := range w.tails {
		known = append(known, t.path)
	}
	for _, path := range known { // it may just have been renamed
		if _, isFound := found[path]; !isFound {
			found[path] = true
		}
	}
	dropRotated(found)
	paths := make([]string, 0, len(found))
	for path := range found {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	w.tooMany = false
	for _, path := range paths {
		if w.find(path) != nil {
			continue
		}
		if len(w.tails) >= maxTails {
			w.tooMany = true
			break
		}
		w.tails = append(w.tails, w.follow(path, found[path]))
	}
	w.resumed = nil
	w.begun = true
	w.enumerated, w.enumerateAt = now.Boot, now.Boot+w.receiver.tuning.enumerate
}

func (w *work) find(path string) *tail {
	for _, t := range w.tails {
		if t.path == path {
			return t
		}
	}
	return nil
}

// follow makes a tail. A file that comes later is read from its beginning.
func (w *work) follow(path string, pattern bool) *tail {
	r := w.receiver
	t := &tail{path: path, name: file.Name(path), streams: map[uint64]*stream{}, pattern: pattern, live: w.begun, caughtUp: w.begun, dirty: true}
	kept := w.resumed[path]
	options := file.Options{
		Root: r.settings.Host.Root, Buffer: w.buffer, MaxLine: r.config.MaxLine, Interval: r.tuning.poll,
		Patience: r.tuning.patience,
	}
	if kept == nil && !w.begun && !r.isNew(path) {
		options.AtEnd = r.startsAtEnd()
		t.since = r.oldest()
	}
	t.follower = file.New(path, options)
	if kept != nil {
		t.resume(kept, func() *stream { return w.newStream(t) })
	}
	return t
}

// isNew tells whether a file was made since the receivers before this one kept where
// they were.
func (r *Receiver) isNew(path string) bool {
	return !r.keptAt.IsZero() && file.Born(r.settings.Host.Path(path)).After(r.keptAt)
}

// startsAtEnd tells whether what is in a file at the first start is left out.
func (r *Receiver) startsAtEnd() bool {
	switch {
	case r.config.StartAt != StartAtLookback:
		return r.config.StartAt == StartAtEnd
	case r.config.Lookback == 0:
		return true
	}
	parser, err := r.config.parser()
	return err != nil || !parser.HasTimes()
}

// oldest is the time of the oldest line that the lookback takes; zero: all are.
func (r *Receiver) oldest() time.Time {
	if r.config.StartAt != StartAtLookback {
		return time.Time{}
	}
	oldest := r.boot.start
	if r.config.Lookback != pipeline.LookbackBoot {
		if back := r.settings.Clock.Now().Wall.Add(-time.Duration(r.config.Lookback)); back.After(oldest) {
			oldest = back
		}
	}
	return oldest
}

// drop ends tails of patterns at whose paths nothing has been for a while, and of which
// all has been read.
func (w *work) drop(now time.Duration) {
	w.tails = slices.DeleteFunc(w.tails, func(t *tail) bool {
		if !t.pattern || !t.follower.IsAbsent() || t.follower.IsOpen() {
			t.gone = 0
			return false
		}
		if t.gone == 0 {
			t.gone = now
		}
		if now-t.gone < w.receiver.tuning.forget {
			return false
		}
		t.follower.Close()
		w.receiver.forget(t.path)
		return true
	})
}

// watch has the kernel tell of changes of what is followed, and of new files where
// patterns look for them.
func (w *work) watch() {
	if w.notifier == nil {
		return
	}
	wanted := map[string]inotify.Names{}
	for _, t := range w.tails {
		t.follower.Watches(wanted)
	}
	for _, include := range w.receiver.config.Include {
		if dir := filepath.Dir(filepath.Clean(include)); isPattern(include) && !isPattern(dir) {
			wanted[w.receiver.settings.Host.Path(dir)] = inotify.Names{inotify.EveryName: true}
		}
	}
	added, err := w.notifier.Watch(wanted)
	if added { // what happened before it was watched, nobody has told of
		w.pulsed, w.lookAt = true, 0
	}
	if err != nil && !w.blind {
		w.blind = true
		w.receiver.settings.Logger.Info("changes of some files are noticed late: they are looked at now and then",
			"every", w.receiver.tuning.poll.String(), "reason", err.Error())
	}
}

// fault is what keeps the receiver from reading all that it should.
func (w *work) fault() *file.Fault {
	for _, t := range w.tails {
		if fault := t.follower.Fault(); fault != nil && (!t.pattern || !t.follower.IsNoFile()) {
			return fault
		}
	}
	switch {
	case w.tooMany:
		return &file.Fault{
			Reason: fmt.Sprintf("more than %d files match: the rest is not read", maxTails), Remedy: "narrow include down, or write exclude",
			Err: errTooMany,
		}
	case !slices.ContainsFunc(w.tails, func(t *tail) bool { return !t.follower.IsAbsent() || t.follower.IsOpen() }):
		return &file.Fault{
			Reason: "no file matches " + strings.Join(w.receiver.config.Include, ", "),
			Remedy: "check the patterns, and where the host's root is mounted", Err: errNoFile,
		}
	default:
		return nil
	}
}
