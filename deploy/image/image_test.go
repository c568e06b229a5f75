package main

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/deploy/image/tree"
)

// What is in the images, as they come out of a registry.
func TestImages(t *testing.T) {
	b := newBuilder(t)
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	for _, k := range kinds() {
		made, err := b.image(t.Context(), k)
		require.NoError(t, err)
		reference, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/" + k.name + ":1.2.3")
		require.NoError(t, err)
		require.NoError(t, remote.WriteIndex(reference, made.index))
		pulled, err := remote.Index(reference)
		require.NoError(t, err)
		require.NoError(t, validate.Index(pulled))
		requireSameDigest(t, made.index, pulled)
		for _, arch := range architectures() {
			t.Run(k.name+" "+arch, func(t *testing.T) {
				image := imageFor(t, pulled, arch)
				requireConfig(t, k, image)
				all := files(t, image)
				requireCommon(t, b, all, arch)
				requireList(t, b, k, all, arch)
				if k.name == "otelnpd" {
					requireScratch(t, all)
				} else {
					requireCompat(t, all)
				}
			})
		}
		t.Run(k.name+" by the Dockerfile", func(t *testing.T) { requireDockerfile(t, k, made) })
	}
}

func requireSameDigest(t *testing.T, a, b v1.ImageIndex) {
	t.Helper()
	digestA, err := a.Digest()
	require.NoError(t, err)
	digestB, err := b.Digest()
	require.NoError(t, err)
	require.Equal(t, digestA, digestB)
}

func requireConfig(t *testing.T, k kind, image v1.Image) {
	t.Helper()
	config, err := image.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, at(), config.Created.Time)
	requireSettings(t, k, config)
}

func requireSettings(t *testing.T, k kind, config *v1.ConfigFile) {
	t.Helper()
	require.Equal(t, k.entrypoint, config.Config.Entrypoint)
	require.Equal(t, k.command, config.Config.Cmd)
	require.Equal(t, "/", config.Config.WorkingDir, "plugins' paths may be relative")
	require.Equal(t, []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, config.Config.Env)
	require.Empty(t, config.Config.User)
	require.Equal(t, map[string]string{
		"org.opencontainers.image.title": k.title, "org.opencontainers.image.description": k.description,
		"org.opencontainers.image.version": "1.2.3", "org.opencontainers.image.revision": "0123abcd",
		"org.opencontainers.image.created": "2023-11-14T22:13:20Z", "org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.source":        "https://github.com/otelnpd/otelnpd",
		"org.opencontainers.image.documentation": "https://github.com/otelnpd/otelnpd/tree/main/docs",
	}, config.Config.Labels)
}

// requireCommon requires what both images have: the agent, authorities, time zones,
// and nothing that lends rights.
func requireCommon(t *testing.T, b *builder, all *tree.Tree, arch string) {
	t.Helper()
	built, err := elf.Open(b.agent(arch))
	require.NoError(t, err)
	defer built.Close()
	agent, err := elf.NewFile(bytes.NewReader(content(t, all, agentPath)))
	require.NoError(t, err)
	require.Equal(t, built.Machine, agent.Machine)
	_, err = agent.DynamicSymbols()
	require.ErrorIs(t, err, elf.ErrNoSymbols, "the agent is static")

	authorities := content(t, all, authoritiesPath)
	require.Greater(t, bytes.Count(authorities, []byte("BEGIN CERTIFICATE")), 100)
	require.True(t, x509.NewCertPool().AppendCertsFromPEM(authorities))
	zone, err := time.LoadLocationFromTZData("Europe/Berlin", content(t, all, "usr/share/zoneinfo/Europe/Berlin"))
	require.NoError(t, err)
	require.Equal(t, "02:00", time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).In(zone).Format("15:04"))

	for _, f := range all.Files() {
		require.Zero(t, f.Mode&0o6000, "%s lends its owner's rights", f.Path)
		if f.Type == tar.TypeReg {
			require.Zero(t, f.Mode&0o022, "%s can be written by others", f.Path)
			require.NotZero(t, f.Mode&0o004, "%s cannot be read by others", f.Path)
		}
	}
	require.Contains(t, string(content(t, all, "usr/share/doc/otelnpd/copyright")), "Apache License")
}

// content is that of a file, found over links.
func content(t *testing.T, all *tree.Tree, name string) []byte {
	t.Helper()
	name, err := resolve(all, name)
	require.NoError(t, err)
	f, ok := all.Get(name)
	require.True(t, ok, name)
	require.Equal(t, byte(tar.TypeReg), f.Type, name)
	return f.Content
}

// resolve follows the links of a path.
func resolve(all *tree.Tree, name string) (string, error) {
	done, rest := "", tree.Clean(name)
	for links := 0; rest != ""; {
		first, after, _ := strings.Cut(rest, "/")
		f, ok := all.Get(path.Join(done, first))
		if ok && f.Type == tar.TypeSymlink {
			if links++; links > 20 {
				return "", errors.New("too many links in " + name)
			}
			target := f.Link
			if !path.IsAbs(target) {
				target = path.Join("/", done, target)
			}
			done, rest = "", tree.Clean(path.Join(target, after))
			continue
		}
		done, rest = path.Join(done, first), after
	}
	return done, nil
}

