package strictyamltest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
)

type good struct {
	// Name is commented above.
	Name    string        `yaml:"name"`
	Timeout time.Duration `yaml:"timeout"` // commented beside
	// Nested is of this module.
	Nested []*nested `yaml:"nested"`
	// Ordered keeps the order.
	Ordered  strictyaml.Map[nested] `yaml:"ordered"`
	nested   `yaml:",inline"`
	Computed int `yaml:"-"`
	hidden   int
}

type nested struct {
	// Depth is fine.
	Depth int `yaml:"depth_2"`
}

type bad struct {
	Untagged string
	// CamelCase has a key that is none of ours.
	CamelCase string `yaml:"camelCase"`
	Silent    string `yaml:"silent"`
	// Map leads to another.
	Map map[string]worse `yaml:"map"`
	// Ordered leads to a third.
	Ordered strictyaml.Map[worst] `yaml:"ordered"`
}

type worse struct {
	Silent int `yaml:"silent"`
}

type worst struct {
	Silent int `yaml:"silent"`
}

// recorder takes the errors that a failing check reports.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestCheckStructAccepts(t *testing.T) {
	strictyamltest.CheckStruct(t, &good{hidden: 1})
}

func TestCheckStructFindsWhatIsMissing(t *testing.T) {
	r := &recorder{TB: t}
	strictyamltest.CheckStruct(r, bad{})
	require.Equal(t, []string{
		`bad.Untagged: the yaml key "" is no lower_snake_case`,
		`bad.Untagged has no comment`,
		`bad.CamelCase: the yaml key "camelCase" is no lower_snake_case`,
		`bad.Silent has no comment`,
		`worse.Silent has no comment`,
		`worst.Silent has no comment`,
	}, r.errors)
}

func TestCheckStructRefusesOtherTypes(t *testing.T) {
	r := &recorder{TB: t}
	strictyamltest.CheckStruct(r, time.Time{})
	strictyamltest.CheckStruct(r, 5)
	require.Equal(t, []string{"time.Time is no struct of this module", "int is no struct of this module"}, r.errors)
}
