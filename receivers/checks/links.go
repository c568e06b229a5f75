package checks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/otelnpd/otelnpd/pipeline"
)

// LinkSelection says which network links count.
type LinkSelection struct {
	// Interfaces are names of network links, * and ? as in the shell; none: those that are
	// hardware of the node, and bonds.
	Interfaces []string `yaml:"interfaces"`
}

func (c *LinkSelection) validate() error {
	var errs []error
	for i, one := range c.Interfaces {
		if _, err := path.Match(one, "eth0"); err != nil || one == "" || strings.Contains(one, "/") {
			errs = append(errs, pipeline.At(fmt.Sprintf("interfaces[%d]", i), fmt.Errorf("%q is no name of a link: write for example eth0, or eth*", one)))
		}
	}
	return errors.Join(errs...)
}

// link is a network link in sysfs (Documentation/ABI/testing/sysfs-class-net).
type link struct{ name, dir string }

// links lists the links that count, in order.
func (s *system) links(c *LinkSelection) (list []link, err error) {
	if err := s.view().SeesLinks(); err != nil {
		return nil, err
	}
	names, err := s.directories("class/net")
	if err != nil {
		return nil, err
	}
	bonds, err := readFile(s.sys("class/net/bonding_masters"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	masters := strings.Fields(bonds)
	for _, name := range names {
		one := link{name: name, dir: s.sys("class/net/" + name)}
		if c.wants(one, masters) {
			list = append(list, one)
		}
	}
	return list, nil
}

// wants tells whether a link counts. The kernel keeps those that no device is behind,
// as the ends of containers', below devices/virtual.
func (c *LinkSelection) wants(one link, masters []string) bool {
	if len(c.Interfaces) > 0 {
		return slices.ContainsFunc(c.Interfaces, func(pattern string) bool {
			matched, _ := path.Match(pattern, one.name)
			return matched
		})
	}
	if slices.Contains(masters, one.name) {
		return true
	}
	target, err := os.Readlink(one.dir)
	return err == nil && !strings.Contains(target, "/virtual/") && !one.isRepresentor()
}

// isRepresentor tells whether a link is the switch's end of a virtual function or
// subfunction: its carrier comes and goes with the container at the other end. The
// kernel names its port pf0vf3, c1pf0sf88 and the like (Documentation/networking/
// switchdev.rst); the port of a cable is p0.
func (l *link) isRepresentor() bool {
	port, err := readFile(l.dir + "/phys_port_name")
	return err == nil && representor.MatchString(strings.TrimSpace(port))
}

var representor = regexp.MustCompile(`^(c\d+)?pf\d+(vf|sf)\d+$`)

// flagUp is IFF_UP in linux/if.h: somebody has turned the link on.
const flagUp = 1

// state tells whether a link is turned on, and whether it has a carrier.
func (l *link) state() (on, carrier bool, err error) {
	text, err := readFile(l.dir + "/flags")
	if err != nil {
		return false, false, err
	}
	flags, err := strconv.ParseUint(strings.TrimSpace(text), 0, 32)
	if err != nil {
		return false, false, fmt.Errorf("read %s/flags: %.40q is no number", l.dir, text)
	}
	if flags&flagUp == 0 {
		return false, false, nil // carrier cannot be read then
	}
	n, err := readNumber(l.dir + "/carrier")
	return true, n != 0, err
}

// hadCarrier tells whether the link ever had a carrier since the node has booted (the
// count exists since Linux 4.16).
func (l *link) hadCarrier() bool {
	n, err := readNumber(l.dir + "/carrier_up_count")
	return err == nil && n > 0
}

// statistics are what a link has counted.
type statistics struct{ packets, errors uint64 }

func (l *link) statistics() (st statistics, err error) {
	for _, one := range []struct {
		name string
		to   *uint64
	}{{"rx_packets", &st.packets}, {"tx_packets", &st.packets}, {"rx_errors", &st.errors}, {"tx_errors", &st.errors}} {
		n, err := readNumber(l.dir + "/statistics/" + one.name)
		if err != nil {
			return statistics{}, err
		}
		*one.to += n
	}
	return st, nil
}
