package integration

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const imageFiles = "../deploy/image/config"

// The files of the image otelnpd-compat have the names and the keys of
// node-problem-detector's, and their values but for patterns.
func TestImageFilesAreComplete(t *testing.T) {
	theirs := npdConfigFolder(t)
	names := map[string]bool{}
	for _, pattern := range []string{"*.json", "exporter/*.json"} {
		paths, err := filepath.Glob(filepath.Join(theirs, pattern))
		require.NoError(t, err)
		for _, path := range paths {
			if name, err := filepath.Rel(theirs, path); err == nil && !strings.HasPrefix(name, "windows-") {
				names[name] = true
			}
		}
	}
	require.Greater(t, len(names), 15)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		require.Equal(t, readMeaning(t, filepath.Join(theirs, name)), readMeaning(t, filepath.Join(imageFiles, name)), name)
	}
	require.FileExists(t, filepath.Join(imageFiles, "guestosconfig/known-modules.json"))
}

func npdConfigFolder(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("OTELNPD_SHARED")
	if shared == "" {
		t.Skip("OTELNPD_SHARED names no folder with node-problem-detector's files")
	}
	return filepath.Join(shared, "npd-config")
}

// readMeaning reads a file without its patterns, its keys in lower case as
// node-problem-detector takes them, and with metricsReporting said, which is on.
func readMeaning(t *testing.T, path string) any {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var file map[string]any
	require.NoError(t, json.Unmarshal(text, &file), path)
	if _, ok := file["plugin"]; ok {
		file["metricsReporting"] = true
	}
	return withoutPatterns(file)
}

func withoutPatterns(value any) any {
	switch value := value.(type) {
	case map[string]any:
		clean := map[string]any{}
		for key, below := range value {
			switch key = strings.ToLower(key); key {
			case "pattern", "message", "timestamp":
				if _, isText := below.(string); isText && value["type"] == nil || key == "pattern" {
					continue
				}
			}
			clean[key] = withoutPatterns(below)
		}
		return clean
	case []any:
		clean := []any{}
		for _, below := range value {
			clean = append(clean, withoutPatterns(below))
		}
		return clean
	case string:
		if before, _, found := strings.Cut(value, "pattern="); found {
			return before
		}
	}
	return value
}

// What a file of node-problem-detector finds in a line, that of the image finds too.
func TestImageFilesFindTheSame(t *testing.T) {
	theirs, ours := map[string]npdFile{}, npdFiles(t, imageFiles)
	for _, f := range npdFiles(t, npdConfigFolder(t)) {
		theirs[filepath.Base(f.path)] = f
	}
	require.Len(t, ours, len(theirs))
	found := 0
	for _, f := range ours {
		for _, text := range npdProblems() {
			their := theirs[filepath.Base(f.path)]
			line := their.line(time.Now(), text)
			for reason := range their.reasons(t, line) {
				require.Contains(t, f.reasons(t, line), reason, "%s: %s", f.path, line)
				found++
			}
		}
	}
	require.Greater(t, found, 30)
}

// reasons are those of the rules that fit a line.
func (f *npdFile) reasons(t *testing.T, line string) map[string]bool {
	t.Helper()
	reasons := map[string]bool{}
	message, taken := f.message(t, line)
	for _, rule := range f.Rules {
		if taken && rule.fits(message) {
			reasons[rule.Condition+" "+rule.Reason] = true
		}
	}
	return reasons
}
