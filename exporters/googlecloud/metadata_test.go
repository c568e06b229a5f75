package googlecloud_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/otelnpd/otelnpd/exporters/googlecloud"
	"github.com/otelnpd/otelnpd/exporters/googlecloud/googlecloudtest"
	"github.com/otelnpd/otelnpd/pipeline"
)

// unknown is a configuration that leaves all to the metadata server.
func unknown(kind googlecloud.ResourceType) *googlecloud.Config {
	config := machine()
	config.Project, config.Resource = "", googlecloud.Resource{Type: kind}
	config.MetricTypes = map[string]string{"cpu/load_1m": "custom.googleapis.com/load"}
	return config
}

// withMetadata runs a test with a metadata server, which stands outside of the
// bubble: time passes as the test lets it, and answers come when they come.
func withMetadata(t *testing.T, config *googlecloud.Config, run func(t *testing.T, l *lab, server *googlecloudtest.Metadata)) {
	t.Helper()
	server := googlecloudtest.StartMetadata(t, googlecloudtest.Instance())
	t.Setenv("GCE_METADATA_HOST", server.Host)
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "OTEL_RESOURCE_ATTRIBUTES"} {
		t.Setenv(name, "")
	}
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.config = config
		l.gauge(t, "cpu/load_1m", 1)
		run(t, l, server)
	})
}

// resourceWritten lets time pass until something has been written, and returns of what.
func (l *lab) resourceWritten(t *testing.T) (kind string, labels map[string]string) {
	t.Helper()
	for range 100 {
		pass(time.Second)
		if all := l.Series(); len(all) > 0 {
			return all[0].GetResource().GetType(), all[0].GetResource().GetLabels()
		}
	}
	t.Fatalf("nothing has been written: %+v", l.statuses.Last())
	return "", nil
}

func TestMetadataServer(t *testing.T) {
	for kind, want := range map[googlecloud.ResourceType]map[string]string{
		googlecloud.GCEInstance: {"project_id": "a-project-1", "zone": "europe-west1-b", "instance_id": "1234567890123456789"},
		googlecloud.K8sNode:     {"project_id": "a-project-1", "location": "europe-west1", "cluster_name": "a-cluster", "node_name": "node-1"},
		googlecloud.GenericNode: {"project_id": "a-project-1", "location": "global", "namespace": "", "node_id": "node-1"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			withMetadata(t, unknown(kind), func(t *testing.T, l *lab, _ *googlecloudtest.Metadata) {
				t.Helper()
				l.start(t)
				got, labels := l.resourceWritten(t)
				require.Equal(t, string(kind), got)
				require.Equal(t, want, labels)
				require.Equal(t, "projects/a-project-1", l.Requests()[0].GetName())
				if kind == googlecloud.GCEInstance {
					require.Equal(t, map[string]string{"instance_name": "gke-a-pool-1"}, l.Series()[0].GetMetric().GetLabels())
				}
				require.Equal(t, pipeline.ComponentOK, l.statuses.Last().State)
			})
		})
	}
}

// What is set goes before the environment, and that before the metadata server.
func TestMetadataServerIsAskedForTheRest(t *testing.T) {
	config := unknown(googlecloud.K8sNode)
	config.Resource.ClusterName = "configured"
	withMetadata(t, config, func(t *testing.T, l *lab, server *googlecloudtest.Metadata) {
		t.Helper()
		t.Setenv("GOOGLE_CLOUD_PROJECT", "a-project-2")
		t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.cluster.name=of-the-environment,cloud.region=europe-north1,k8s.node.name=other,cloud.account.id=Not A Project")
		l.start(t)
		_, labels := l.resourceWritten(t)
		require.Equal(t, map[string]string{"project_id": "a-project-2", "location": "europe-north1", "cluster_name": "configured", "node_name": "other"}, labels)
		require.Empty(t, server.Asked())
	})
}

// Whatever the metadata server does, the exporter waits in the background, says what
// is the matter, and goes on by itself.
func TestMetadataServerIsWaitedFor(t *testing.T) {
	google := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Metadata-Flavor", "Google")
			_, _ = fmt.Fprint(w, text)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		reason string
	}{
		"errors":               {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "a secret", http.StatusForbidden) }, "it answers with status 403"},
		"a portal":             {func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>log in</html>") }, "no metadata server of Google's"},
		"a page":               {google("<html>log in</html>"), "is not what it can be"},
		"nothing":              {google(" \n"), "it is empty"},
		"no id":                {google("A Project"), "is not what it can be"},
		"another":              {google("a_project"), "is no id of a project"},
		"without end":          {google(strings.Repeat("a", 1<<20)), "is not what it can be"},
		"not there":            {http.NotFound, "it does not have it"},
		"a connection cut off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			withMetadata(t, unknown(googlecloud.GCEInstance), func(t *testing.T, l *lab, server *googlecloudtest.Metadata) {
				t.Helper()
				server.Answer(c.answer)
				l.start(t)
				l.awaitDegraded(t)
				degraded := l.statuses.Last()
				require.Contains(t, degraded.Reason, c.reason)
				require.NotContains(t, degraded.Reason, "a secret")
				require.Contains(t, degraded.Remedy, "write project in the exporter's configuration")
				require.Less(t, len(degraded.Reason), 400)
				server.Answer(nil)
				kind, _ := l.resourceWritten(t)
				require.Equal(t, "gce_instance", kind)
			})
		})
	}
}

