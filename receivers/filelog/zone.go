package filelog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

const zoneFolder = "/usr/share/zoneinfo"

// hostZone is the time zone of that name, or the host's where there is none: an agent
// in a container has another one.
func hostZone(host pipeline.Host, name string) (*time.Location, error) {
	if name == "UTC" {
		return time.UTC, nil
	}
	path := filepath.Join(zoneFolder, name)
	if name == "" {
		path = "/etc/localtime"
		if target, err := os.Readlink(host.Path(path)); err == nil { // it leads from the host's root on
			if !filepath.IsAbs(target) {
				target = filepath.Join("/etc", target)
			}
			path = target
		}
	}
	if data, err := os.ReadFile(host.Path(path)); err == nil {
		zone, err := time.LoadLocationFromTZData(strings.TrimPrefix(path, zoneFolder+"/"), data)
		if err == nil {
			return zone, nil
		}
	}
	if name == "" {
		return time.Local, nil // also where the host's is damaged: its disk is what is to be told of
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("find the time zone %q, which is not in %s either: write a name like Europe/Berlin: %w", name, host.Path(path), err)
	}
	return zone, nil
}
