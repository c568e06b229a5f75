package checks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// MemoryCorrectedConfig is how many errors of the memory's hardware were corrected
// within a window (EDAC). Single ones are no problem; many tell of a module that will
// fail. Each memory controller is an instance, and the message names the modules.
type MemoryCorrectedConfig struct {
	Base `yaml:",inline"`
	// Window is the time in which errors count, 1m to 24h.
	Window time.Duration `yaml:"window"`
}

// MemoryUncorrectedConfig is how many errors of the memory's hardware could not be
// corrected since the node has booted or the counters were reset (EDAC): data was lost
// with each. Each memory controller is an instance.
type MemoryUncorrectedConfig struct {
	Base `yaml:",inline"`
}

func defaultMemoryCorrected() MemoryCorrectedConfig {
	return MemoryCorrectedConfig{
		Base: Base{
			Enabled: true, Condition: "MemoryErrorsCorrected",
			Warn: Limit{Enter: 100, Leave: 50, Reason: "MemoryErrorsCorrected"},
			Fail: Limit{Reason: "MemoryErrorsCorrected"},
		},
		Window: time.Hour,
	}
}

func defaultMemoryUncorrected() MemoryUncorrectedConfig {
	return MemoryUncorrectedConfig{Base: Base{
		Enabled: true, Condition: "MemoryHardwareError",
		Warn: Limit{Reason: "MemoryErrorsUncorrected"},
		Fail: Limit{Enter: 1, Reason: "MemoryErrorsUncorrected"},
	}}
}

func (c *MemoryCorrectedConfig) entry() entry {
	return entry{
		name: "memory_corrected", class: "memory-corrected-error", unit: count, base: &c.Base, asks: c, instances: true,
		// A memory module makes many errors. They were corrected, but it is about to fail.
		// Remedy: replace the module when it suits; `edac-util` or the controller's labels tell which.
		brings:   healthyType("MemoryErrorsCorrected", "MemoryErrorsAreFew", "few errors of the memory had to be corrected"),
		validate: func() error { return validateWindow(c.Window) },
		measures: func(s *system) measure {
			return s.eachController("ce", func(name string, errors uint64) figure {
				return s.growth("memory_corrected/"+name, c.Window, errors).figure(name + " corrected %s memory errors in %s")
			})
		},
	}
}

func (c *MemoryUncorrectedConfig) entry() entry {
	return entry{
		name: "memory_uncorrected", class: "memory-uncorrected-error", unit: count, base: &c.Base, asks: c, instances: true,
		// Memory had errors that could not be corrected: data in it may be wrong.
		// Remedy: move the work away and replace the module or the node. A reboot resets the count, not the fault.
		brings: healthyType("MemoryHardwareError", "MemoryHasNoUncorrectedErrors", "all errors of the memory could be corrected"),
		measures: func(s *system) measure {
			return s.eachController("ue", func(name string, errors uint64) figure {
				return figure{value: float64(errors), text: fmt.Sprintf("%s could not correct %s memory errors", name, decimal(float64(errors)))}
			})
		},
	}
}

// eachController takes a figure of each memory controller: of its counter of
// corrected (ce) or uncorrected (ue) errors (Documentation/ABI/testing/
// sysfs-devices-edac). A node whose hardware or kernel has none has no figure.
func (s *system) eachController(kind string, of func(name string, errors uint64) figure) measure {
	return func(context.Context) (measured, error) {
		names, err := s.directories("devices/system/edac/mc")
		if err != nil {
			return measured{}, err
		}
		m := measured{complete: true}
		for _, name := range names {
			if !isNumbered(name, "mc") {
				continue
			}
			dir := s.sys("devices/system/edac/mc/" + name)
			errs, err := readNumber(dir + "/" + kind + "_count")
			switch {
			case errors.Is(err, fs.ErrNotExist): // its driver went away meanwhile
			case err != nil:
				m.figures = append(m.figures, figure{instance: name, err: err})
			default:
				f := of(name, errs)
				f.instance, f.top = name, func() string { return s.topModules(name, kind) }
				m.figures = append(m.figures, f)
			}
		}
		return m, nil
	}
}

// isNumbered tells whether a name is a word and a number: mc0.
func isNumbered(name, word string) bool {
	number, ok := strings.CutPrefix(name, word)
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// topModules names the memory modules with the most errors since the node has booted:
// by the dimm and rank directories, or the csrow ones of older kernels, with the label
// that the board has for them.
func (s *system) topModules(controller, kind string) string {
	path := "devices/system/edac/mc/" + controller
	names, err := s.directories(path)
	if err != nil {
		return ""
	}
	var all []ranked
	for _, name := range names {
		dir := s.sys(path + "/" + name)
		switch {
		case isNumbered(name, "dimm"), isNumbered(name, "rank"):
			all = append(all, module(name, dir+"/dimm_label", dir+"/dimm_"+kind+"_count"))
		case isNumbered(name, "csrow") && !hasModules(names):
			all = append(all, module(name, dir+"/ch0_dimm_label", dir+"/"+kind+"_count"))
		}
	}
	all = leaveOutZero(all)
	if len(all) == 0 {
		return ""
	}
	return topText(all) + " since the node has booted"
}

func hasModules(names []string) bool {
	for _, name := range names {
		if isNumbered(name, "dimm") || isNumbered(name, "rank") {
			return true
		}
	}
	return false
}

func leaveOutZero(all []ranked) (left []ranked) {
	for _, one := range all {
		if one.n > 0 {
			left = append(left, one)
		}
	}
	return left
}

func module(name, labelFile, countFile string) ranked {
	if label, err := readFile(labelFile); err == nil && strings.TrimSpace(label) != "" {
		name += " (" + strings.TrimSpace(label) + ")"
	}
	n, err := readNumber(countFile)
	if err != nil {
		n = 0
	}
	return ranked{name: name, n: n}
}
