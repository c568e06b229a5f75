package healthchecker_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/npd/healthchecker"
)

// The command lines of what node-problem-detector ships are taken. The files are not part
// of this repository: OTELNPD_SHARED names the directory that has them.
func TestShippedConfigurations(t *testing.T) {
	shared := os.Getenv("OTELNPD_SHARED")
	if shared == "" {
		t.Skip("OTELNPD_SHARED names no folder with sample files")
	}
	for name, want := range map[string]string{"kubelet": "kubelet", "docker": "docker", "containerd": "cri"} {
		text, err := os.ReadFile(filepath.Join(shared, "npd-config", "health-checker-"+name+".json"))
		require.NoError(t, err)
		var file struct{ Rules []struct{ Args []string } }
		require.NoError(t, json.Unmarshal(text, &file))
		require.Len(t, file.Rules, 1)
		options, err := healthchecker.Parse(file.Rules[0].Args)
		require.NoError(t, err)
		require.Equal(t, want, options.Component)
		require.Equal(t, name, options.Service)
		require.True(t, options.EnableRepair)
		require.Empty(t, options.Arguments)
	}
}
