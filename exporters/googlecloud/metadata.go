package googlecloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"cloud.google.com/go/compute/metadata"
)

// metadataPatience bounds one question to the metadata server, the library's own
// repetitions included.
const metadataPatience = 5 * time.Second

// maxMetadata bounds an answer.
const maxMetadata = 64 << 10

// metadataServer asks the metadata server of Compute Engine, which is at
// GCE_METADATA_HOST where that is set:
// https://cloud.google.com/compute/docs/metadata/querying-metadata
type metadataServer struct{ client *metadata.Client }

func newMetadataServer() *metadataServer {
	transport := &http.Transport{DisableKeepAlives: true}
	return &metadataServer{client: metadata.NewWithOptions(&metadata.Options{
		Client: &http.Client{Transport: bounded{transport}},
	})}
}

// get returns a value. The library's own functions remember the answers of a process
// for ever, so none of them is used.
func (s *metadataServer) get(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataPatience)
	defer cancel()
	value, err := s.client.GetWithContext(ctx, path)
	var undefined metadata.NotDefinedError
	var refused *metadata.Error
	switch {
	case errors.As(err, &undefined):
		return "", errUndefined
	case errors.As(err, &refused):
		return "", fmt.Errorf("it answers with status %d", refused.Code)
	case err != nil:
		return "", err
	}
	return value, nil
}

// errUndefined is what the metadata server does not have.
var errUndefined = errors.New("it does not have it")

// bounded cuts answers, whoever it is that answers there, and takes none from what is
// no metadata server.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK && response.Header.Get("Metadata-Flavor") != "Google" {
		_ = response.Body.Close()
		return nil, errors.New("what answers there is no metadata server of Google's")
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxMetadata), response.Body}
	return response, nil
}
