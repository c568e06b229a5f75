package googlecloud

import (
	"context"
	"net"
	"os"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/otelnpd/otelnpd/pipeline"
)

// NewDialing makes an exporter that reaches Cloud Monitoring by dial.
func NewDialing(settings pipeline.Settings, config *Config, producer sdkmetric.Producer, dial func(context.Context, string) (net.Conn, error)) (pipeline.Exporter, error) {
	made, err := newExporter(settings, config, producer, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	made.options = []option.ClientOption{option.WithGRPCDialOption(grpc.WithContextDialer(dial))}
	return made, nil
}

// ReadPart reads a value of a part of a resource, as the metadata server tells it.
func ReadPart(key, value string) (string, error) { return part{key: key}.read(value) }
