package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/otelnpd/otelnpd/integration/agent"
	images "github.com/otelnpd/otelnpd/integration/image"
	"github.com/otelnpd/otelnpd/integration/kernellog"
	"github.com/otelnpd/otelnpd/integration/process"
	"github.com/otelnpd/otelnpd/integration/servers"
)

// The image in a Pod that containerd and runc run: without any capability on the
// journal, which a journald writes what the kernel logs, and privileged on the kernel's
// log itself.
func TestPod(t *testing.T) {
	log := kernellog.Open(t)
	pause, pauseName := images.Pause(t)
	pods := servers.StartPods(t, pauseName, pause, images.Archive(t, images.Agent))
	name := images.Unpack(t, images.Agent).Name
	t.Run("journal", func(t *testing.T) {
		journal := kernelJournal(t)
		p := newPod(t, `journald/kernel: {all_machines: true, transports: [kernel]}`)
		p.config.Mounts = append(p.config.Mounts, &cri.Mount{HostPath: journal, ContainerPath: "/run/log/journal", Readonly: true})
		p.config.Linux.SecurityContext = restricted()
		p.start(t, pods, name)
		p.requireProblem(t, log)
		status := p.status(t)
		require.Regexp(t, `(?m)^CapEff:\s+0{16}$`, status)
		require.Regexp(t, `(?m)^CapBnd:\s+0{16}$`, status)
		require.Regexp(t, `(?m)^NoNewPrivs:\s+1$`, status)
		require.Regexp(t, `(?m)^Seccomp:\s+2$`, status)
		p.requireStops(t)
	})
	t.Run("kmsg as the chart has it", func(t *testing.T) { requireChartOnKmsg(t, pods, log, name) })
	t.Run("kmsg without the right to it", func(t *testing.T) {
		p := newPod(t, `kmsg: {lookback: 0s}`)
		p.config.Linux.SecurityContext = restricted()
		p.start(t, pods, name)
		require.Eventually(t, func() bool {
			_, body := agent.Get(t, "http://"+p.address+"/healthz?verbose")
			return strings.Contains(body, "run privileged or grant device 1:11")
		}, patience, tick)
		p.requireStops(t)
	})
	for _, preset := range []string{"npd", "collector", "gke"} {
		t.Run("the node's figures by the preset "+preset, func(t *testing.T) {
			p := newPod(t, `filelog: {include: [/logs/app.log], format: plain}`)
			p.measure(t, preset)
			p.config.Linux.SecurityContext = restricted()
			p.start(t, pods, name)
			var health string
			require.Eventually(t, func() bool {
				_, health = agent.Get(t, "http://"+p.address+"/healthz?verbose")
				return regexp.MustCompile(`(?m)^receiver +hoststats +(ok|degraded)`).MatchString(health)
			}, patience, tick)
			require.Regexp(t, `(?m)^receiver +hoststats +ok`, health)
			p.requireStops(t)
		})
	}
	t.Run("another user reads a file", func(t *testing.T) {
		const nobody = 65534
		logs := t.TempDir()
		path := filepath.Join(logs, "app.log")
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		// The probe of the Pod answers before the receiver has begun.
		p := newPod(t, `filelog: {include: [/logs/app.log], format: plain, start_at: beginning}`)
		for _, mount := range p.config.Mounts[1:] { // the state and the socket
			require.NoError(t, os.Chown(mount.HostPath, nobody, nobody))
		}
		p.config.Mounts = append(p.config.Mounts, &cri.Mount{HostPath: logs, ContainerPath: "/logs", Readonly: true})
		p.config.Linux.SecurityContext = restricted()
		p.config.Linux.SecurityContext.RunAsUser.Value = nobody
		p.start(t, pods, name)
		require.Regexp(t, `(?m)^Uid:\s+65534\s`, p.status(t))
		p.requireTold(t, func(line string) { require.NoError(t, os.WriteFile(path, []byte(line+"\n"), 0o644)) })
		p.requireStops(t)
	})
}

func podNamespaces() *cri.NamespaceOption {
	return &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER}
}

// restricted is what a kubelet sends for runAsUser 0, all capabilities dropped, a root
// file system to read alone and the seccomp profile RuntimeDefault.
func restricted() *cri.LinuxContainerSecurityContext {
	return &cri.LinuxContainerSecurityContext{
		RunAsUser: &cri.Int64Value{}, ReadonlyRootfs: true, NoNewPrivs: true, NamespaceOptions: podNamespaces(),
		Capabilities: &cri.Capability{DropCapabilities: []string{"ALL"}},
		Seccomp:      &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault},
		MaskedPaths: []string{"/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
			"/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"},
		ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
	}
}

// pod is a container that is to be started, and then runs.
type pod struct {
	tag, address string
	config       *cri.ContainerConfig
	container    *servers.Container
}

