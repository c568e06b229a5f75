// Package file follows a text file by its path, line by line, whatever becomes of the
// file: it is renamed and made anew, copied and truncated, reached by a symlink that
// is switched, compressed, not there for hours. It knows nothing of pipelines.
//
// A [Follower] has no goroutine and no clock: who holds it calls [Follower.Fill] when
// the kernel tells of a change or time has passed, and takes the lines. What has been
// taken is a list of [Position], one for each file that is not done with.
//
// A file is known again by its inode and birth, and by what was read of it: a
// fingerprint of its first bytes and one of those before the offset. So a copy of it,
// and what gzip made of it, are known too.
package file
