package config_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/condition"
)

// factories are a few small components, so that this package's tests stand by
// themselves. The real ones are tested with it in cmd/otelnpd.
func factories() pipeline.Factories {
	receiver := func(kind string, config func() pipeline.Config) pipeline.ReceiverFactory {
		return pipeline.ReceiverFactory{Type: kind, DefaultConfig: config}
	}
	processor := func(kind string, config func() pipeline.Config) pipeline.ProcessorFactory {
		return pipeline.ProcessorFactory{Type: kind, DefaultConfig: config}
	}
	exporter := func(kind string, config func() pipeline.Config) pipeline.ExporterFactory {
		return pipeline.ExporterFactory{Type: kind, DefaultConfig: config}
	}
	return pipeline.Factories{
		Receivers: map[string]pipeline.ReceiverFactory{
			"kmsg":     receiver("kmsg", func() pipeline.Config { return &ringConfig{Lookback: time.Minute} }),
			"journald": receiver("journald", func() pipeline.Config { return &ringConfig{} }),
			"stats":    {Type: "stats", Signals: pipeline.Metrics, DefaultConfig: func() pipeline.Config { return &statsConfig{} }},
		},
		Processors: map[string]pipeline.ProcessorFactory{
			"dedupe":     processor("dedupe", func() pipeline.Config { return &plainConfig{} }),
			"rules":      processor("rules", func() pipeline.Config { return &rulesConfig{} }),
			"conditions": processor("conditions", func() pipeline.Config { return &plainConfig{} }),
		},
		Exporters: map[string]pipeline.ExporterFactory{
			"console": exporter("console", func() pipeline.Config { return &plainConfig{} }),
			"prometheus": {
				Type: "prometheus", Signals: pipeline.Logs | pipeline.Metrics,
				DefaultConfig: func() pipeline.Config { return &endpointConfig{Endpoint: "127.0.0.1:1"} },
			},
		},
	}
}

// statsConfig needs the names of what it tells.
type statsConfig struct {
	Names []string `yaml:"names"` // of metrics
}

func (*statsConfig) Validate() error { return nil }

func (c *statsConfig) Claims(naming pipeline.Naming) (claims []string) {
	for _, name := range c.Names {
		claims = append(claims, "the metric "+string(naming)+"/"+name)
	}
	return claims
}

type plainConfig struct{}

func (*plainConfig) Validate() error { return nil }

type ringConfig struct {
	Lookback time.Duration `yaml:"lookback"` // how far to read back
	Buffer   uint8         `yaml:"buffer"`   // in records
	Follow   bool          `yaml:"follow"`   // reads on
	Units    []string      `yaml:"units"`    // to read of
}

func (c *ringConfig) Validate() error {
	var errs []error
	if c.Lookback < 0 {
		errs = append(errs, pipeline.At("lookback", fmt.Errorf("%s is negative", c.Lookback)))
	}
	if c.Buffer == 1 {
		errs = append(errs, errors.New("a buffer of one holds nothing"))
	}
	return errors.Join(errs...)
}

type endpointConfig struct {
	Endpoint string `yaml:"endpoint"` // HOST:PORT
}

func (c *endpointConfig) Exclusive() string { return "the endpoint " + c.Endpoint }

func (c *endpointConfig) Validate() error {
	if !strings.Contains(c.Endpoint, ":") {
		return pipeline.At("endpoint", fmt.Errorf("%q is no HOST:PORT", c.Endpoint))
	}
	return nil
}

// rulesConfig brings rules, and conditions as packs do: PACK/TYPE/MESSAGE.
type rulesConfig struct {
	Packs []string     `yaml:"packs"` // PACK/TYPE/MESSAGE
	Rules []ruleConfig `yaml:"rules"` // beside those of packs
}

type ruleConfig struct {
	ID        string                     `yaml:"id"`        // unique
	Pattern   string                     `yaml:"pattern"`   // of a line
	Condition string                     `yaml:"condition"` // it acts on
	Check     bool                       `yaml:"check"`     // is a level
	Observe   bool                       `yaml:"observe"`   // without consequences
	Clear     condition.ClearDeclaration `yaml:"clear"`     // what ends it
}

func (c *rulesConfig) Validate() error {
	var errs []error
	for i := range c.Rules {
		rule := &c.Rules[i]
		var missing error
		if rule.Pattern == "" && !rule.Check {
			missing = pipeline.At("pattern", errors.New("is missing"))
		}
		errs = append(errs, pipeline.At(fmt.Sprintf("rules[%d]", i),
			errors.Join(missing, pipeline.At("clear", rule.Clear.Validate()))))
	}
	return errors.Join(errs...)
}

func (c *rulesConfig) Declare() condition.Declarations {
	var d condition.Declarations
	for i, pack := range c.Packs {
		name, kind, found := strings.Cut(pack, "/")
		if !found {
			continue // a pack that holds nothing
		}
		kind, message, _ := strings.Cut(kind, "/")
		d.Types = append(d.Types, condition.Type{Name: kind, HealthyReason: "Fine", HealthyMessage: message, OnUnknown: condition.OnUnknownHold})
		d.Rules = append(d.Rules, condition.DeclaredRule{
			Rule: condition.Rule{ID: name + "/rule", Condition: kind},
			Path: fmt.Sprintf("packs[%d]", i),
		})
	}
	for i, rule := range c.Rules {
		d.Rules = append(d.Rules, condition.DeclaredRule{
			Rule: condition.Rule{
				ID: rule.ID, Condition: rule.Condition, Level: rule.Check, Observe: rule.Observe,
				Clear: rule.Clear.Clear(), InstanceOf: func(string) (string, bool) { return "", false },
			},
			Path: fmt.Sprintf("rules[%d]", i),
		})
	}
	return d
}

// Warnings tells of rules with the pattern that matches everything.
func (c *rulesConfig) Warnings() []error {
	var errs []error
	for i := range c.Rules {
		if c.Rules[i].Pattern == ".*" {
			errs = append(errs, pipeline.At(fmt.Sprintf("rules[%d].pattern", i), errors.New("matches every line")))
		}
	}
	return errs
}

// defaultFactories are those that the default configuration names.
func defaultFactories() pipeline.Factories {
	f := factories()
	f.Exporters["status"] = f.Exporters["prometheus"]
	for _, name := range []string{"pstore", "checks"} {
		f.Receivers[name] = pipeline.ReceiverFactory{Type: name, DefaultConfig: func() pipeline.Config { return &plainConfig{} }}
	}
	f.Receivers["hoststats"] = f.Receivers["stats"]
	return f
}
