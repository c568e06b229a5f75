package nodeconditions

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// markerPath is where the marker is below the host's run directory, which a
// reboot empties and a restart of the agent's container does not.
const markerPath = "otelnpd/reported-boot"

// maxMarkerBytes bounds what is read: a name of 253 characters, two UUIDs and
// their framing.
const maxMarkerBytes = 4096

// mark says in which boot the Node last accepted the agent's conditions.
type mark struct {
	BootID  string `json:"boot_id"`
	Node    string `json:"node"`
	NodeUID string `json:"node_uid"`
}

// marker is the file that holds the mark.
type marker struct{ path string }

func newMarker(run string) marker { return marker{path: filepath.Join(run, markerPath)} }

// read returns what the file says: nothing, if it is missing, damaged, too large
// or no regular file.
func (m marker) read() mark {
	var read mark
	text, err := m.text()
	if err != nil || json.Unmarshal(text, &read) != nil {
		return mark{}
	}
	return read
}

func (m marker) text() ([]byte, error) {
	file, err := os.OpenFile(m.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", m.path)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxMarkerBytes+1))
	if err == nil && len(text) > maxMarkerBytes {
		err = fmt.Errorf("%s has more than %d bytes", m.path, maxMarkerBytes)
	}
	return text, err
}

// write replaces the file. If that fails, the old one is removed: none at all
// tells less than one that names another boot, but nothing wrong.
func (m marker) write(now mark) error {
	err := m.replace(now)
	if err != nil {
		_ = os.Remove(m.path)
		return fmt.Errorf("write %s: %w", m.path, err)
	}
	return nil
}

func (m marker) replace(now mark) error {
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o755); err != nil { //nolint:gosec // as all of /run: there is no secret in it
		return err
	}
	unfinished := m.path + ".new"
	// Only the agent writes here: what stands in the way is left from a crash.
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeNew(unfinished, append(text, '\n')); err != nil {
		_ = os.Remove(unfinished)
		return err
	}
	return os.Rename(unfinished, m.path)
}

// writeNew writes a file that does not exist yet, down to the disk.
func writeNew(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // as the directory
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}
