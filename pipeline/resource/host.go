package resource

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelnpd/otelnpd/pipeline"
)

// instanceSpace is the name space of service.instance.id where it is made of what is
// known of the host, as the semantic conventions have it.
var instanceSpace = uuid.MustParse("4d63009a-8d0f-11ee-aad7-4c796ed8e320")

// hostAttributes are what the agent and the host's files say.
func hostAttributes(settings pipeline.Settings) []attribute.KeyValue {
	machine := firstLine(settings.Host.Path("/etc/machine-id"))
	instance := uuid.NewSHA1(instanceSpace, []byte(settings.Node+"\x00"+machine)).String()
	release := osRelease(settings.Host)
	var a texts
	a.add(semconv.ServiceNameKey, "otelnpd")
	a.add(semconv.ServiceVersionKey, settings.Version)
	a.add(semconv.ServiceInstanceIDKey, instance)
	a.add(semconv.HostNameKey, settings.Node)
	a.add(semconv.HostArchKey, runtime.GOARCH)
	a.add(semconv.HostIDKey, machine)
	a.add(semconv.OSTypeKey, semconv.OSTypeLinux.Value.AsString())
	a.add(semconv.OSNameKey, release["NAME"])
	a.add(semconv.OSVersionKey, release["VERSION_ID"])
	a.add(semconv.OSDescriptionKey, release["PRETTY_NAME"])
	a.add(semconv.OSBuildIDKey, release["BUILD_ID"])
	a.add(semconv.K8SNodeNameKey, settings.Node)
	return a
}

const nodeUIDVariable = "NODE_UID"

// podAttributes are what the agent's environment says of its own Pod, by the names that
// Kubernetes' downward API is commonly given.
func podAttributes(lookup func(string) (string, bool)) []attribute.KeyValue {
	var a texts
	for _, known := range []struct {
		key      attribute.Key
		variable string
	}{
		{semconv.K8SNodeUIDKey, nodeUIDVariable},
		{semconv.K8SPodNameKey, "POD_NAME"},
		{semconv.K8SPodUIDKey, "POD_UID"},
		{semconv.K8SNamespaceNameKey, "POD_NAMESPACE"},
		{semconv.ContainerIDKey, "CONTAINER_ID"},
	} {
		value, _ := lookup(known.variable)
		a.add(known.key, cut(value))
	}
	return a
}

// osRelease reads os-release(5).
func osRelease(host pipeline.Host) map[string]string {
	said := map[string]string{}
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		content := readSmall(host.Path(path))
		for line := range strings.Lines(string(content)) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if ok && !strings.HasPrefix(key, "#") {
				said[key] = cut(strings.Trim(value, `"'`))
			}
		}
		if len(content) > 0 {
			return said
		}
	}
	return said
}

// dmi is one of the texts by which the firmware describes the machine.
func dmi(host pipeline.Host, name string) string {
	return firstLine(filepath.Join(host.Sys, "class/dmi/id", name))
}

func firstLine(path string) string {
	line, _, _ := bytes.Cut(readSmall(path), []byte{'\n'})
	return cut(string(bytes.TrimSpace(line)))
}

// readSmall reads the beginning of a file; nothing where it cannot be read.
func readSmall(path string) []byte {
	const size = 4096
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() { // a FIFO would not answer
		return nil
	}
	file, err := os.Open(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil
	}
	defer file.Close()
	content, _ := io.ReadAll(io.LimitReader(file, size)) // what there is is what counts
	return content
}

// cut bounds a value.
func cut(value string) string { return value[:min(len(value), maxValue)] }