func (l *lab) awaitDegraded(t *testing.T) {
	t.Helper()
	for range 1000 {
		pass(time.Second)
		if l.statuses.Last().State == pipeline.ComponentDegraded {
			return
		}
	}
	t.Fatal("the exporter is not degraded")
}

func TestAClusterThatIsNoneOfGKE(t *testing.T) {
	withMetadata(t, unknown(googlecloud.K8sNode), func(t *testing.T, l *lab, server *googlecloudtest.Metadata) {
		t.Helper()
		server.Set("instance/attributes/cluster-name", "")
		l.start(t)
		l.awaitDegraded(t)
		require.Contains(t, l.statuses.Last().Reason, "the cluster_name is not known")
		require.Contains(t, l.statuses.Last().Remedy, "not in a cluster of GKE's, or write resource.cluster_name")
	})
}

// What has been learnt outlives a reload, whatever the metadata server says by then.
func TestMetadataOutlivesReloads(t *testing.T) {
	withMetadata(t, unknown(googlecloud.GCEInstance), func(t *testing.T, l *lab, server *googlecloudtest.Metadata) {
		t.Helper()
		first := l.start(t)
		l.resourceWritten(t)
		server.Answer(http.NotFound)
		l.config.Period = 20 * time.Second
		second := l.make(t)
		handOver(t, first)
		heir, ok := second.(pipeline.Heir)
		require.True(t, ok)
		heir.Inherit(first)
		require.NoError(t, second.Start(t.Context()))
		pass(time.Minute)
		handOver(t, second)
		require.Len(t, l.Series(), 4)
		require.Empty(t, l.Refused())
	})
}

// panicOnMetadataFetchFailure of node-problem-detector: the one server whose absence
// can end the agent.
func TestMetadataFailureThatIsFatal(t *testing.T) {
	for _, fatal := range []bool{true, false} {
		t.Run(strconv.FormatBool(fatal), func(t *testing.T) {
			config := unknown(googlecloud.GCEInstance)
			config.Metadata.PanicOnFailure, config.Metadata.Timeout = fatal, 30*time.Second
			withMetadata(t, config, func(t *testing.T, l *lab, server *googlecloudtest.Metadata) {
				t.Helper()
				server.Answer(http.NotFound)
				var ends int
				report := l.settings.Report
				l.settings.Report = func(status pipeline.Status) {
					report(status)
					if _, ok := errors.AsType[*pipeline.FatalError](status.Err); ok {
						ends++
						require.Contains(t, status.Reason, "the metadata server has not told for 30s")
					}
				}
				exporter := l.start(t)
				for range 60 {
					pass(time.Second)
				}
				for range 1000 {
					if len(server.Asked()) > 3 {
						break
					}
					pass(time.Second)
				}
				handOver(t, exporter)
				want := 0
				if fatal {
					want = 1
				}
				require.Equal(t, want, ends)
			})
		})
	}
}

// Whatever answers in the metadata server's place, what is taken of it can be a label.
func FuzzMetadataValue(f *testing.F) {
	for _, value := range googlecloudtest.Instance() {
		f.Add("zone", value)
		f.Add("project", value)
	}
	f.Add("instance_id", "<html>")
	f.Fuzz(func(t *testing.T, key, value string) {
		read, err := googlecloud.ReadPart(key, value)
		if err != nil {
			require.Empty(t, read)
			require.Less(t, len(err.Error()), 400)
			return
		}
		require.Regexp(t, "^[!-~]+$", read)
		require.LessOrEqual(t, len(read), 1024)
		again, err := googlecloud.ReadPart(key, read)
		require.NoError(t, err)
		require.Equal(t, read, again)
	})
}

// A FIFO in the place of a file of credentials holds up neither the exporter nor its end.
func TestCredentialsThatAreAFIFO(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", fifo)
	for _, file := range []string{"", fifo} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t)
			l.config.Endpoint, l.config.CredentialsFile = "127.0.0.1:1", file
			l.start(t)
			pass(time.Second)
			require.Contains(t, l.statuses.Last().Reason, "it is no regular file")
		})
	}
}

// Credentials are waited for too, and nothing of a file is shown.
func TestCredentialsThatAreNotThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.json")
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.config.Endpoint, l.config.CredentialsFile = "127.0.0.1:1", path
		l.start(t)
		pass(time.Second)
		require.Contains(t, l.statuses.Last().Reason, "there are no credentials for Cloud Monitoring: read the credentials: open ")
		require.Contains(t, l.statuses.Last().Remedy, "credentials_file")
		for _, content := range []string{"a secret", `{"key": "a secret"}`, `{"type": "a_secret_type", "key": "a secret"}`} {
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			pass(10 * time.Second)
			require.Equal(t, pipeline.ComponentDegraded, l.statuses.Last().State)
			require.NotContains(t, l.statuses.Last().Reason, "a secret")
		}
	})
}
