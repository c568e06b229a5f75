package manual

import (
	"io"
	"regexp"
	"strings"
	"sync"
)

// screen keeps what a terminal shows.
type screen struct {
	// changed has a value when there is more, or nothing more will come.
	changed chan struct{}

	mu   sync.Mutex
	text []byte
}

// read reads until the terminal has no more writers.
func (s *screen) read(terminal io.Reader) {
	buffer := make([]byte, 4096)
	for {
		n, err := terminal.Read(buffer)
		s.mu.Lock()
		s.text = append(s.text, buffer[:n]...)
		s.mu.Unlock()
		select {
		case s.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (s *screen) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.text)
}

func (s *screen) since(size int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text[size:])
}

// What a terminal is told, and does not show.
var control = regexp.MustCompile("\r|\x1b\\[[0-9;?]*[A-Za-z]|\x1e[^\x1e]*\x1e")

// plain is text without what a terminal does not show.
func plain(text string) string {
	return strings.TrimRight(control.ReplaceAllString(text, ""), "\n")
}
