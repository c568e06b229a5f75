package googlecloud

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	//nolint:staticcheck // that it is to end is known: decision 083
	google "github.com/GoogleCloudPlatform/opentelemetry-operations-go/exporter/metric"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/otelnpd/otelnpd/pipeline/regularfile"
)

// newClient makes what writes to Cloud Monitoring; it connects when it writes first.
// Descriptors are not made: those of Google's own types exist, and the others are made
// by the server from the first point, which carries unit and description.
//
//nolint:staticcheck // that the library is to end is known: decision 083
func newClient(ctx context.Context, config *Config, id *identity, m *metrics, version string, more ...option.ClientOption) (sdkmetric.Exporter, error) {
	options, err := clientOptions(config)
	if err != nil {
		return nil, err
	}
	options = append(append(options, more...),
		option.WithTelemetryDisabled(),
		option.WithUserAgent("otelnpd/"+version),
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(m.intercept)),
		option.WithGRPCDialOption(grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer))),
	)
	return google.New(
		google.WithContext(ctx),
		google.WithProjectID(id.project()),
		google.WithMonitoringClientOptions(options...),
		google.WithDisableCreateMetricDescriptors(),
		google.WithMetricDescriptorTypeFormatter(func(one metricdata.Metrics) string { return one.Name }),
		google.WithMonitoredResourceDescription(string(id.kind), id.resourceLabels()),
		google.WithFilteredResourceAttributes(func(one attribute.KeyValue) bool { return one.Key == instanceLabel }),
	)
}

// clientOptions say where the server is, and who asks.
func clientOptions(config *Config) ([]option.ClientOption, error) {
	if address, plain := strings.CutPrefix(config.Endpoint, plainScheme); plain {
		return []option.ClientOption{
			option.WithEndpoint(address), option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
		}, nil
	}
	options := []option.ClientOption{option.WithEndpoint(config.Endpoint)}
	if config.CredentialsFile == "" {
		return options, checkDefault(os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"))
	}
	kind, err := credentialsType(config.CredentialsFile)
	if err != nil {
		return nil, err
	}
	return append(options, option.WithAuthCredentialsFile(kind, config.CredentialsFile)), nil
}

// checkDefault tells whether the library can read the default file of credentials: it waits
// for that without end if it is a FIFO. Empty: there is none.
func checkDefault(path string) error {
	if path == "" {
		return nil
	}
	if _, err := regularfile.Read(path, maxCredentials); err != nil {
		return fmt.Errorf("read the credentials of GOOGLE_APPLICATION_CREDENTIALS: %w", err)
	}
	return nil
}

// maxAnswer bounds an answer: that to a write has nothing in it.
const maxAnswer = 1 << 20

// maxCredentials bounds a file of credentials.
const maxCredentials = 1 << 20

// credentialsType is what a file of credentials says of itself: the library wants it
// said.
func credentialsType(path string) (option.CredentialsType, error) {
	content, err := regularfile.Read(path, maxCredentials)
	if err != nil {
		return "", fmt.Errorf("read the credentials: %w", err)
	}
	var said struct {
		Type option.CredentialsType `json:"type"`
	}
	// What is wrong with it is not shown: it would be a part of a secret.
	if json.Unmarshal(content, &said) != nil || said.Type == "" {
		return "", fmt.Errorf("%s has no credentials: it is to be JSON, with a key type", path)
	}
	return said.Type, nil
}
