package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// meaning is what the comment above a condition's declaration says.
type meaning struct{ meaning, remedy string }

// Where conditions are declared: as the key of a pack, or by its name in Go.
var declarations = regexp.MustCompile(`^  ([A-Z]\w+):$|"([A-Z]\w+)"`)

const remedyMark = " Remedy: "

// meanings finds the comment of every condition; it is right above the line that
// declares it, and has a part "Remedy:".
func meanings(t *testing.T, names []string) map[string]meaning {
	t.Helper()
	found := map[string]meaning{}
	for _, pattern := range []string{"config/packs/*.yaml", "receivers/checks/*.go", "receivers/health/*.go"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			lines := strings.Split(string(text), "\n")
			for i, line := range lines {
				name, says := declaration(lines[:i], line)
				if remedy := strings.Index(says, remedyMark); remedy > 0 && slices.Contains(names, name) {
					require.NotContains(t, found, name, "%s tells of it again", path)
					found[name] = meaning{says[:remedy], says[remedy+len(remedyMark):]}
				}
			}
		}
	}
	for _, name := range names {
		require.Contains(t, found, name, "say what it means above its declaration: # … # Remedy: …")
	}
	return found
}

// declaration is the condition that a line declares, and the comment right above.
func declaration(above []string, line string) (name, says string) {
	match := declarations.FindStringSubmatch(line)
	if match == nil {
		return "", ""
	}
	var words []string
	for _, one := range slices.Backward(above) {
		one = strings.TrimSpace(one)
		text, ok := strings.CutPrefix(one, "//")
		if !ok {
			text, ok = strings.CutPrefix(one, "#")
		}
		if !ok {
			break
		}
		words = append([]string{strings.TrimSpace(text)}, words...)
	}
	return match[1] + match[2], strings.Join(words, " ")
}
