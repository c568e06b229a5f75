package googleauth_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/exporters/otlp/collector"
	"github.com/otelnpd/otelnpd/exporters/otlp/googleauth"
	"github.com/otelnpd/otelnpd/exporters/otlp/googleauth/googletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func authorize(t *testing.T, source *googleauth.Source) (collector.Authorization, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return source.Authorize(ctx)
}

func requireToken(t *testing.T, source *googleauth.Source, token, project, quota string) {
	t.Helper()
	given, err := authorize(t, source)
	require.NoError(t, err)
	require.Equal(t, "Bearer "+token, given.Headers["authorization"])
	require.Equal(t, quota, given.Headers["x-goog-user-project"])
	require.Len(t, given.Resource, 1)
	require.Equal(t, "gcp.project_id", given.Resource[0].GetKey())
	require.Equal(t, project, given.Resource[0].GetValue().GetStringValue())
}

func TestAKeyOfAServiceAccount(t *testing.T) {
	server := googletest.Start(t)
	server.UseKey(t)
	source := googleauth.New()
	requireToken(t, source, "token-1", "project-of-key", "")
	requireToken(t, source, "token-1", "project-of-key", "")
	t.Setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")
	requireToken(t, source, "token-1", "project-of-key", "payer")
	source.Forget()
	requireToken(t, source, "token-2", "project-of-key", "payer")
}

func TestTheAccountOfTheMachine(t *testing.T) {
	server := googletest.Start(t)
	server.UseMachine(t)
	source := googleauth.New()
	requireToken(t, source, "token-1", "project-of-machine", "")
	t.Setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")
	requireToken(t, source, "token-1", "project-of-machine", "payer")
}

func TestTheFileOfGcloud(t *testing.T) {
	server := googletest.Start(t)
	server.UseMachine(t)
	path := filepath.Join(os.Getenv("HOME"), ".config/gcloud/application_default_credentials.json")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	server.WriteKey(t, path)
	requireToken(t, googleauth.New(), "token-1", "project-of-key", "")
}

func TestTokensAreRenewedBeforeTheirEnd(t *testing.T) {
	for name, use := range map[string]func(*testing.T, *googletest.Server){
		"key": func(t *testing.T, s *googletest.Server) { t.Helper(); s.UseKey(t) }, "machine": func(t *testing.T, s *googletest.Server) { t.Helper(); s.UseMachine(t) },
	} {
		t.Run(name, func(t *testing.T) {
			server := googletest.Start(t)
			server.Lifetime = 200 // seconds: it is due at once
			use(t, server)
			source := googleauth.New()
			for range 3 {
				_, err := authorize(t, source)
				require.NoError(t, err)
			}
			require.Equal(t, 3, server.Given())
		})
	}
}

func TestWhatIsWrongIsToldAndMayBeMended(t *testing.T) {
	server := googletest.Start(t)
	path := server.UseKey(t)
	source := googleauth.New()
	require.NoError(t, os.Remove(path))
	_, err := authorize(t, source)
	require.ErrorContains(t, err, "find Google's credentials: open "+path)
	require.NoError(t, os.WriteFile(path, []byte("hush"), 0o600))
	_, err = authorize(t, source)
	require.ErrorContains(t, err, path+" is not JSON")
	require.NotContains(t, err.Error(), "hush")
	require.NoError(t, os.WriteFile(path, []byte(`{"type": "riddle", "private_key": "hush"}`), 0o600))
	_, err = authorize(t, source)
	require.ErrorContains(t, err, "read "+path)
	require.NotContains(t, err.Error(), "hush")
	require.NoError(t, os.Remove(path))
	require.NoError(t, unix.Mkfifo(path, 0o600))
	_, err = authorize(t, source)
	require.ErrorContains(t, err, "it is no regular file")
	require.NoError(t, os.Remove(path))
	server.WriteKey(t, path)
	server.Refuse(true)
	_, err = authorize(t, source)
	require.ErrorContains(t, err, "get a token of Google's: the token server answers 400")
	require.NotContains(t, err.Error(), "hush")
	server.Refuse(false)
	requireToken(t, source, "token-1", "project-of-key", "")
	require.Contains(t, source.Remedy(), "GOOGLE_APPLICATION_CREDENTIALS")
}

// TestAServerThatHangs: the wait for a token is that of the request.
func TestAServerThatHangs(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	server := &googletest.Server{URL: "http://" + listener.Addr().String()}
	for name, use := range map[string]func(t *testing.T){
		"key": func(t *testing.T) { t.Helper(); server.UseKey(t) }, "machine": func(t *testing.T) { t.Helper(); server.UseMachine(t) },
	} {
		t.Run(name, func(t *testing.T) {
			use(t)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := googleauth.New().Authorize(ctx)
			require.Error(t, err)
			require.Error(t, ctx.Err())
		})
	}
}
