// Package nodeevents tells the Kubernetes API of problems and of changes of
// conditions, as Events of core/v1 about the Node.
//
// # Series
//
// Occurrences with the same reason, message, source and type are one series, and
// a series is one Event: the first occurrence names it (NODE.UID), the others
// raise its count. Each write brings the whole Event with the absolute count, so
// that a write told twice changes nothing, and an Event that somebody deleted is
// whole again after the next. A gap of more than an hour ends a series, since
// the API server forgets an Event an hour after its last write. The messages
// that one cause shows one after the other (update_message) are one series too,
// which has the newest of them.
//
// An occurrence that is told again, by a second pipeline or after a crash, is
// known by its UID and not counted again. All of this outlives the agent (Keep,
// Resume): a ledger that is resumed and told what came since it was kept ends with
// the names and counts of one that was never interrupted.
//
// # Budgets
//
// Two token buckets, one of the reason and one of all, decide which occurrences
// are told. A new series needs a token of both when it arrives, or the occurrence
// is suppressed. A repeat without tokens is folded into the count of its series,
// which is written when tokens come. What matters more finds room: problems leave
// a quarter of all tokens to the changes of conditions, and repeats leave half of
// both buckets to what is new.
//
// In any minute there are at most total.burst + total.per_minute requests, and
// beside them one for a summary, if something was suppressed. This holds
// whatever happens: a request that is tried again takes a token too, and what has
// gathered while the API server was away is written at the same pace. The last
// writes of a shutdown alone do not keep to it: each Event that waits is then
// written at once. What is spent of the buckets outlives a restart in the same boot.
//
// # Outcomes
//
// Of every occurrence exactly one outcome is counted, in
// otelnpd.kubernetes.events{exporter,outcome}: written, folded, suppressed or
// failed. These counts and what waits add up to all occurrences ever told, over any
// number of restarts. What was suppressed is told as a whole by one Event a flood, with the
// reason EventsSuppressed.
package nodeevents
