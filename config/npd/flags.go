package npd

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// Flags returns the flags of node-problem-detector, with its defaults, which it
// sets in options. Values that cannot be read are kept for [Parse] to report. The
// flags of klog are taken and have no effect.
func Flags(options *Options) *pflag.FlagSet {
	flags := NewFlagSet("node-problem-detector")
	d := definer{flags: flags, options: options}
	d.monitors()
	d.kubernetes()
	d.servers()
	AddKlogFlags(flags)
	return flags
}

// definer defines flags.
type definer struct {
	flags   *pflag.FlagSet
	options *Options
}

func (d definer) monitors() {
	o := d.options
	d.list(&o.SystemLogMonitors, "config.system-log-monitor", "files of monitors that match lines of a log, separated by commas")
	d.list(&o.CustomPluginMonitors, "config.custom-plugin-monitor", "files of monitors that run commands, separated by commas")
	d.list(&o.SystemStatsMonitors, "config.system-stats-monitor", "files of monitors that measure the node, separated by commas")
	d.list(&o.oldSystemLogMonitors, "system-log-monitors", "old spelling of --config.system-log-monitor")
	d.list(&o.oldCustomPluginMonitors, "custom-plugin-monitors", "old spelling of --config.custom-plugin-monitor")
	d.flags.StringVar(&o.StackdriverExporter, "exporter.stackdriver", "", "file of the Stackdriver exporter; empty: off")
}

func (d definer) kubernetes() {
	o := d.options
	d.boolean(&o.EnableK8sExporter, "enable-k8s-exporter", true, "tell the Kubernetes API of problems")
	d.flags.StringVar(&o.APIServerOverride, "apiserver-override", "",
		"where the Kubernetes API is: http(s)://HOST:PORT?inClusterConfig=BOOL&insecure=BOOL&auth=KUBECONFIG&useServiceAccount=BOOL")
	d.duration(&o.APIServerWaitTimeout, "apiserver-wait-timeout", 5*time.Minute, "how long to wait for the Node at start before going on without it")
	d.duration(&o.APIServerWaitInterval, "apiserver-wait-interval", 5*time.Second, "how often to ask for the Node meanwhile")
	d.duration(&o.HeartbeatPeriod, "k8s-exporter-heartbeat-period", 5*time.Minute, "how often to tell all conditions although nothing changed")
	d.boolean(&o.WriteEvents, "k8s-exporter-write-events", true, "write Events")
	d.boolean(&o.UpdateNodeConditions, "k8s-exporter-update-node-conditions", true, "write conditions of the Node")
	d.flags.StringVar(&o.EventNamespace, "event-namespace", "", "namespace of the Events; empty: default")
	d.number(&o.KubeAPIQPS, "kube-api-qps", 500, "requests a second to the Kubernetes API at most")
	d.integer(&o.KubeAPIBurst, "kube-api-burst", 500, "requests at once to the Kubernetes API at most")
	d.flags.StringVar(&o.HostnameOverride, "hostname-override", "", "the node's name; empty: NODE_NAME of the environment, else the host name")
}

func (d definer) servers() {
	o := d.options
	d.flags.StringVar(&o.Address, "address", "127.0.0.1", "address of /healthz, /conditions and /debug/pprof")
	d.integer(&o.Port, "port", 20256, "port of these; 0: off")
	d.flags.StringVar(&o.PrometheusAddress, "prometheus-address", "127.0.0.1", "address of /metrics")
	d.integer(&o.PrometheusPort, "prometheus-port", 20257, "port of /metrics; 0: off")
	d.boolean(&o.Version, "version", false, "print the version and exit")
}

// NewFlagSet returns an empty set of flags for one of node-problem-detector's commands.
// It keeps their order, and prints nothing by itself.
func NewFlagSet(name string) *pflag.FlagSet {
	set := pflag.NewFlagSet(name, pflag.ContinueOnError)
	set.SortFlags = false
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	return set
}

// ParsePluginFlags reads a plugin's arguments, without the program's name. The error is
// [pflag.ErrHelp] if help was asked for.
func ParsePluginFlags(set *pflag.FlagSet, args []string) error {
	err := set.Parse(args)
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return err
	}
	return fmt.Errorf("%w: --help lists the flags", err)
}

// AddKlogFlags adds the flags of k8s.io/klog/v2, which are taken and have no effect.
// They say where and how much node-problem-detector logs; the agent's log is
// configured in YAML.
func AddKlogFlags(flags *pflag.FlagSet) {
	verbosity := flags.VarPF(ignored("string"), "v", "v", "taken and ignored, like all flags of klog")
	verbosity.DefValue = "0"
	for _, name := range []string{
		"alsologtostderrthreshold", "log_backtrace_at", "log_dir", "log_file", "log_file_max_size", "stderrthreshold", "vmodule",
	} {
		flags.VarPF(ignored("string"), name, "", "").Hidden = true
	}
	for _, name := range []string{
		"add_dir_header", "alsologtostderr", "legacy_stderr_threshold_behavior", "logtostderr", "one_output", "skip_headers", "skip_log_headers",
	} {
		flag := flags.VarPF(ignored("bool"), name, "", "")
		flag.Hidden, flag.NoOptDefVal = true, "true"
	}
}

func (d definer) list(to *[]string, name, usage string) {
	d.flags.StringSliceVar(to, name, nil, usage)
}

func (d definer) boolean(to *bool, name string, initial bool, usage string) {
	define(d, to, name, initial, usage, setter[bool]{"bool", "write true or false", strconv.ParseBool}).NoOptDefVal = "true"
}

func (d definer) integer(to *int, name string, initial int, usage string) {
	define(d, to, name, initial, usage, setter[int]{"int", "write a whole number", parseInt})
}

func (d definer) number(to *float64, name string, initial float64, usage string) {
	define(d, to, name, initial, usage, setter[float64]{"float32", "write a number", parseFloat})
}

func (d definer) duration(to *time.Duration, name string, initial time.Duration, usage string) {
	define(d, to, name, initial, usage, setter[time.Duration]{"duration", "write a time with its unit, for example 30s", time.ParseDuration})
}

// parseInt takes what the flag library's int does: 0x10 and 010 too.
func parseInt(text string) (int, error) {
	n, err := strconv.ParseInt(text, 0, 64)
	return int(n), err
}

// parseFloat takes finite numbers.
func parseFloat(text string) (float64, error) {
	number, err := strconv.ParseFloat(text, 32)
	if err == nil && (math.IsNaN(number) || math.IsInf(number, 0)) {
		err = strconv.ErrRange
	}
	return number, err
}
