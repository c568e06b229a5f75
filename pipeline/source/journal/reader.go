package journal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// direction is where a reader goes.
type direction int8

const (
	forward  direction = 1
	backward direction = -1
)

// Reader reads the files of some directories as one journal. Its methods are for one
// goroutine at a time.
type Reader struct {
	options  Options
	cache    *journalfile.Cache
	notifier *notifier // nil: there is none
	blind    error     // why there is none
	woken    time.Time // when Wait returned last

	directories map[string]*directory
	files       []*file
	finished    map[inode]stamp // files that are read and closed
	waiting     map[inode]bool  // files that could not be opened, since too many are
	faults      map[string]error
	failures    map[inode]int // of files, since they could be read last
	stats       Stats         // of files that are closed

	seek      func(*file) error // puts a file where reading begins
	resumed   bool              // from a position
	direction direction
	location  journalfile.Key // the entry that was read last; zero: none since the last seek
	between   bool            // it stands behind that one, not at it
	series    map[journalfile.ID]*series
	caughtUp  bool  // all up to the horizons was told
	halted    bool  // nothing is told until the next Refresh
	gaps      []Gap // not taken yet
}

// Stats count what could not be passed on, and what it cost.
type Stats struct {
	journalfile.Stats
	// Duplicates are entries that several files had.
	Duplicates uint64
	// Late are entries that match, of files that could not be opened in time, since too
	// many were open: later ones of their series had been told. After [Reader.Resume]
	// they are in a gap, and not counted here.
	Late uint64
}

// Fault is a directory or file that cannot be read.
type Fault struct {
	Path string
	Err  error
}

// Error returns the error behind it.
func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap returns the error behind it.
func (f *Fault) Unwrap() error { return f.Err }

// Open looks for the files and stands before the first entry. Directories and files
// that cannot be read are no error: see [Reader.Faults].
func Open(options Options) (*Reader, error) {
	if err := options.Validate(); err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	options.setDefaults()
	r := &Reader{
		options: options, cache: journalfile.NewCache(options.Cache), woken: time.Now().Add(-options.Debounce),
		directories: map[string]*directory{}, finished: map[inode]stamp{}, waiting: map[inode]bool{}, series: map[journalfile.ID]*series{}, faults: map[string]error{}, failures: map[inode]int{},
	}
	r.notifier, r.blind = openNotifier()
	r.SeekHead()
	r.Refresh()
	return r, nil
}

// Close closes all files.
func (r *Reader) Close() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	r.files = nil
	if r.notifier != nil {
		errs = append(errs, r.notifier.close())
		r.notifier = nil
	}
	return errors.Join(errs...)
}

// Stats returns what has been counted since Open.
func (r *Reader) Stats() Stats {
	all := r.stats
	for _, f := range r.files {
		all.add(f.Stats())
	}
	return all
}

func (s *Stats) add(other journalfile.Stats) {
	s.Damaged += other.Damaged
	s.Cut += other.Cut
	s.Reads += other.Reads
}

// Faults returns what cannot be read now, by path. It is tried again at every
// Refresh.
func (r *Reader) Faults() []Fault {
	faults := make([]Fault, 0, len(r.faults))
	for path, err := range r.faults {
		faults = append(faults, Fault{path, err})
	}
	slices.SortFunc(faults, func(a, b Fault) int { return cmp.Compare(a.Path, b.Path) })
	return faults
}

// Files returns how many files are open.
func (r *Reader) Files() int { return len(r.files) }

// Blind returns why the kernel does not tell of changes, which are then looked for
// every second; nil: it does.
func (r *Reader) Blind() error { return r.blind }
