// Package journal reads the systemd journal: all files of some directories as one,
// in the journal's own order, forward and backward, and goes on when more is written.
// It knows nothing of pipelines, and needs neither libsystemd nor journalctl.
//
//	reader, err := journal.Open(journal.Options{
//		Directories: []string{"/var/log/journal", "/run/log/journal"},
//		Matches:     journalfile.Matches{"_TRANSPORT=kernel"},
//	})
//	…
//	defer reader.Close()
//	var entry journal.Entry
//	for {
//		for reader.Next(&entry) {
//			message, _ := entry.Get("MESSAGE")
//			…
//		}
//		if err := reader.Wait(ctx); err != nil {
//			return err
//		}
//		reader.Refresh()
//	}
//
// Entries of one series (seqnum id) come in the order of their sequence numbers, each
// once, however many files hold it. Between series, entries of one boot are ordered by
// the monotonic clock, others by wall time, as journalctl does. When new entries come,
// those of each series follow its earlier ones; one that another series is late with is
// told when it comes. What journald removes before it is read is told by [Reader.TakeGaps].
package journal