// newPod configures an agent with one receiver and a rule of the test's, whose state is
// kept in a folder of the host.
func newPod(t *testing.T, receiver string) *pod {
	t.Helper()
	p := &pod{tag: kernellog.Tag(), address: process.FreeAddress(t)}
	id, _, _ := strings.Cut(receiver, ":")
	config := filepath.Join(t.TempDir(), "otelnpd.yaml")
	require.NoError(t, os.WriteFile(config, []byte(`receivers: {`+receiver+`}
processors:
  rules: {packs: [], rules: [{id: problem, pattern: '^`+p.tag+` problem', reason: PodProblem}]}
exporters:
  console: {output: json}
  status: {endpoint: '`+p.address+`'}
service: {pipelines: {logs: {receivers: [`+id+`], exporters: [console, status]}}}
`), 0o644))
	p.config = &cri.ContainerConfig{
		Args: []string{"run", "--config", "/etc/otelnpd/otelnpd.yaml"},
		Mounts: []*cri.Mount{
			{HostPath: config, ContainerPath: "/etc/otelnpd/otelnpd.yaml", Readonly: true},
			{HostPath: t.TempDir(), ContainerPath: "/var/lib/otelnpd"},
			{HostPath: t.TempDir(), ContainerPath: "/run/otelnpd"},
		},
		Linux: &cri.LinuxContainerConfig{},
	}
	return p
}

// measure has the agent measure the node as a preset of the chart asks for it, with what
// the chart mounts by default.
func (p *pod) measure(t *testing.T, preset string) {
	t.Helper()
	root, err := agent.Root()
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(root, chart, "presets", preset+".yaml"))
	require.NoError(t, err)
	asked := servers.Object(decode(t, string(text)))
	keys, err := json.Marshal(asked.At("config", "receivers", "hoststats"))
	require.NoError(t, err)
	naming := "semconv"
	if word, said := asked.At("config", "service", "telemetry", "naming").(string); said {
		naming = word
	}
	path := p.config.Mounts[0].HostPath
	config, err := os.ReadFile(path)
	require.NoError(t, err)
	with := strings.NewReplacer(
		"receivers: {", "receivers: {hoststats: "+string(keys)+", ",
		"exporters:\n", "exporters:\n  prometheus: {endpoint: '"+process.FreeAddress(t)+"'}\n",
		"service: {pipelines: {", "service: {host: {root: /host, run: /host/run, proc: /host/proc, sys: /host/sys}, telemetry: {naming: "+naming+"},"+
			" pipelines: {metrics: {receivers: [hoststats], exporters: [prometheus]}, ",
	)
	require.NoError(t, os.WriteFile(path, []byte(with.Replace(string(config))), 0o644))
	p.config.Mounts = append(p.config.Mounts,
		&cri.Mount{HostPath: "/proc", ContainerPath: "/host/proc", Readonly: true}, &cri.Mount{HostPath: "/sys", ContainerPath: "/host/sys", Readonly: true})
}

func (p *pod) start(t *testing.T, pods *servers.Pods, image string) {
	t.Helper()
	p.config.Image = &cri.ImageSpec{Image: image}
	p.container = pods.Start(t, p.config)
	require.Eventually(t, func() bool {
		code, _ := p.container.Exec(t, "/usr/bin/otelnpd", "healthcheck")
		return code == 0
	}, patience, tick, "the probe of the Pod")
}

// requireProblem has the kernel log a problem and waits until the container prints it.
func (p *pod) requireProblem(t *testing.T, log *kernellog.Log) {
	t.Helper()
	p.requireTold(t, func(line string) { log.Write(t, line) })
}

// requireTold has a problem written and waits until the container prints it.
func (p *pod) requireTold(t *testing.T, write func(line string)) {
	t.Helper()
	line := p.tag + " problem of the node"
	write(line)
	p.await(t, agent.Problem("PodProblem", line))
}

// status is what the kernel says of the agent's process.
func (p *pod) status(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", p.pid(t), "status"))
	require.NoError(t, err)
	require.Contains(t, string(text), "Name:\totelnpd\n")
	return string(text)
}

func (p *pod) pid(t *testing.T) string {
	t.Helper()
	pid := regexp.MustCompile(`"pid":\s*([0-9]+)`).FindStringSubmatch(p.container.Info(t))
	require.NotNil(t, pid)
	return pid[1]
}

func (p *pod) requireStops(t *testing.T) {
	t.Helper()
	require.Zero(t, p.container.Stop(t))
}

// journaldOfKernel starts a journald that reads the kernel's log and writes below $1, with
// the configuration $2; the rest of this machine does not see it.
const journaldOfKernel = `
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd /run/log/journal
mount --bind "$1" /run/log/journal
mount --bind "$2" /etc/systemd
exec /lib/systemd/systemd-journald
`

// kernelJournal starts one and returns its folder once it has written.
func kernelJournal(t *testing.T) (folder string) {
	t.Helper()
	folder, config := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(config, "journald.conf"), []byte("[Journal]\nStorage=volatile\nReadKMsg=yes\nAudit=no\n"), 0o600))
	cmd := exec.Command("sh", "-c", journaldOfKernel, "journald", folder, config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	process.Start(t, "systemd-journald", cmd)
	require.Eventually(t, func() bool {
		files, err := filepath.Glob(filepath.Join(folder, "*", "system.journal"))
		return err == nil && len(files) == 1
	}, patience, tick)
	return folder
}
