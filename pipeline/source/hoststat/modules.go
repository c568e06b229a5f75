package hoststat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// readModules tells of the modules that are loaded.
func (r *Reader) readModules(m *Modules) error {
	known, err := r.knownModules()
	m.KnownErr = err
	return r.proc("modules", func(text []byte) error { return m.parse(text, known) })
}

// knownModules reads the names in [Options.KnownModules].
func (r *Reader) knownModules() (known map[string]bool, err error) {
	if r.options.KnownModules == "" {
		return nil, nil
	}
	err = r.file.read(r.options.KnownModules, func(text []byte) error {
		var list []struct {
			Name string `json:"moduleName"`
		}
		if err := json.Unmarshal(text, &list); err != nil {
			return fmt.Errorf("it is no list of modules: %w", err)
		}
		known = make(map[string]bool, len(list))
		for _, one := range list {
			known[one.Name] = true
		}
		return nil
	})
	return known, err
}

// parse reads /proc/modules: name, size, uses, users, state, address, and perhaps in
// brackets the letters of what the kernel holds against it (module_flags_taint in the
// kernel's kernel/module/main.c): P is proprietary, O is out of tree.
func (m *Modules) parse(text []byte, known map[string]bool) error {
	gpu, unknown := false, []string(nil)
	for len(text) > 0 {
		var line []byte
		line, text = nextLine(text)
		fields := bytes.Fields(line)
		if len(fields) < 6 {
			return errLine(line, "has no six fields")
		}
		name := printable(string(fields[0]))
		switch {
		case strings.Contains(name, "nvidia"):
			gpu = true
		case len(fields) > 6 && bytes.ContainsAny(fields[6], "PO") && !known[name]:
			unknown = append(unknown, name)
		}
	}
	m.GPU, m.Unknown = gpu, unknown
	return nil
}
