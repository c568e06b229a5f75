package kmsg

import "errors"

// maxCheck is how many reads the search for a log's end makes at most: the kernel's
// ring cannot hold that many records.
const maxCheck = 1 << 20

// check finds out, before the first batch, whether the log that was opened reaches
// the number that the subscriber wants to go on from. The kernel never goes back
// within a boot, but a file may have been written anew. nil: nothing is open.
func (s *Subscription) check(opened *device) {
	if opened == nil || s.checked {
		return
	}
	s.checked = true
	s.turn <- struct{}{} // free: no batch has come yet
	defer func() { <-s.turn }()
	if s.resumed == 0 {
		return
	}
	s.again = opened.canReadAgain()
	if s.again && endsBefore(s.source.path, s.resumed) {
		s.renumber()
	}
}

// endsBefore tells whether the log at path has records, and all of them have
// smaller numbers than the one before next. What cannot be read proves nothing.
func endsBefore(path string, next uint64) bool {
	device, err := openDevice(path)
	if err != nil {
		return false
	}
	defer device.close()
	buffer := make([]byte, MaxRecord)
	found := false
	for range maxCheck {
		n, err := device.read(buffer)
		switch {
		case err == nil:
			sequence, ok := sequenceOf(buffer[:n])
			if ok && sequence+1 >= next {
				return false
			}
			found = found || ok
		case errors.Is(err, errDrained):
			return found
		case errors.Is(err, errTooLong), errors.Is(err, errOverrun), errors.Is(err, errSkipped):
		default:
			return false
		}
	}
	return false
}