// requireList requires that the SBOM in the image names all modules of the agent.
func requireList(t *testing.T, b *builder, k kind, all *tree.Tree, arch string) {
	t.Helper()
	list := readList(t, content(t, all, "usr/share/doc/otelnpd/sbom.spdx.json"))
	require.Equal(t, "SPDX-2.3", list.SPDXVersion)
	locators := map[string]bool{}
	for _, p := range list.Packages {
		for _, ref := range p.ExternalRefs {
			locators[ref.ReferenceLocator] = true
		}
	}
	build, err := buildinfo.ReadFile(b.agent(arch))
	require.NoError(t, err)
	require.Greater(t, len(build.Deps), 30)
	for _, module := range build.Deps {
		require.Contains(t, locators, "pkg:golang/"+module.Path+"@"+strings.ReplaceAll(module.Version, "+", "%2B"))
	}
	require.Contains(t, locators, "pkg:golang/stdlib@"+strings.TrimPrefix(build.GoVersion, "go"))
	require.Contains(t, locators, "pkg:golang/github.com/otelnpd/otelnpd@1.2.3")
	packages, err := b.lock.For(arch, k.packages...)
	require.NoError(t, err)
	require.Len(t, list.Packages, 1+1+1+len(build.Deps)+len(packages))
	require.Len(t, list.Relationships, len(list.Packages))
	for _, p := range packages {
		control := string(content(t, all, "var/lib/dpkg/status.d/"+p.Name()))
		require.Contains(t, control, "Package: "+p.Name()+"\n")
	}
}

// requireScratch requires that the image has no program but the agent.
func requireScratch(t *testing.T, all *tree.Tree) {
	t.Helper()
	allowed := regexp.MustCompile(`^(usr/bin/otelnpd|etc/(passwd|group|ssl/certs/ca-certificates\.crt)|var/lib/dpkg/status\.d/(tzdata|ca-certificates)|` +
		`usr/share/(zoneinfo/.*|doc/(tzdata|ca-certificates)/copyright|doc/otelnpd/(copyright|sbom\.spdx\.json)))$`)
	for _, f := range all.Files() {
		if f.Type != tar.TypeDir {
			require.Regexp(t, allowed, f.Path)
		}
	}
}

// requireCompat requires what charts and manifests of node-problem-detector call, and
// that each program finds its libraries.
func requireCompat(t *testing.T, all *tree.Tree) {
	t.Helper()
	for _, name := range []string{"node-problem-detector", "home/kubernetes/bin/log-counter", "home/kubernetes/bin/health-checker"} {
		target, err := resolve(all, name)
		require.NoError(t, err)
		require.Equal(t, tree.Clean(agentPath), target)
	}
	for _, program := range []string{"sh", "bash", "awk", "grep", "sed", "timeout", "getent", "which", "lsblk"} {
		require.NotEmpty(t, content(t, all, "bin/"+program))
	}
	for _, program := range []string{"iptables-legacy-save", "iptables-nft-save", "ip6tables-legacy-save", "ip6tables-nft-save"} {
		require.NotEmpty(t, content(t, all, "sbin/"+program))
	}
	for _, plugin := range []string{"check_ntp", "dns_problem", "iptables_mode", "network_problem"} {
		require.Contains(t, string(content(t, all, "config/plugin/"+plugin+".sh")), "#!/bin/sh\n")
	}
	for link, target := range map[string]string{"var/run/dbus/system_bus_socket": "run/dbus/system_bus_socket", "var/lock": "run/lock"} {
		resolved, err := resolve(all, link)
		require.NoError(t, err)
		require.Equal(t, target, resolved, "a host's is mounted at one name and looked for at the other")
	}
	f, ok := all.Get("etc/localtime")
	require.True(t, ok)
	require.Equal(t, byte(tar.TypeReg), f.Type, "a host's is mounted over it")
	requireLibraries(t, all)
	requireMonitors(t, all)
}

func requireLibraries(t *testing.T, all *tree.Tree) {
	t.Helper()
	checked := 0
	for _, f := range all.Files() {
		program, err := elf.NewFile(bytes.NewReader(f.Content))
		if err != nil {
			continue
		}
		libraries, err := program.ImportedLibraries()
		require.NoError(t, err, f.Path)
		for _, library := range libraries {
			require.True(t, hasLibrary(t, all, library), "%s needs %s", f.Path, library)
			checked++
		}
	}
	require.Greater(t, checked, 200)
}

func hasLibrary(t *testing.T, all *tree.Tree, library string) bool {
	t.Helper()
	for _, folder := range []string{"usr/lib/x86_64-linux-gnu/", "usr/lib/aarch64-linux-gnu/", "usr/lib/", "usr/lib64/"} {
		target, err := resolve(all, folder+library)
		require.NoError(t, err)
		if _, ok := all.Get(target); ok {
			return true
		}
	}
	return false
}

// requireMonitors requires that the monitors are JSON, and all that they call is there.
func requireMonitors(t *testing.T, all *tree.Tree) {
	t.Helper()
	monitors := 0
	for _, f := range all.Files() {
		if !strings.HasPrefix(f.Path, "config/") || path.Ext(f.Path) != ".json" {
			continue
		}
		require.True(t, json.Valid(f.Content), f.Path)
		if path.Dir(f.Path) != "config" {
			continue
		}
		monitors++
		var monitor struct {
			Rules []struct{ Path, Pattern string }
		}
		require.NoError(t, json.Unmarshal(f.Content, &monitor), f.Path)
		for _, rule := range monitor.Rules {
			_, err := regexp.Compile(rule.Pattern)
			require.NoError(t, err, f.Path)
			if rule.Path != "" {
				require.NotEmpty(t, content(t, all, filepath.Clean(rule.Path)), f.Path)
			}
		}
	}
	require.Equal(t, 19, monitors)
}
