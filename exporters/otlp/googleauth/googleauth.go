// Package googleauth gets Google Cloud's application-default credentials
// (https://cloud.google.com/docs/authentication/application-default-credentials) for
// requests to its Telemetry API: a key or a federated identity in the file that
// GOOGLE_APPLICATION_CREDENTIALS names, what `gcloud auth application-default login` has
// left, or the service account of the machine, asked of its metadata server.
package googleauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/compute/metadata"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/pipeline/redact"
	"github.com/otelnpd/otelnpd/pipeline/regularfile"
)

// scopes let write metrics and logs, and nothing else.
var scopes = [...]string{"https://www.googleapis.com/auth/monitoring.write", "https://www.googleapis.com/auth/logging.write"}

// earlyRenewal is how long before its end a token is renewed: machines whose metadata
// server keeps tokens renew them no sooner than four minutes before.
const earlyRenewal = 225 * time.Second

// projectKey is the resource attribute by which the Telemetry API knows the project to
// write to.
const projectKey = "gcp.project_id"

// Source is a [collector.Authorizer]. It finds the credentials when they are first
// needed, and again after they have failed, so that a file may come or change later.
type Source struct {
	mu    sync.Mutex
	found *auth.Credentials // nil: not yet
}

var _ collector.Authorizer = (*Source)(nil)

// New makes a source without side effects.
func New() *Source { return &Source{} }

// Authorize returns the token and the projects.
func (s *Source) Authorize(ctx context.Context) (collector.Authorization, error) {
	found, err := s.find()
	if err != nil {
		return collector.Authorization{}, fmt.Errorf("find Google's credentials: %w", err)
	}
	token, err := found.Token(ctx)
	if err != nil {
		s.Forget()
		return collector.Authorization{}, fmt.Errorf("get a token of Google's: %w", withoutSecrets(err))
	}
	given := collector.Authorization{Headers: map[string]string{"authorization": "Bearer " + token.Value}}
	quota, _ := found.QuotaProjectID(ctx) // there need be none
	if quota != "" {
		given.Headers["x-goog-user-project"] = quota
	}
	project, err := found.ProjectID(ctx)
	if project == "" {
		project = quota
	}
	if err != nil && project == "" {
		return collector.Authorization{}, fmt.Errorf("ask for the project of Google's credentials: %w", err)
	}
	if project != "" {
		given.Resource = []*commonpb.KeyValue{{Key: projectKey, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: project}}}}
	}
	return given, nil
}

// Forget makes the next request find the credentials again.
func (s *Source) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = nil
}

// Remedy says what the operator can do.
func (*Source) Remedy() string {
	return "set GOOGLE_APPLICATION_CREDENTIALS to a file of credentials that the agent can read, or run it where there is a metadata server; " +
		"its account needs roles/monitoring.metricWriter and roles/logging.logWriter (roles/telemetry.writer), and the project the Telemetry API"
}

// find returns the credentials. It reads files at most.
func (s *Source) find() (*auth.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found != nil {
		return s.found, nil
	}
	path, err := file()
	if err != nil {
		return nil, err
	}
	if path == "" {
		s.found = ofMachine()
		return s.found, nil
	}
	found, err := ofFile(path)
	if err != nil {
		return nil, err
	}
	s.found = found
	return found, nil
}

// maxFile bounds a file of credentials.
const maxFile = 1 << 20

func ofFile(path string) (*auth.Credentials, error) {
	content, err := regularfile.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	var about struct {
		Type credentials.CredType `json:"type"`
	}
	if json.Unmarshal(content, &about) != nil {
		return nil, fmt.Errorf("%s is not JSON", path)
	}
	found, err := credentials.NewCredentialsFromJSON(about.Type, content, &credentials.DetectOptions{
		Scopes:            scopes[:],
		EarlyTokenRefresh: earlyRenewal, DisableAsyncRefresh: true, // no goroutine is left behind
		Client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}, // each request is bounded by its context
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return found, nil
}

// file is where credentials are; empty: in no file.
func file() (string, error) {
	if path := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); path != "" {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", nil //nolint:nilerr // a service may have none
	}
	path := filepath.Join(home, ".config", "gcloud", "application_default_credentials.json")
	switch _, err := os.Stat(path); {
	case err == nil:
		return path, nil
	case errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
		return "", nil
	default:
		return "", err
	}
}

// ofMachine are those of the machine's service account. The library's own way to find
// them asks once in the life of a process whether there is a metadata server, which an
// agent that starts before the network would never get over.
func ofMachine() *auth.Credentials {
	server := metadata.NewClient(&http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}})
	return auth.NewCredentials(&auth.CredentialsOptions{
		TokenProvider: auth.NewCachedTokenProvider(machine{server}, &auth.CachedTokenProviderOptions{
			ExpireEarly: earlyRenewal, DisableAsyncRefresh: true,
		}),
		ProjectIDProvider: auth.CredentialsPropertyFunc(server.ProjectIDWithContext),
	})
}

type machine struct{ server *metadata.Client }

// Token implements auth.TokenProvider.
func (m machine) Token(ctx context.Context) (*auth.Token, error) {
	const path = "instance/service-accounts/default/token?scopes="
	text, err := m.server.GetWithContext(ctx, path+url.QueryEscape(strings.Join(scopes[:], ",")))
	if err != nil {
		return nil, fmt.Errorf("ask the metadata server: %w", err)
	}
	var answer struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Seconds int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Token == "" || answer.Seconds <= 0 {
		return nil, errors.New("the metadata server's answer holds no token")
	}
	return &auth.Token{Value: answer.Token, Type: answer.Type, Expiry: time.Now().Add(time.Duration(answer.Seconds) * time.Second)}, nil
}

// withoutSecrets leaves out what a token server says beside its status: it may quote
// what it was sent.
func withoutSecrets(err error) error {
	if answer, ok := errors.AsType[*auth.Error](err); ok && answer.Response != nil {
		return fmt.Errorf("the token server answers %s", answer.Response.Status)
	}
	return redact.Error(err)
}
