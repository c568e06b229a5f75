package resource_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/pipeline/resource"
	"github.com/otelnpd/otelnpd/pipeline/strictyaml/strictyamltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is a machine and its environment.
type lab struct {
	settings  pipeline.Settings
	config    resource.Config
	variables map[string]string
	log       *pipelinetest.Output
}

func newLab(t *testing.T) *lab {
	t.Helper()
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "")
	t.Setenv("OTEL_SERVICE_NAME", "")
	l := &lab{settings: pipelinetest.Settings(t, "otlp"), config: resource.DefaultConfig(), variables: map[string]string{}, log: &pipelinetest.Output{}}
	l.settings.Host = pipeline.Host{Root: t.TempDir(), Sys: t.TempDir()}
	l.settings.Logger = slog.New(slog.NewTextHandler(l.log, nil))
	return l
}

// file writes a file of the machine.
func file(t *testing.T, root, path, content string) {
	t.Helper()
	whole := filepath.Join(root, path)
	require.NoError(t, os.MkdirAll(filepath.Dir(whole), 0o750))
	require.NoError(t, os.WriteFile(whole, []byte(content), 0o600))
}

func (l *lab) origin() *resource.Origin {
	return resource.New(l.settings, l.config, func(name string) (string, bool) {
		value, ok := l.variables[name]
		return value, ok
	})
}

func (l *lab) attributes(t *testing.T) map[string]string {
	t.Helper()
	found, err := l.origin().Resource(t.Context())
	require.NoError(t, err)
	require.Equal(t, resource.SchemaURL, found.SchemaURL())
	all := map[string]string{}
	for _, one := range found.Attributes() {
		all[string(one.Key)] = one.Value.String()
	}
	return all
}

// serve serves paths, and returns the server's URL and how many have asked.
func serve(t *testing.T, answer http.HandlerFunc) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestConfigIsDocumented(t *testing.T) { strictyamltest.CheckStruct(t, resource.Config{}) }

func TestTheHost(t *testing.T) {
	l := newLab(t)
	file(t, l.settings.Host.Root, "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
	file(t, l.settings.Host.Root, "usr/lib/os-release", "# a comment\nNAME=\"Flat Linux\"\nVERSION_ID=7.1\nPRETTY_NAME='Flat Linux 7.1'\nBUILD_ID=b7\n")
	l.variables = map[string]string{"POD_NAME": "agent-x", "POD_UID": "u-1", "POD_NAMESPACE": "monitoring", "CONTAINER_ID": "c-1", "NODE_UID": "n-1"}
	all := l.attributes(t)
	require.NotEmpty(t, all["host.arch"])
	require.Regexp(t, `^[0-9a-f-]{36}$`, all["service.instance.id"])
	delete(all, "host.arch")
	delete(all, "service.instance.id")
	require.Equal(t, map[string]string{
		"service.name": "otelnpd", "service.version": "test", "host.name": "node-1", "host.id": "0123456789abcdef0123456789abcdef",
		"os.type": "linux", "os.name": "Flat Linux", "os.version": "7.1", "os.description": "Flat Linux 7.1", "os.build_id": "b7",
		"k8s.node.name": "node-1", "k8s.node.uid": "n-1", "k8s.pod.name": "agent-x", "k8s.pod.uid": "u-1", "k8s.namespace.name": "monitoring", "container.id": "c-1",
	}, all)
	require.Empty(t, l.log.String())
}

// Nothing is asked over the network on a machine of no cloud: there is no route to
// another machine in tests, so it would be told.
func TestAMachineOfNoCloudAsksNobody(t *testing.T) {
	l := newLab(t)
	file(t, l.settings.Host.Sys, "class/dmi/id/sys_vendor", "Microsoft Corporation\n") // a Hyper-V at home
	file(t, l.settings.Host.Sys, "class/dmi/id/product_name", "Virtual Machine\n")
	all := l.attributes(t)
	require.NotContains(t, all, "cloud.provider")
	require.NotContains(t, all, "host.id", "there is no machine-id")
	require.Empty(t, l.log.String())
}

func TestLayers(t *testing.T) {
	l := newLab(t)
	url, _ := serve(t, ec2(t))
	l.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url + "/"
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "cloud.region=by-environment,k8s.cluster.name=by-environment,service.name=not-this,odd")
	t.Setenv("OTEL_SERVICE_NAME", "by-name")
	l.config.Attributes = map[string]string{"k8s.cluster.name": "by-file"}
	all := l.attributes(t)
	require.Equal(t, "by-environment", all["cloud.region"])
	require.Equal(t, "eu-west-1a", all["cloud.availability_zone"])
	require.Equal(t, "by-file", all["k8s.cluster.name"])
	require.Equal(t, "by-name", all["service.name"])
	require.Contains(t, l.log.String(), "OTEL_RESOURCE_ATTRIBUTES")
}

