// Package sbom lists what an image is made of, as SPDX 2.3.
package sbom

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/otelnpd/otelnpd/deploy/image/debian"
)

// Subject is what the list is of.
type Subject struct {
	// Name and Version are those of the image, Arch its architecture.
	Name, Version, Arch string
	// Binary is the path of the agent, whose build information names its modules.
	Binary string
	// Packages are those of Debian that are in the image.
	Packages []debian.Installed
	// Created is the time that the list gives as its own.
	Created time.Time
}

const none = "NOASSERTION"

// list is a document that is being made.
type list struct{ *spdx.Document }

// Write returns the list as JSON. The same subject makes the same bytes.
func Write(s Subject) ([]byte, error) {
	build, err := buildinfo.ReadFile(s.Binary)
	if err != nil {
		return nil, fmt.Errorf("read of which modules %s is made: %w", s.Binary, err)
	}
	name := s.Name + "-" + s.Version + "-linux-" + s.Arch
	l := list{&spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: name,
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "otelnpd-image"}},
			Created:  s.Created.UTC().Format(time.RFC3339),
		},
	}}
	image := l.add("DOCUMENT", common.TypeRelationshipDescribe, &spdx.Package{PackageName: s.Name, PackageVersion: s.Version, PrimaryPackagePurpose: "CONTAINER"})
	l.addAgent(image, s.Version, build)
	for _, p := range s.Packages {
		l.addDebian(image, p)
	}
	return l.write(name)
}

// addAgent lists the agent, its modules and the standard library.
func (l list) addAgent(image common.ElementID, version string, build *debug.BuildInfo) {
	agent := l.add(image, common.TypeRelationshipContains, goPackage(build.Main.Path, version, "APPLICATION"))
	l.add(agent, common.TypeRelationshipDependsOn, goPackage("stdlib", strings.TrimPrefix(build.GoVersion, "go"), "LIBRARY"))
	for _, module := range build.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		p := goPackage(module.Path, module.Version, "LIBRARY")
		if module.Sum != "" {
			p.PackageComment = "go.sum: " + module.Sum
		}
		l.add(agent, common.TypeRelationshipDependsOn, p)
	}
}

func goPackage(path, version, purpose string) *spdx.Package {
	return &spdx.Package{
		PackageName: path, PackageVersion: version, PrimaryPackagePurpose: purpose,
		PackageExternalReferences: packageURL("pkg:golang/" + strings.ReplaceAll(url.PathEscape(path), "%2F", "/") + "@" + url.QueryEscape(version)),
	}
}

func (l list) addDebian(image common.ElementID, p debian.Installed) {
	l.add(image, common.TypeRelationshipContains, &spdx.Package{
		PackageName: p.Name(), PackageVersion: p.Version, PrimaryPackagePurpose: "LIBRARY",
		PackageSupplier:  &common.Supplier{SupplierType: "Organization", Supplier: "Debian"},
		PackageChecksums: []common.Checksum{{Algorithm: common.SHA256, Value: p.SHA256}},
		PackageExternalReferences: packageURL("pkg:deb/debian/" + url.PathEscape(p.Name()) + "@" + url.QueryEscape(p.Version) +
			"?arch=" + p.Architecture + "&distro=debian-12"),
	})
}

func packageURL(locator string) []*spdx.PackageExternalReference {
	return []*spdx.PackageExternalReference{{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: locator}}
}

// add puts a package in, in a relationship to another element, and returns its id.
func (l list) add(to common.ElementID, relationship string, p *spdx.Package) common.ElementID {
	id := fmt.Sprintf("Package-%d-%s", len(l.Packages), notInIDs().ReplaceAllString(p.PackageName, "-"))
	p.PackageSPDXIdentifier = common.ElementID(id)
	p.PackageDownloadLocation = cmp.Or(p.PackageDownloadLocation, none)
	p.PackageLicenseConcluded, p.PackageLicenseDeclared, p.PackageCopyrightText = none, none, none
	l.Packages = append(l.Packages, p)
	l.Relationships = append(l.Relationships, &spdx.Relationship{
		RefA: common.MakeDocElementID("", string(to)), RefB: common.MakeDocElementID("", id), Relationship: relationship,
	})
	return p.PackageSPDXIdentifier
}

func notInIDs() *regexp.Regexp { return regexp.MustCompile(`[^A-Za-z0-9.-]+`) }

// write returns the document, named by its content, as SPDX wants a name that no
// other document has.
func (l list) write(name string) ([]byte, error) {
	var text bytes.Buffer
	if err := json.Write(l.Document, &text, json.Indent(" ")); err != nil {
		return nil, fmt.Errorf("write the SBOM: %w", err)
	}
	hash := sha256.Sum256(text.Bytes())
	l.DocumentNamespace = "https://github.com/otelnpd/otelnpd/sbom/" + name + "-" + hex.EncodeToString(hash[:8])
	text.Reset()
	err := json.Write(l.Document, &text, json.Indent(" "))
	return text.Bytes(), err
}
