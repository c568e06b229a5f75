package kernellog

import (
	"context"
	"time"
)

const (
	// beat is how often a steady writer writes.
	beat = 2 * time.Millisecond
	// catchUp is how much of a delay it makes good, by many lines at once: more would
	// be a burst, which nobody can read, and not the rate that was asked for.
	catchUp = 25 * time.Millisecond
)

// WriteSteadily writes so many lines a second, made by line from their numbers, until
// ctx ends, and returns how many it has written.
func (l *Log) WriteSteadily(ctx context.Context, rate int, line func(buffer []byte, i int) []byte) (written int, err error) {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for paid := time.Now(); ; {
		select {
		case <-ctx.Done():
			return written, nil
		case now := <-ticker.C:
			if late := now.Add(-catchUp); paid.Before(late) {
				paid = late
			}
			due := int(now.Sub(paid).Seconds() * float64(rate))
			from := written
			if err := l.WriteMany(due, func(buffer []byte, i int) []byte { return line(buffer, from+i) }); err != nil {
				return written, err
			}
			written += due
			paid = paid.Add(time.Duration(due) * time.Second / time.Duration(rate))
		}
	}
}
