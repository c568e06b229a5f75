package command

import (
	"os"
	"sync"
	"time"
)

// scratch are buffers for what is read and forgotten: as large as a pipe is.
var scratch = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// output reads a pipe to its end, and keeps its beginning.
type output struct {
	pipe      *os.File
	keep      int
	kept      []byte
	truncated bool
	done      chan struct{}
}

// newOutput reads a pipe in a goroutine of its own, which ends by the pipe's end or
// deadline.
func newOutput(pipe *os.File, keep int) *output {
	o := &output{pipe: pipe, keep: keep, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		o.read()
	}()
	return o
}

func (o *output) read() {
	pooled, _ := scratch.Get().(*[]byte)
	defer scratch.Put(pooled)
	buffer := *pooled
	for {
		n, err := o.pipe.Read(buffer)
		take := min(n, o.keep-len(o.kept))
		o.kept = append(o.kept, buffer[:take]...)
		o.truncated = o.truncated || n > take
		if err != nil {
			return
		}
	}
}

// finish gives pipes a little time to come to their ends: somebody may hold them for
// ever. Then they are closed.
func finish(grace time.Duration, outputs ...*output) {
	deadline := time.Now().Add(grace)
	for _, o := range outputs {
		_ = o.pipe.SetReadDeadline(deadline) // pipes have deadlines
	}
	for _, o := range outputs {
		<-o.done
		_ = o.pipe.Close() // nothing was written
	}
}
