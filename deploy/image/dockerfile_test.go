package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/deploy/image/tree"
)

// requireDockerfile builds an image by its stage of the Dockerfile, from the files that
// the first stage makes, and requires what the image itself is. The first stage needs
// a registry for its base, so this program's output takes its place.
func requireDockerfile(t *testing.T, k kind, made *made) {
	t.Helper()
	if _, err := exec.LookPath("buildah"); err != nil || os.Geteuid() != 0 {
		require.NotEqual(t, "true", os.Getenv("CI"), "this test needs root and buildah in CI")
		t.Skip("buildah is not installed, or its user is not root")
	}
	image, err := tarball.ImageFromPath(buildDockerfile(t, k, firstStage(t, k, made)), nil)
	require.NoError(t, err)
	config, err := image.ConfigFile()
	require.NoError(t, err)
	delete(config.Config.Labels, "io.buildah.version")
	requireSettings(t, k, config)
	require.Equal(t, runtime.GOARCH, config.Architecture)
	want, built := contents(files(t, made.images[runtime.GOARCH])), contents(files(t, image))
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(built)))
	for path, f := range want {
		if f != built[path] { // which is too long to print
			require.FailNow(t, "a file is other", path)
		}
	}
}

// firstStage makes the folder that the Dockerfile's first stage ends with.
func firstStage(t *testing.T, k kind, made *made) (folder string) {
	t.Helper()
	roots, folder := t.TempDir(), t.TempDir()
	require.NoError(t, made.writeRoots(roots))
	root := filepath.Join(folder, "out", k.name)
	require.NoError(t, os.MkdirAll(root, 0o755))
	runTool(t, "tar", "-xf", filepath.Join(roots, k.name+"-linux-"+runtime.GOARCH+".tar"), "-C", root)
	return folder
}

// buildDockerfile returns the path of an archive of the image, as docker save writes it.
func buildDockerfile(t *testing.T, k kind, files string) (archive string) {
	t.Helper()
	t.Setenv("BUILDAH_ISOLATION", "chroot")
	t.Setenv("STORAGE_DRIVER", "vfs")
	storage := []string{"--root", t.TempDir(), "--runroot", t.TempDir()}
	archive = filepath.Join(t.TempDir(), "image.tar")
	runTool(t, append([]string{"buildah"}, append(storage, "bud", "--file", "Dockerfile", "--target", k.name, "--tag", k.name,
		"--build-context", "files="+files, "--build-arg", "VERSION=1.2.3", "--build-arg", "REVISION=0123abcd",
		"--build-arg", "CREATED=2023-11-14T22:13:20Z", t.TempDir())...)...)
	runTool(t, append([]string{"buildah"}, append(storage, "push", "--quiet", k.name, "docker-archive:"+archive)...)...)
	return archive
}

func runTool(t *testing.T, command ...string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	require.NoError(t, err, "%v\n%s", command, output)
}

// entry is a file of an image, without its time.
type entry struct {
	kind            byte
	mode            int64
	target, content string
}

func contents(all *tree.Tree) map[string]entry {
	entries := map[string]entry{}
	for _, f := range all.Files() {
		entries[f.Path] = entry{kind: f.Type, mode: f.Mode, target: f.Link, content: string(f.Content)}
	}
	return entries
}