// ec2 is Amazon's instance metadata service, which gives nothing without a token.
func ec2(t *testing.T) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") != "":
			_, _ = io.WriteString(w, "secret")
		case r.Method == http.MethodGet && r.URL.Path == "/latest/dynamic/instance-identity/document" && r.Header.Get("X-aws-ec2-metadata-token") == "secret":
			_, _ = io.WriteString(w, `{"accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "eu-west-1a",
				"imageId": "ami-1", "instanceId": "i-0abc", "instanceType": "m7i.large", "region": "eu-west-1", "billingProducts": null}`)
		default:
			http.Error(w, "no", http.StatusUnauthorized)
		}
	}
}

// gcp is Google's metadata server.
func gcp(values map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, ok := values[strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/")]
		w.Header().Set("Metadata-Flavor", "Google")
		switch {
		case r.Header.Get("Metadata-Flavor") != "Google":
			http.Error(w, "no", http.StatusForbidden)
		case !ok:
			http.NotFound(w, r)
		default:
			_, _ = io.WriteString(w, value)
		}
	}
}

func gke() map[string]string {
	return map[string]string{
		"project/project-id": "my-project", "instance/zone": "projects/42/zones/europe-west4-b", "instance/id": "777",
		"instance/machine-type": "projects/42/machineTypes/n2-standard-4", "instance/attributes/cluster-name": "west",
	}
}

