package resource

import (
	"context"
	"encoding/json"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelnpd/otelnpd/pipeline"
)

// isAzure knows the virtual machines of Azure by the asset tag that all of them have, and
// no other machine of Microsoft's hypervisor has.
func isAzure(host pipeline.Host) bool {
	return dmi(host, "chassis_asset_tag") == "7783-7084-3265-9085-8269-3286-77"
}

// azureCompute is a part of what Azure's instance metadata service says.
type azureCompute struct {
	Location       string `json:"location"`
	ResourceID     string `json:"resourceId"`
	SubscriptionID string `json:"subscriptionId"`
	VMID           string `json:"vmId"`
	VMSize         string `json:"vmSize"`
	Zone           string `json:"zone"`
}

// askAzure asks the instance metadata service.
func askAzure(ctx context.Context, m *metadata) ([]attribute.KeyValue, error) {
	text, err := m.get(ctx, "/metadata/instance/compute?api-version=2021-02-01&format=json", "Metadata", "true")
	if err != nil {
		return nil, err
	}
	var said azureCompute
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return nil, fmt.Errorf("read what the metadata server says of the machine: %w", err)
	}
	var a texts
	a.add(semconv.CloudProviderKey, "azure")
	a.add(semconv.CloudPlatformKey, semconv.CloudPlatformAzureVM.Value.AsString())
	a.add(semconv.CloudAccountIDKey, cut(said.SubscriptionID))
	a.add(semconv.CloudRegionKey, cut(said.Location))
	a.add(semconv.CloudAvailabilityZoneKey, cut(said.Zone))
	a.add(semconv.CloudResourceIDKey, cut(said.ResourceID))
	a.add(semconv.HostIDKey, cut(said.VMID))
	a.add(semconv.HostTypeKey, cut(said.VMSize))
	return a, nil
}
