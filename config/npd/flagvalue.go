package npd

import (
	"fmt"

	"github.com/spf13/pflag"
)

// setter reads the text of a flag.
type setter[T any] struct {
	kind   string
	remedy string
	parse  func(string) (T, error)
}

// value is a flag's value. It notes text that it cannot read instead of ending the
// reading of all that follows.
type value[T any] struct {
	setter[T]
	name    string
	to      *T
	options *Options
}

var _ pflag.Value = (*value[bool])(nil)

func define[T any](d definer, to *T, name string, initial T, usage string, how setter[T]) *pflag.Flag {
	*to = initial
	return d.flags.VarPF(&value[T]{setter: how, name: name, to: to, options: d.options}, name, "", usage)
}

// Set implements [pflag.Value].
func (v *value[T]) Set(text string) error {
	parsed, err := v.parse(text)
	if err != nil {
		v.options.fault("--"+v.name, "%q cannot be read: %s", text, v.remedy)
		return nil
	}
	*v.to = parsed
	return nil
}

// String implements [pflag.Value].
func (v *value[T]) String() string { return fmt.Sprint(*v.to) }

// Type implements [pflag.Value].
func (v *value[T]) Type() string { return v.kind }

// ignored is a flag's value, of a type, that nothing reads.
type ignored string

// Set implements [pflag.Value].
func (ignored) Set(string) error { return nil }

// String implements [pflag.Value].
func (ignored) String() string { return "" }

// Type implements [pflag.Value].
func (i ignored) Type() string { return string(i) }