func azure(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/metadata/instance/compute" || r.Header.Get("Metadata") != "true" || r.URL.Query().Get("api-version") == "" {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	_, _ = io.WriteString(w, `{"location": "westeurope", "resourceId": "/subscriptions/s-1/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v",
		"subscriptionId": "s-1", "vmId": "v-1", "vmSize": "Standard_D4s_v5", "zone": "2", "tags": ""}`)
}

func TestClouds(t *testing.T) {
	for name, one := range map[string]struct {
		answer   http.HandlerFunc
		variable string
		want     map[string]string
	}{
		"ec2": {ec2(t), "AWS_EC2_METADATA_SERVICE_ENDPOINT", map[string]string{
			"cloud.provider": "aws", "cloud.platform": "aws_ec2", "cloud.account.id": "123456789012", "cloud.region": "eu-west-1",
			"cloud.availability_zone": "eu-west-1a", "cloud.resource_id": "arn:aws:ec2:eu-west-1:123456789012:instance/i-0abc",
			"host.id": "i-0abc", "host.type": "m7i.large",
		}},
		"gke": {gcp(gke()), "GCE_METADATA_HOST", map[string]string{
			"cloud.provider": "gcp", "cloud.platform": "gcp_kubernetes_engine", "cloud.account.id": "my-project", "cloud.region": "europe-west4",
			"cloud.availability_zone": "europe-west4-b", "cloud.resource_id": "//compute.googleapis.com/projects/my-project/zones/europe-west4-b/instances/777",
			"host.id": "777", "host.type": "n2-standard-4", "k8s.cluster.name": "west",
		}},
		"gce": {gcp(map[string]string{"project/project-id": "my-project"}), "GCE_METADATA_HOST", map[string]string{
			"cloud.provider": "gcp", "cloud.platform": "gcp_compute_engine", "cloud.account.id": "my-project",
		}},
		"azure": {azure, "AZURE_POD_IDENTITY_AUTHORITY_HOST", map[string]string{
			"cloud.provider": "azure", "cloud.platform": "azure.vm", "cloud.account.id": "s-1", "cloud.region": "westeurope", "cloud.availability_zone": "2",
			"cloud.resource_id": "/subscriptions/s-1/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/v", "host.id": "v-1", "host.type": "Standard_D4s_v5",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			file(t, l.settings.Host.Root, "etc/machine-id", "a-machine\n")
			base := l.attributes(t)
			url, _ := serve(t, one.answer)
			l.variables[one.variable] = strings.TrimPrefix(url, "http://")
			all := l.attributes(t)
			for key, value := range base {
				if key != "host.id" || one.want["host.id"] == "" {
					require.Equal(t, value, all[key], key)
					delete(all, key)
				}
			}
			require.Equal(t, one.want, all)
			require.Empty(t, l.log.String())
		})
	}
}

// A cloud is known by the machine's own tables, and its metadata server is then asked.
func TestTheFirmwareNamesTheCloud(t *testing.T) {
	for name, one := range map[string]struct{ file, content, cloud string }{
		"gce":            {"product_name", "Google Compute Engine\n", "gcp"},
		"ec2":            {"sys_vendor", "Amazon EC2\n", "ec2"},
		"ec2 of old":     {"bios_version", "4.11.amazon\n", "ec2"},
		"azure":          {"chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77\n", "azure"},
		"another":        {"sys_vendor", "QEMU\n", ""},
		"another's name": {"chassis_asset_tag", "No Asset Tag\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			file(t, l.settings.Host.Sys, "class/dmi/id/"+one.file, one.content)
			require.Equal(t, one.cloud, resource.Hinted(l.settings.Host))
		})
	}
}

func TestNobodyIsAskedAgainstTheConfiguration(t *testing.T) {
	for name, set := range map[string]func(l *lab){
		"none": func(l *lab) { l.config.Detectors = nil },
		"another": func(l *lab) {
			l.config.Detectors = []resource.Cloud{resource.CloudAzure}
			l.variables["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = ""
		},
		"disabled": func(l *lab) { l.variables["AWS_EC2_METADATA_DISABLED"] = "TRUE" },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			url, asked := serve(t, ec2(t))
			l.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url
			set(l)
			if name == "another" {
				azureURL, azureAsked := serve(t, azure)
				l.variables["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = azureURL
				require.Equal(t, "azure", l.attributes(t)["cloud.provider"])
				require.EqualValues(t, 1, azureAsked.Load())
			} else {
				require.NotContains(t, l.attributes(t), "cloud.provider")
			}
			require.Zero(t, asked.Load())
		})
	}
}

func TestAServerThatComesLate(t *testing.T) {
	l := newLab(t)
	var failures atomic.Int64
	answer := ec2(t)
	url, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if failures.Add(1) <= 2 {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		answer(w, r)
	})
	l.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url
	require.Equal(t, "aws", l.attributes(t)["cloud.provider"])
	require.EqualValues(t, 4, asked.Load())
}

func TestHostileServers(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"endless": func(w http.ResponseWriter, r *http.Request) {
			text := strings.Repeat("x", 4096)
			for sent := 0; r.Context().Err() == nil; sent += len(text) {
				if sent > 64<<20 { // more than buffers on the way hold
					t.Error("it is read on and on")
					return
				}
				if _, err := io.WriteString(w, text); err != nil {
					return
				}
			}
		},
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no UTF-8": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\"\xff\"") },
		"refusing": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"absent":   http.NotFound,
	} {
		for _, variable := range []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "GCE_METADATA_HOST"} {
			t.Run(name+" "+variable, func(t *testing.T) {
				l := newLab(t)
				url, _ := serve(t, answer)
				l.variables[variable] = url
				all := l.attributes(t)
				if !strings.HasPrefix(variable, "GCE") || name != "absent" { // a GCE without anything is one still
					require.NotContains(t, all, "cloud.provider")
					require.Contains(t, l.log.String(), "resource.attributes", "a remedy")
				}
				require.Equal(t, "node-1", all["host.name"])
			})
		}
	}
}

func TestOddTextsAreBoundedAndHarmless(t *testing.T) {
	l := newLab(t)
	values := gke()
	values["instance/attributes/cluster-name"] = "\x1b[2J" + strings.Repeat("é", 4000)
	url, _ := serve(t, gcp(values))
	l.variables["GCE_METADATA_HOST"] = url
	l.variables["POD_NAME"] = "a\xffb"
	file(t, l.settings.Host.Root, "etc/machine-id", strings.Repeat("m\xfe", 4000))
	all := l.attributes(t)
	require.Equal(t, `a\xffb`, all["k8s.pod.name"])
	for key, value := range all {
		require.True(t, utf8.ValidString(value), key)
		require.Less(t, len(value), 5000, key)
		require.NotContains(t, value, "\x1b", key)
	}
}

// A server that never answers costs seconds, once, and whoever waits can go.
func TestASilentServer(t *testing.T) {
	l := newLab(t)
	gone := make(chan struct{})
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-gone:
		}
	})
	t.Cleanup(func() { close(gone) })
	l.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url
	origin := l.origin()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := origin.Resource(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	found, err := origin.Resource(t.Context())
	require.NoError(t, err)
	_, there := found.Set().Value("cloud.provider")
	require.False(t, there)
	again, err := origin.Resource(t.Context())
	require.NoError(t, err)
	require.Same(t, found, again)
}

func TestAllWhoAskGetTheSame(t *testing.T) {
	l := newLab(t)
	url, asked := serve(t, ec2(t))
	l.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url
	origin := l.origin()
	first, err := origin.Resource(t.Context())
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			found, err := origin.Resource(t.Context())
			if err != nil || found != first {
				t.Errorf("another resource, or %v", err)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 2, asked.Load())
}

func TestValidate(t *testing.T) {
	valid := resource.DefaultConfig()
	require.NoError(t, valid.Validate())
	for want, wrong := range map[string]resource.Config{
		`detectors[0]: "aws" is unknown: write one of auto, gcp, ec2, azure`: {Detectors: []resource.Cloud{"aws"}},
		`detectors[1]: "ec2" is listed twice`:                                {Detectors: []resource.Cloud{"ec2", "ec2"}},
		"an attribute needs a name":                                          {Attributes: map[string]string{"": "x"}},
		"attributes.a: the value has 2000 bytes":                             {Attributes: map[string]string{"a": strings.Repeat("x", 2000)}},
		"the name has 300 bytes":                                             {Attributes: map[string]string{strings.Repeat("x", 300): "a"}},
	} {
		require.ErrorContains(t, wrong.Validate(), want)
	}
}

// The Node's UID is that of the environment, else what the exporter kubernetes reads.
func TestTheNodeUID(t *testing.T) {
	t.Run("it is waited for", func(t *testing.T) {
		l := newLab(t)
		l.settings.NodeUID = &pipeline.NodeUID{}
		l.settings.NodeUID.Expect()
		go l.settings.NodeUID.Tell("uid-1")
		require.Equal(t, "uid-1", l.attributes(t)["k8s.node.uid"])
		l.settings.NodeUID.Tell("uid-2")
		require.Equal(t, "uid-2", l.attributes(t)["k8s.node.uid"], "of a Node that was made anew")
		l.variables["NODE_UID"] = "said"
		require.Equal(t, "said", l.attributes(t)["k8s.node.uid"])
		require.Empty(t, l.log.String())
	})
	t.Run("an API server is away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t)
			l.settings.NodeUID = &pipeline.NodeUID{}
			l.settings.NodeUID.Expect()
			begun := time.Now()
			require.NotContains(t, l.attributes(t), "k8s.node.uid")
			require.Equal(t, time.Second, time.Since(begun))
			require.Contains(t, l.log.String(), "the exporter kubernetes does not reach the API server")
		})
	})
	t.Run("nobody reads the Node", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t)
			l.settings.NodeUID = &pipeline.NodeUID{}
			begun := time.Now()
			require.NotContains(t, l.attributes(t), "k8s.node.uid")
			require.Equal(t, begun, time.Now())
			require.Empty(t, l.log.String())
		})
	})
}

// One value that a server keeps to itself does not lose the others.
func TestAServerThatTellsSome(t *testing.T) {
	l := newLab(t)
	all := gcp(gke())
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/cluster-name") {
			http.Error(w, "concealed", http.StatusForbidden)
			return
		}
		all(w, r)
	})
	l.variables["GCE_METADATA_HOST"] = url
	attributes := l.attributes(t)
	require.Equal(t, "my-project", attributes["cloud.account.id"])
	require.Equal(t, "777", attributes["host.id"])
	require.NotContains(t, attributes, "k8s.cluster.name")
	require.Contains(t, l.log.String(), "403")
}
