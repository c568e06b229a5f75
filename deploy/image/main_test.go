package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/deploy/image/debian"
	"github.com/otelnpd/otelnpd/deploy/image/tree"
)

// at is the time of the sources in tests.
func at() time.Time { return time.Unix(1_700_000_000, 0).UTC() }

// newBuilder makes a builder of the agents that make has built.
func newBuilder(t *testing.T) *builder {
	t.Helper()
	b := &builder{root: "../..", version: "1.2.3", revision: "0123abcd", created: at()}
	b.agent = func(arch string) string { return filepath.Join("../../dist", "otelnpd-linux-"+arch) }
	for _, arch := range architectures() {
		if _, err := os.Stat(b.agent(arch)); err != nil && os.Getenv("CI") != "true" {
			t.Skipf("no agent for %s: run make test-image: %v", arch, err)
		} else {
			require.NoError(t, err)
		}
	}
	require.NoError(t, b.useCache(""))
	return b
}

// files are those of an image's layers, of one architecture.
func files(t *testing.T, image v1.Image) *tree.Tree {
	t.Helper()
	layers, err := image.Layers()
	require.NoError(t, err)
	all := tree.New()
	for _, layer := range layers {
		content, err := layer.Uncompressed()
		require.NoError(t, err)
		entries, err := debian.ReadTar(content)
		require.NoError(t, err)
		require.NoError(t, content.Close())
		for _, f := range entries {
			require.NoError(t, all.Add(f))
		}
	}
	return all
}

// imageFor is the one of an index for an architecture.
func imageFor(t *testing.T, index v1.ImageIndex, arch string) v1.Image {
	t.Helper()
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	for _, m := range manifest.Manifests {
		if m.Platform.OS == "linux" && m.Platform.Architecture == arch {
			image, err := index.Image(m.Digest)
			require.NoError(t, err)
			return image
		}
	}
	require.FailNow(t, "no image for "+arch)
	return nil
}

// The program writes archives and SBOMs, and again the same.
func TestRun(t *testing.T) {
	b := newBuilder(t)
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var outs [2]string
	for i := range outs {
		outs[i] = t.TempDir()
		require.NoError(t, run(t.Context(), []string{"-version", b.version, "-revision", b.revision, "-out", outs[i], "-roots", outs[i]}))
	}
	for _, k := range kinds() {
		for _, name := range []string{k.name + ".oci.tar", k.name + "-linux-amd64.spdx.json", k.name + "-linux-arm64.spdx.json", k.name + "-linux-arm64.tar"} {
			first, err := os.ReadFile(filepath.Join(outs[0], name))
			require.NoError(t, err)
			second, err := os.ReadFile(filepath.Join(outs[1], name))
			require.NoError(t, err)
			require.True(t, bytes.Equal(first, second), "%s differs when made again", name)
		}
	}
}

// The Dockerfile starts what the images start.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	require.Contains(t, string(text), "\nFROM scratch AS described\n")
	for _, k := range kinds() {
		_, stage, found := strings.Cut(string(text), "FROM described AS "+k.name+"\n")
		require.True(t, found, k.name)
		stage, _, _ = strings.Cut(stage, "\nFROM ")
		require.Contains(t, stage, "ENTRYPOINT [\""+strings.Join(k.entrypoint, `", "`)+"\"]\n")
		require.Equal(t, len(k.command) > 0, strings.Contains(stage, "CMD [\""+strings.Join(k.command, `", "`)+"\"]\n"))
		require.Contains(t, stage, "COPY --from=files /out/"+k.name+"/ /\n")
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	require.ErrorContains(t, run(t.Context(), nil), `SOURCE_DATE_EPOCH is "yesterday": set it to the seconds since 1970`)
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	require.ErrorContains(t, run(t.Context(), []string{"-root", t.TempDir()}), "debian.lock")
	err := run(t.Context(), []string{"-agents", t.TempDir(), "-out", t.TempDir()})
	require.ErrorContains(t, err, "make the image otelnpd: for amd64: read of which modules")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, run(cancelled, []string{"-cache", t.TempDir(), "-out", t.TempDir()}))
}

// spdxList is what is asked of an SBOM.
type spdxList struct {
	SPDXVersion string `json:"spdxVersion"`
	Packages    []struct {
		Name, VersionInfo string
		ExternalRefs      []struct{ ReferenceLocator string }
	}
	Relationships []struct{ SpdxElementID, RelatedSpdxElement, RelationshipType string }
}

func readList(t *testing.T, text []byte) spdxList {
	t.Helper()
	var list spdxList
	require.NoError(t, json.Unmarshal(text, &list))
	return list
}
