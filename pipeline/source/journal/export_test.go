package journal

// BreakFiles makes all open files fail when they are read.
func (r *Reader) BreakFiles() {
	for _, f := range r.files {
		_ = f.File.Close()
	}
}
