package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
)

// builtIn is every component's folder and default configuration.
func builtIn() map[string]pipeline.Config {
	list := configFactories()
	found := map[string]pipeline.Config{}
	for name, factory := range list.Receivers {
		found["receivers/"+name] = factory.DefaultConfig()
	}
	for name, factory := range list.Processors {
		found["processors/"+name] = factory.DefaultConfig()
	}
	for name, factory := range list.Exporters {
		found["exporters/"+name] = factory.DefaultConfig()
	}
	return found
}

func TestEveryConfigurationKeyIsTaggedAndCommented(t *testing.T) {
	for folder, config := range builtIn() {
		t.Run(folder, func(t *testing.T) { strictyamltest.CheckStruct(t, config) })
	}
}

func TestDefaultsOfComponentsAreValid(t *testing.T) {
	needs := map[string]string{
		"processors/rules":  "there are no rules", // no pack is implied
		"receivers/filelog": "include: is missing",
	}
	for folder, config := range builtIn() {
		err := config.Validate()
		if want, ok := needs[folder]; ok {
			require.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err, folder)
	}
}
