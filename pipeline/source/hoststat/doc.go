// Package hoststat reads the statistics of one node: CPU, memory, disks, file systems,
// network interfaces, and what is told of the kernel and the operating system. It
// knows nothing of pipelines and metrics, and starts no process.
//
// A [Reader] reads below the directories of its [Options] alone, each file of the
// kernel once a [Reader.Read]. A [Reading] has a part for each subject, and each part
// has its own error: one that cannot be read leaves the others as they are. Where the
// agent would see a container's figure instead of the node's, the part's error wraps a
// [*hostview.Blind] with what to do about it.
package hoststat
