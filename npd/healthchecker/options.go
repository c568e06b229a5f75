package healthchecker

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/otelnpd/otelnpd/config/npd"
	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/source/probe"
)

// Name is what the plugin's binary is called.
const Name = "health-checker"

// The components that there are.
const (
	kubelet   = "kubelet"
	kubeProxy = "kube-proxy"
	docker    = "docker"
	cri       = "cri"
)

// criService is the service of the component cri unless another is named.
const criService = "containerd"

// Options are the command line of health-checker.
type Options struct {
	// Component is kubelet, kube-proxy, docker or cri.
	Component string
	// Service is the unit of systemd that runs it; it is named after the component, or
	// containerd.
	Service string
	// EnableRepair has the unit's main process end where it is not healthy.
	EnableRepair bool
	// Cooldown is how long the unit must have been up for that.
	Cooldown time.Duration
	// Loopback is how old a line of the log may be; 0: as old as the unit.
	Loopback time.Duration
	// Timeout bounds the question, CRITimeout each call to a runtime.
	Timeout, CRITimeout time.Duration
	// CRISocket is the path of the runtime's socket.
	CRISocket string
	// Patterns are looked for in the log of the unit.
	Patterns []probe.Pattern
	// Arguments are what stood beside the flags, without effect.
	Arguments []string
}

// written are the flags as they are written.
type written struct {
	service, crictl, socket string
	patterns                []string
}

// Flags are all flags, for who describes them.
func Flags() *pflag.FlagSet { return flags(&Options{}, &written{}) }

func flags(o *Options, w *written) *pflag.FlagSet {
	set := npd.NewFlagSet(Name)
	set.StringVar(&o.Component, "component", kubelet, "what to ask: kubelet, kube-proxy, docker or cri")
	set.StringVar(&w.service, "service", "", "unit of systemd that runs it; empty: the component's name, containerd for cri")
	set.StringVar(&w.service, "systemd-service", "", "the same")
	_ = set.MarkDeprecated("systemd-service", "write --service in its place") // it is there
	set.BoolVar(&o.EnableRepair, "enable-repair", true, "have systemd end the unit's main process where it is not healthy")
	set.StringVar(&w.crictl, "crictl-path", "/usr/bin/crictl", "has no effect: the runtime is asked without crictl")
	set.StringVar(&w.socket, "cri-socket-path", "unix:///var/run/containerd/containerd.sock", "socket of the container runtime")
	set.DurationVar(&o.CRITimeout, "cri-timeout", 2*time.Second, "how long each answer of the container runtime may take")
	set.DurationVar(&o.Cooldown, "cooldown-time", 2*time.Minute, "how long the unit must have been up before it is ended")
	set.DurationVar(&o.Loopback, "loopback-time", 0, "how old a line of the unit's log may be; 0: as old as the unit")
	set.DurationVar(&o.Timeout, "health-check-timeout", 10*time.Second, "how long the answer may take")
	set.StringSliceVar(&w.patterns, "log-pattern", nil, "COUNT:PATTERN: not healthy where so many lines of the unit's log match, as a regular expression (RE2), whatever the case")
	npd.AddKlogFlags(set)
	return set
}

// Parse reads the arguments, without the program's name. The error tells all that is
// wrong, each naming the flag; it is [pflag.ErrHelp] if help was asked for.
func Parse(args []string) (*Options, error) {
	options, w := &Options{}, &written{}
	set := flags(options, w)
	if err := npd.ParsePluginFlags(set, args); err != nil {
		return nil, err
	}
	options.Arguments = set.Args()
	if err := options.read(w); err != nil {
		return nil, err
	}
	return options, nil
}

// read checks what the flag library does not.
func (o *Options) read(w *written) error {
	errs := []error{
		prefixed("--component", pipeline.OneOf(o.Component, kubelet, kubeProxy, docker, cri)),
		positive("--health-check-timeout", o.Timeout), positive("--cri-timeout", o.CRITimeout),
	}
	if o.Cooldown < 0 || o.Loopback < 0 {
		errs = append(errs, errors.New("--cooldown-time, --loopback-time: are not negative"))
	}
	o.Service = w.service
	if o.Service == "" {
		o.Service = map[string]string{cri: criService}[o.Component]
	}
	if o.Service == "" {
		o.Service = o.Component
	}
	_, err := probe.UnitName(o.Service)
	errs = append(errs, prefixed("--service", err))
	o.CRISocket, err = socketPath(w.socket)
	if o.Component == cri {
		errs = append(errs, err)
	}
	for _, text := range w.patterns {
		pattern, err := parsePattern(text)
		errs = append(errs, err)
		o.Patterns = append(o.Patterns, pattern)
	}
	return errors.Join(errs...)
}

func prefixed(flag string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", flag, err)
}

func positive(flag string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s: %s is no time to wait: write for example 10s", flag, d)
	}
	return nil
}

// socketPath reads unix:///PATH, or /PATH.
func socketPath(text string) (string, error) {
	path := strings.TrimPrefix(text, "unix://")
	if !strings.HasPrefix(path, "/") {
		return "", fmt.Errorf("--cri-socket-path: %q is no socket: write for example unix:///run/containerd/containerd.sock", text)
	}
	return path, nil
}

// parsePattern reads COUNT:PATTERN.
func parsePattern(text string) (probe.Pattern, error) {
	count, expression, found := strings.Cut(text, ":")
	n, err := strconv.Atoi(count)
	if !found || err != nil || n < 1 || expression == "" {
		return probe.Pattern{}, fmt.Errorf("--log-pattern: %q cannot be read: write COUNT:PATTERN, for example 3:deadlock", text)
	}
	compiled, err := regexp.Compile("(?i)" + expression)
	if err != nil {
		return probe.Pattern{}, fmt.Errorf("--log-pattern: %q is no regular expression (%w): write RE2 syntax", expression, err)
	}
	return probe.Pattern{Expression: compiled, Count: n}, nil
}
