package journald

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/journal"
	"github.com/otelnpd/otelnpd/pipeline/source/journal/journalfile"
)

// The remedies.
const (
	remedyMissing = "see that journald keeps a journal (Storage= in journald.conf), and in a container that /var/log/journal " +
		"or /run/log/journal is mounted where service.host.root says"
	remedyRights  = "run as root or with the group systemd-journal (SupplementaryGroups=systemd-journal in a unit)"
	remedyVersion = "update otelnpd"
	remedyRetry   = "look at the error; it is tried again at every change, at least every 5 s"
)

var (
	errNoFile = errors.New("no journal file is there")
	errStale  = errors.New("no journald writes there")
)

// staleness is since when a journal seems to be nobody's.
type staleness struct {
	is    bool
	since time.Duration // on the boot clock
}

// status tells how the journal can be read, and whether anybody writes it: files that
// were left from an earlier boot would hide for ever that there is no journal any more.
func (r *Receiver) status(reader *journal.Reader) pipeline.Status {
	boot, now := r.boot, r.settings.Clock.Now().Boot
	if r.config.AllMachines {
		boot = journalfile.ID{} // whose entries need not be of this one
	}
	switch stale := !reader.IsLive(boot); {
	case !stale:
		r.stale = staleness{}
	case !r.stale.is:
		r.stale = staleness{is: true, since: now}
	}
	s := status(reader, r.config.Directories)
	if s.State == pipeline.ComponentOK && r.stale.is && now-r.stale.since >= r.tuning.stale {
		s = pipeline.Status{
			State: pipeline.ComponentDegraded, Remedy: remedyMissing, Err: errStale,
			Reason: "nobody writes the journal in " + strings.Join(r.config.Directories, ", ") +
				": its files are archived, or have nothing of this boot",
		}
	}
	return s
}

// status tells how the journal can be read. A directory that is missing beside one
// that is there is as it should be: a journal is either kept in /var or in /run.
func status(reader *journal.Reader, directories []string) pipeline.Status {
	var wrong []journal.Fault
	for _, fault := range reader.Faults() {
		if !errors.Is(fault.Err, fs.ErrNotExist) {
			wrong = append(wrong, fault)
		}
	}
	switch {
	case len(wrong) > 0:
		return degraded(wrong[0].Err, len(wrong))
	case reader.Directories() == 0:
		return pipeline.Status{
			State: pipeline.ComponentDegraded, Remedy: remedyMissing, Err: fs.ErrNotExist,
			Reason: "there is no journal: none of " + strings.Join(directories, ", ") + " is there",
		}
	case !reader.HasRead():
		return pipeline.Status{
			State: pipeline.ComponentDegraded, Remedy: remedyMissing, Err: errNoFile,
			Reason: "there is no journal of this machine in " + strings.Join(directories, ", "),
		}
	default:
		return pipeline.Status{State: pipeline.ComponentOK}
	}
}

// degraded puts an error into words. The first of several stands for all.
func degraded(err error, count int) pipeline.Status {
	reason := err.Error()
	if count > 1 {
		reason += fmt.Sprintf(" (and %d more like this)", count-1)
	}
	remedy, unsupported := remedyRetry, (*journalfile.UnsupportedError)(nil)
	switch {
	case errors.Is(err, fs.ErrPermission):
		remedy = remedyRights
	case errors.As(err, &unsupported):
		remedy = remedyVersion
	}
	return pipeline.Status{State: pipeline.ComponentDegraded, Reason: reason, Remedy: remedy, Err: err}
}
