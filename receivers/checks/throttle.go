package checks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/otelnpd/otelnpd/pipeline/source/hostview"
)

// ThermalThrottleConfig is how often processors were slowed down within a window,
// since they were too hot. Some computers do it whenever they have much to do: so it
// is off. Each package (socket) is an instance. Processors that are not Intel's count
// nothing.
type ThermalThrottleConfig struct {
	Base `yaml:",inline"`
	// Window is the time in which it counts, 1m to 24h.
	Window time.Duration `yaml:"window"`
}

func defaultThermalThrottle() ThermalThrottleConfig {
	return ThermalThrottleConfig{
		Base: Base{
			Condition: "ThermalThrottling",
			Warn:      Limit{Enter: 100, Leave: 20, Reason: "ProcessorThrottled"},
			Fail:      Limit{Reason: "ProcessorThrottled"},
		},
		Window: 10 * time.Minute,
	}
}

func (c *ThermalThrottleConfig) entry() entry {
	return entry{
		name: "thermal_throttle", class: "thermal-throttling", unit: count, base: &c.Base, asks: c, instances: true,
		// Processors are slowed down for their heat.
		// Remedy: see the fans and the air; move work away.
		brings:   healthyType("ThermalThrottling", "ProcessorsAreCool", "no processor is slowed down for its heat"),
		validate: func() error { return validateWindow(c.Window) },
		measures: func(s *system) measure {
			return func(context.Context) (measured, error) { return c.measure(s) }
		},
	}
}

func (c *ThermalThrottleConfig) measure(s *system) (measured, error) {
	packages, err := s.throttled()
	if err != nil {
		return measured{}, err
	}
	m := measured{complete: true}
	for _, one := range packages {
		name := fmt.Sprintf("package %d", one.id)
		f := s.growth("thermal_throttle/"+name, c.Window, one.count).figure("the processors of " + name + " were slowed down %s times for their heat in %s")
		f.instance = name
		m.figures = append(m.figures, f)
	}
	return m, nil
}

// processors is a package and how often it and its cores were throttled.
type processors struct {
	id    uint64
	count uint64
	cores map[uint64]bool
}

// throttled reads /sys/devices/system/cpu/cpu*/thermal_throttle (Documentation/
// ABI/testing/sysfs-devices-system-cpu). All threads of a core show the counter of
// that core, and all of a package that of the package: each counts once.
func (s *system) throttled() (list []*processors, err error) {
	names, err := s.directories("devices/system/cpu")
	if err != nil {
		return nil, err
	}
	byID := map[uint64]*processors{}
	for _, name := range names {
		if !isNumbered(name, "cpu") {
			continue
		}
		dir := s.sys("devices/system/cpu/" + name)
		core, err := readNumber(dir + "/thermal_throttle/core_throttle_count")
		if errors.Is(err, fs.ErrNotExist) {
			if exists(dir + "/thermal_throttle") {
				return nil, hostview.NewBlind("what processors count of their heat is hidden from this container", "mount the host's /sys and set service.host.sys")
			}
			continue // off, or of a kind that does not count
		}
		if err != nil {
			return nil, err
		}
		id, errPackage := readNumber(dir + "/topology/physical_package_id")
		number, errCore := readNumber(dir + "/topology/core_id")
		if err := errors.Join(errPackage, errCore); err != nil {
			return nil, err
		}
		p := byID[id]
		if p == nil {
			p = &processors{id: id, cores: map[uint64]bool{}}
			p.count, _ = readNumber(dir + "/thermal_throttle/package_throttle_count") // old ones have none
			byID[id] = p
			list = append(list, p)
		}
		if !p.cores[number] {
			p.cores[number] = true
			p.count += core
		}
	}
	return list, nil
}
