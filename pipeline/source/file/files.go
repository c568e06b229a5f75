package file

// Resumed is a file to go on with.
type Resumed struct {
	Position
	// From is where to read from, at most the position's offset: what is between has
	// been given before.
	From int64

	stream uint64
}

// Resume makes the follower go on from positions. It is called before the first Fill.
// The files get the streams 1, 2 … in this order; done ones are only remembered.
func (f *Follower) Resume(files []Resumed) {
	for _, one := range files {
		f.streamID++
		switch {
		case f.forgotten.take(&one.Position):
			continue
		case one.Done:
			f.remember(one.Position)
			continue
		}
		one.stream = f.streamID
		f.resuming = append(f.resuming, one)
	}
	f.looked = true
}

// Stream names a file as it is read.
type Stream struct {
	// ID tells it from others of this follower; 0 is none.
	ID uint64
	// Key is a fingerprint of its first line.
	Key string
	// Generation counts the files before it that had the same.
	Generation uint64
}

// name gives a file its key, if it has none yet, and a number where others had the same.
func (f *Follower) name(s *stream) {
	if s.key == "" {
		f.giveKey(s)
	}
	f.of = Stream{ID: s.id, Key: s.key, Generation: s.generation}
}

func (f *Follower) giveKey(s *stream) {
	key := keyOf(s.head)
	s.generation = f.forgotten.generation(key)
	for _, file := range f.Files() {
		if file.Key == key {
			s.generation = max(s.generation, file.Generation+1)
		}
	}
	s.key = key
}

// finish closes a stream that was read to its end.
func (f *Follower) finish(s *stream) {
	f.remember(s.position(s.tail))
	f.drop(s)
	f.ended = append(f.ended, s.id)
}

func (f *Follower) remember(p Position) {
	p.Done = true
	f.done = append(f.done, p)
	for len(f.done) > maxDone {
		f.forgotten.add(&f.done[0])
		f.done = f.done[1:]
	}
}

// File is how far a file has been read.
type File struct {
	Position
	// Stream is its stream's ID; 0: it is done with.
	Stream uint64
}

// Files returns how far the files have been read, up to the last Line: the done ones,
// then those that are open, the oldest first. Before them stand, as done, what is still
// known of files that are forgotten.
func (f *Follower) Files() []File {
	files := make([]File, 0, forgottenParts+len(f.done)+len(f.resuming)+len(f.streams))
	for _, p := range f.forgotten.positions(f.path) {
		files = append(files, File{Position: p})
	}
	for _, p := range f.done {
		files = append(files, File{Position: p})
	}
	for _, one := range f.resuming {
		files = append(files, File{Position: one.Position, Stream: one.stream})
	}
	for _, s := range f.streams {
		if s.unproven { // it is found again
			continue
		}
		tail := s.tail
		if f.chunk.stream == s {
			tail = f.chunk.before()
		}
		files = append(files, File{Position: s.position(tail), Stream: s.id})
	}
	return files
}
