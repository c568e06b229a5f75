package otlp

import (
	sdkresource "go.opentelemetry.io/otel/sdk/resource"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/otelnpd/otelnpd/exporters/otlp/logrecord"
)

// resourceMessage is a resource as OTLP has it.
func resourceMessage(from *sdkresource.Resource) *resourcepb.Resource {
	made := &resourcepb.Resource{}
	for _, one := range from.Attributes() {
		made.Attributes = append(made.Attributes, &commonpb.KeyValue{Key: logrecord.Text(string(one.Key)), Value: logrecord.Value(one.Value)})
	}
	return made
}
