package resource

import (
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelnpd/otelnpd/pipeline"
)

const flavorHeader = "Metadata-Flavor"

// isGCP knows the virtual machines of Google Cloud.
func isGCP(host pipeline.Host) bool {
	return dmi(host, "product_name") == "Google Compute Engine" || dmi(host, "sys_vendor") == "Google"
}

// askGCP asks as https://cloud.google.com/compute/docs/metadata has it, for single
// values: all at once would bring the keys of users, and the secrets of nodes. What was
// answered is returned beside an error of the others.
func askGCP(ctx context.Context, m *metadata) ([]attribute.KeyValue, error) {
	said, err := gcpValues(ctx, m)
	if len(said) == 0 {
		return nil, err
	}
	project, zone, id, cluster := said["project/project-id"], last(said["instance/zone"]), said["instance/id"], said["instance/attributes/cluster-name"]
	var a texts
	a.add(semconv.CloudProviderKey, "gcp")
	a.add(semconv.CloudPlatformKey, gcpPlatform(cluster))
	a.add(semconv.CloudAccountIDKey, project)
	a.add(semconv.CloudAvailabilityZoneKey, zone)
	if at := strings.LastIndexByte(zone, '-'); at > 0 {
		a.add(semconv.CloudRegionKey, zone[:at])
	}
	if project != "" && zone != "" && id != "" {
		a.add(semconv.CloudResourceIDKey, "//compute.googleapis.com/projects/"+project+"/zones/"+zone+"/instances/"+id)
	}
	a.add(semconv.HostIDKey, id)
	a.add(semconv.HostTypeKey, last(said["instance/machine-type"]))
	a.add(semconv.K8SClusterNameKey, cluster)
	return a, err
}

func gcpValues(ctx context.Context, m *metadata) (map[string]string, error) {
	said, errs := map[string]string{}, []error(nil)
	for _, path := range []string{"project/project-id", "instance/zone", "instance/id", "instance/machine-type", "instance/attributes/cluster-name"} {
		value, err := m.get(ctx, "/computeMetadata/v1/"+path, flavorHeader, "Google")
		if err != nil && !errors.Is(err, errAbsent) {
			errs = append(errs, err)
			continue
		}
		said[path] = cut(value)
	}
	return said, errors.Join(errs...)
}

func gcpPlatform(cluster string) string {
	if cluster != "" {
		return semconv.CloudPlatformGCPKubernetesEngine.Value.AsString()
	}
	return semconv.CloudPlatformGCPComputeEngine.Value.AsString()
}

// last is what a resource's name ends with: projects/1/zones/ZONE.
func last(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }
