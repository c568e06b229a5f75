package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelnpd/otelnpd/pipeline"
)

// isEC2 knows the virtual machines of Amazon's EC2: those of the present by their vendor,
// those of old by their firmware's version.
func isEC2(host pipeline.Host) bool {
	return dmi(host, "sys_vendor") == "Amazon EC2" || strings.Contains(dmi(host, "bios_version"), "amazon")
}

// identityDocument is what EC2 calls an instance identity document.
type identityDocument struct {
	AccountID        string `json:"accountId"`
	AvailabilityZone string `json:"availabilityZone"`
	InstanceID       string `json:"instanceId"`
	InstanceType     string `json:"instanceType"`
	Region           string `json:"region"`
}

// askEC2 asks with a token, by the second version of the instance metadata service.
func askEC2(ctx context.Context, m *metadata) ([]attribute.KeyValue, error) {
	token, err := m.ask(ctx, http.MethodPut, "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	if err != nil {
		return nil, err
	}
	text, err := m.get(ctx, "/latest/dynamic/instance-identity/document", "X-aws-ec2-metadata-token", token)
	if err != nil {
		return nil, err
	}
	var document identityDocument
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return nil, fmt.Errorf("read the instance identity document: %w", err)
	}
	return document.attributes(), nil
}

func (d *identityDocument) attributes() []attribute.KeyValue {
	var a texts
	a.add(semconv.CloudProviderKey, "aws")
	a.add(semconv.CloudPlatformKey, semconv.CloudPlatformAWSEC2.Value.AsString())
	a.add(semconv.CloudAccountIDKey, cut(d.AccountID))
	a.add(semconv.CloudRegionKey, cut(d.Region))
	a.add(semconv.CloudAvailabilityZoneKey, cut(d.AvailabilityZone))
	a.add(semconv.CloudResourceIDKey, cut(d.arn()))
	a.add(semconv.HostIDKey, cut(d.InstanceID))
	a.add(semconv.HostTypeKey, cut(d.InstanceType))
	return a
}

// arn is the instance's name among all of Amazon's, in the partitions that are known.
func (d *identityDocument) arn() string {
	if d.Region == "" || d.AccountID == "" || d.InstanceID == "" || strings.Contains(d.Region, "-iso") {
		return ""
	}
	partition := "aws"
	switch {
	case strings.HasPrefix(d.Region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(d.Region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return fmt.Sprintf("arn:%s:ec2:%s:%s:instance/%s", partition, d.Region, d.AccountID, d.InstanceID)
}
