package resource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// maxAnswer bounds what a metadata server may say.
	maxAnswer = 64 << 10
	// retryInterval is how long after a failure a server is asked again, within the
	// patience: at a boot the network may just be coming.
	retryInterval = 250 * time.Millisecond
	// requestTimeout bounds one request, so that a lost packet leaves time for another.
	requestTimeout = 2 * time.Second
)

// metadata is the metadata server of a cloud.
type metadata struct {
	server string
	client *http.Client
}

// errAbsent is a thing that the server does not have.
var errAbsent = errors.New("not found")

// get asks for a path, again and again until ctx ends as long as nobody answers. The
// headers are NAME, VALUE in turn.
func (m *metadata) get(ctx context.Context, path string, headers ...string) (string, error) {
	return m.ask(ctx, http.MethodGet, path, headers...)
}

func (m *metadata) ask(ctx context.Context, method, path string, headers ...string) (string, error) {
	for {
		answer, again, err := m.once(ctx, method, path, headers)
		if !again {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(retryInterval):
		}
	}
}

// once asks once, and tells whether to ask again.
func (m *metadata) once(ctx context.Context, method, path string, headers []string) (answer string, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, m.server+path, nil)
	if err != nil {
		return "", false, fmt.Errorf("ask the metadata server: %w", err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := m.client.Do(request)
	if err != nil {
		return "", true, fmt.Errorf("ask the metadata server: %w", err)
	}
	defer response.Body.Close()
	return read(path, response, headers)
}

// read takes an answer that is the cloud's: one to whom the header Metadata-Flavor means
// something says so too.
func read(path string, response *http.Response, headers []string) (answer string, again bool, err error) {
	switch {
	case response.StatusCode == http.StatusNotFound:
		return "", false, fmt.Errorf("ask the metadata server for %s: %w", path, errAbsent)
	case response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests:
		return "", true, fmt.Errorf("ask the metadata server for %s: it answers %s", path, response.Status)
	case response.StatusCode != http.StatusOK:
		return "", false, fmt.Errorf("ask the metadata server for %s: it answers %s", path, response.Status)
	case len(headers) > 0 && headers[0] == flavorHeader && response.Header.Get(flavorHeader) != headers[1]:
		return "", false, fmt.Errorf("ask the metadata server for %s: the answer is not from Google", path)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return "", true, fmt.Errorf("read what the metadata server says of %s: %w", path, err)
	case len(body) > maxAnswer || !utf8.Valid(body):
		return "", false, fmt.Errorf("what the metadata server says of %s has more than %d bytes, or is not UTF-8", path, maxAnswer)
	}
	return strings.TrimSpace(string(body)), false, nil
}
