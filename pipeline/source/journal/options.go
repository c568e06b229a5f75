package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

const (
	defaultCache    = 1 << 20
	defaultMaxFiles = 1024
	defaultDebounce = 50 * time.Millisecond
	defaultPoll     = 5 * time.Second
	// blindPoll is how often is looked where the kernel does not tell of changes.
	blindPoll = time.Second
)

// Options say what to read.
type Options struct {
	// Directories with journal files, such as /var/log/journal and /run/log/journal:
	// the *.journal and *.journal~ in them, and those in subdirectories that are named
	// by a machine's id. One that is missing is read when it appears.
	Directories []string
	// MachineID is the machine whose subdirectories are read; zero: those of all.
	MachineID journalfile.ID
	// Matches choose entries.
	Matches journalfile.Matches
	// MaxField is how many bytes of a field are read; 0: 64 KiB.
	MaxField int
	// Cache is how many bytes of the files are held in memory; 0: 1 MiB.
	Cache int
	// MaxFiles is how many files are open at most; 0: 1,024. Where there are more, the
	// newest are read first, and what then comes too late is counted.
	MaxFiles int
	// Debounce is how far the returns of Wait are apart at least; 0: 50 ms.
	Debounce time.Duration
	// Poll is how long Wait waits at most; 0: 5 s. Where the kernel cannot tell of
	// changes it is 1 s at most.
	Poll time.Duration
	// Keep keeps files open that have been read to their end and are finished, so that
	// Previous finds them: for readers that do not follow.
	Keep bool
}

// Validate reports all that is wrong.
func (o *Options) Validate() error {
	errs := []error{o.Matches.Validate()}
	if len(o.Directories) == 0 {
		errs = append(errs, errors.New("no directory is named: write for example /var/log/journal"))
	}
	for _, directory := range o.Directories {
		if !filepath.IsAbs(directory) {
			errs = append(errs, fmt.Errorf("%q is no absolute path: write for example /var/log/journal", directory))
		}
	}
	if o.MaxField < 0 || o.MaxFiles < 0 || o.Cache < 0 || o.Debounce < 0 || o.Poll < 0 {
		errs = append(errs, errors.New("sizes and times are not negative"))
	}
	return errors.Join(errs...)
}

func (o *Options) setDefaults() {
	if o.Cache == 0 {
		o.Cache = defaultCache
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = defaultMaxFiles
	}
	if o.Debounce == 0 {
		o.Debounce = defaultDebounce
	}
	if o.Poll == 0 {
		o.Poll = defaultPoll
	}
}
