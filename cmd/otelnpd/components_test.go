package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
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

func TestEveryConfigurationKeyIsInTheREADME(t *testing.T) {
	for folder, config := range builtIn() {
		t.Run(folder, func(t *testing.T) {
			readme, err := os.ReadFile(filepath.Join("../..", folder, "README.md"))
			require.NoError(t, err)
			for _, key := range keysOf(reflect.TypeOf(config)) {
				word := regexp.MustCompile(`\b` + regexp.QuoteMeta(key) + `\b`)
				require.True(t, word.Match(readme), "README.md does not tell of the key %s", key)
			}
		})
	}
}

// keysOf returns the YAML keys of a struct, those of structs and lists within it
// included.
func keysOf(of reflect.Type) (keys []string) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		return keysOf(of.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	for field := range of.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if !field.IsExported() || key == "" || key == "-" {
			continue
		}
		keys = append(keys, key)
		keys = append(keys, keysOf(field.Type)...)
	}
	return keys
}

func TestDefaultsOfComponentsAreValid(t *testing.T) {
	for folder, config := range builtIn() {
		err := config.Validate()
		if folder == "processors/rules" {
			require.ErrorContains(t, err, "there are no rules", "no pack is implied")
			continue
		}
		require.NoError(t, err, folder)
	}
}
