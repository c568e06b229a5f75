package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Pause makes an archive of an image that sleeps, of the files of the image
// otelnpd-compat: the container that holds a Pod's namespaces. It returns the archive
// and the image's name.
func Pause(t testing.TB) (archive, name string) {
	t.Helper()
	l := Unpack(t, Compat)
	m := l.Manifest(t)
	m.Config = l.put(t, m.Config.MediaType, l.sleeping(t, m.Config))
	name = "docker.io/otelnpd/pause:test"
	manifest := l.put(t, m.MediaType, m)
	manifest.Annotations = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": "test"}
	writeJSON(t, filepath.Join(l.Dir, "index.json"), map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []Descriptor{manifest},
	})
	archive = filepath.Join(t.TempDir(), "pause.oci.tar")
	output, err := exec.CommandContext(t.Context(), "tar", "--create", "--file", archive, "--directory", l.Dir, ".").CombinedOutput()
	require.NoError(t, err, "%s", output)
	return archive, name
}

// sleeping is a configuration with another command.
func (l Layout) sleeping(t testing.TB, config Descriptor) map[string]any {
	t.Helper()
	text, err := os.ReadFile(l.Blob(config))
	require.NoError(t, err)
	var all map[string]any
	require.NoError(t, json.Unmarshal(text, &all))
	require.Equal(t, runtime.GOARCH, all["architecture"])
	all["config"] = map[string]any{"Entrypoint": []string{"/usr/bin/sleep", "infinity"}}
	return all
}

// put adds a blob.
func (l Layout) put(t testing.TB, mediaType string, value any) Descriptor {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	hash := sha256.Sum256(text)
	d := Descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(hash[:]), Size: int64(len(text))}
	require.NoError(t, os.WriteFile(l.Blob(d), text, 0o600))
	return d
}

func writeJSON(t testing.TB, path string, value any) {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
}
