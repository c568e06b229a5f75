package packs_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/packs"
	"github.com/otelnpd/otelnpd/pipeline/condition"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
	"github.com/otelnpd/otelnpd/processors/rules"
)

// file is what a pack's file holds.
type file struct {
	Conditions map[string]condition.Declaration `yaml:"conditions"`
	Rules      []rules.Rule                     `yaml:"rules"`
}

func names(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(packs.FS, "*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

func read(t *testing.T, name string) file {
	t.Helper()
	data, err := fs.ReadFile(packs.FS, name)
	require.NoError(t, err)
	var contents file
	_, err = strictyaml.Decode(data, name, &contents)
	require.NoError(t, err)
	return contents
}

// config loads one pack as an operator would.
func config(t *testing.T, name string) *rules.Config {
	t.Helper()
	loaded := rules.DefaultConfig(packs.FS)
	loaded.Packs = []string{strings.TrimSuffix(name, ".yaml")}
	require.NoError(t, loaded.Validate())
	return loaded
}

func TestPacksAreValidAndCheap(t *testing.T) {
	for _, name := range names(t) {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, config(t, name).Warnings(), "every rule needs a text that can be looked for")
		})
	}
}

func TestEveryRuleIsTestedAndClassed(t *testing.T) {
	for _, name := range names(t) {
		for _, rule := range read(t, name).Rules {
			t.Run(name+" "+rule.ID, func(t *testing.T) {
				require.NotEmpty(t, rule.Class)
				require.NotEmpty(t, rule.Tests.Match)
				require.NotEmpty(t, rule.Tests.NoMatch)
			})
		}
	}
}

func TestConditionsAreDeclaredAndUsed(t *testing.T) {
	for _, name := range names(t) {
		contents := read(t, name)
		used := map[string]bool{}
		for _, rule := range contents.Rules {
			if rule.Condition != "" {
				require.Contains(t, contents.Conditions, rule.Condition)
				used[rule.Condition] = true
			}
		}
		require.Len(t, used, len(contents.Conditions))
	}
}

// TestKernelKeepsTheWordsOfNodeProblemDetector freezes what dashboards and
// alerts of node-problem-detector's users ask for.
func TestKernelKeepsTheWordsOfNodeProblemDetector(t *testing.T) {
	declared := config(t, "kernel.yaml").Declare()
	healthy := map[string][2]string{}
	for _, one := range declared.Types {
		healthy[one.Name] = [2]string{one.HealthyReason, one.HealthyMessage}
	}
	require.Equal(t, map[string][2]string{
		"KernelDeadlock":         {"KernelHasNoDeadlock", "kernel has no deadlock"},
		"XfsShutdown":            {"XfsHasNotShutDown", "XFS has not shutdown"},
		"CperHardwareErrorFatal": {"CperHardwareHasNoFatalError", "UEFI CPER has no fatal error"},
		"ReadonlyFilesystem":     {"FilesystemIsNotReadOnly", "Filesystem is not read-only"},
	}, healthy)
	conditions := map[string]string{}
	for _, rule := range declared.Rules {
		require.Empty(t, conditions[rule.Reason], "an event and a condition share the reason %s", rule.Reason)
		if rule.Condition != "" {
			conditions[rule.Reason] = rule.Condition
		}
	}
	require.Equal(t, map[string]string{
		"DockerHung":             "KernelDeadlock",
		"XfsHasShutdown":         "XfsShutdown",
		"CperHardwareErrorFatal": "CperHardwareErrorFatal",
		"FilesystemIsReadOnly":   "ReadonlyFilesystem",
	}, conditions)
	for _, reason := range []string{
		"OOMKilling", "TaskHung", "UnregisterNetDevice", "KernelOops", "Ext4Error", "Ext4Warning", "IOError",
		"MemoryReadError", "CperHardwareErrorCorrected", "CperHardwareErrorRecoverable",
	} {
		found := false
		for _, rule := range declared.Rules {
			found = found || rule.Reason == reason && rule.Condition == ""
		}
		require.True(t, found, reason)
	}
}
