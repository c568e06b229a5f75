package resource

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/otelnpd/otelnpd/pipeline"
)

// Config is the part of an exporter's configuration that says whose records and metrics
// it sends.
type Config struct {
	// Attributes of the resource. They go before OTEL_RESOURCE_ATTRIBUTES and
	// OTEL_SERVICE_NAME, and those before what the agent finds out by itself.
	Attributes map[string]string `yaml:"attributes"`
	// Detectors are the clouds whose metadata servers are asked for `cloud.*` and
	// `host.*`, by plain HTTP on 169.254.169.254. `auto` asks the one that the machine's
	// DMI tables name, so that a machine of no cloud asks nobody; a cloud that is named
	// here is asked whatever they say; `[]`: none.
	Detectors []Cloud `yaml:"detectors"`
}

// Cloud is one whose metadata server can be asked.
type Cloud string

// The clouds.
const (
	CloudAuto  Cloud = "auto"
	CloudGCP   Cloud = "gcp"
	CloudEC2   Cloud = "ec2"
	CloudAzure Cloud = "azure"
)

// Words are all of them.
func (Cloud) Words() []string {
	return []string{string(CloudAuto), string(CloudGCP), string(CloudEC2), string(CloudAzure)}
}

const (
	maxAttributes = 128
	maxKey        = 256
	maxValue      = 1024
)

// DefaultConfig asks the cloud that the machine is of.
func DefaultConfig() Config { return Config{Detectors: []Cloud{CloudAuto}} }

// Validate reports all that is wrong.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Attributes) > maxAttributes {
		errs = append(errs, pipeline.At("attributes", fmt.Errorf("has %d attributes: write at most %d", len(c.Attributes), maxAttributes)))
	}
	for _, key := range slices.Sorted(maps.Keys(c.Attributes)) {
		errs = append(errs, pipeline.At("attributes", pipeline.At(key, checkAttribute(key, c.Attributes[key]))))
	}
	seen := map[Cloud]bool{}
	for i, cloud := range c.Detectors {
		err := pipeline.CheckWord(cloud)
		if seen[cloud] {
			err = fmt.Errorf("%q is listed twice: remove one of them", cloud)
		}
		errs = append(errs, pipeline.At(fmt.Sprintf("detectors[%d]", i), err))
		seen[cloud] = true
	}
	return errors.Join(errs...)
}

func checkAttribute(key, value string) error {
	switch {
	case key == "":
		return errors.New("an attribute needs a name, for example k8s.cluster.name")
	case len(key) > maxKey:
		return fmt.Errorf("the name has %d bytes: write at most %d", len(key), maxKey)
	case len(value) > maxValue || !utf8.ValidString(value):
		return fmt.Errorf("the value has %d bytes, or is not UTF-8: write at most %d", len(value), maxValue)
	}
	return nil
}
