// Package journalfile reads one file of the systemd journal: pure Go, no libsystemd,
// no journalctl.
//
// A [File] is a header, a hash table of all FIELD=value pairs that occur in it
// (data objects), and entries. Each data object holds the chain of the entries that
// have it. An [Iterator] walks the chain of all entries, or joins the chains of what
// is asked for ([Matches]) and never looks at the entries between: the cost follows
// what matches.
//
// The file may be written meanwhile, by a process that maps it into memory, and may
// be damaged or hostile. Everything is read by pread(2): no mapping, which would end
// the process with SIGBUS when journald cuts a file short. A reference that leads
// nowhere in a file that is being written means that there is nothing more yet; in
// one that is finished it is skipped and counted ([Stats]). Every entry is checked
// against the hash that the writer made of its content.
//
// The format is that of systemd's document JOURNAL_FILE_FORMAT; all numbers are
// little-endian.
package journalfile
