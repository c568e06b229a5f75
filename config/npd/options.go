package npd

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/otelnpd/otelnpd/pipeline/strictyaml"
)

// Options are node-problem-detector's command line.
type Options struct {
	// SystemLogMonitors, CustomPluginMonitors and SystemStatsMonitors are the paths
	// of JSON files; each file is a monitor.
	SystemLogMonitors    []string
	CustomPluginMonitors []string
	SystemStatsMonitors  []string
	// StackdriverExporter is the path of that exporter's JSON file; empty: off.
	StackdriverExporter string
	// WithoutGoogleCloud says that the agent has no exporter for Cloud Monitoring: its
	// build tags leave it out. It is no flag.
	WithoutGoogleCloud bool
	// EnableK8sExporter tells the Kubernetes API of problems.
	EnableK8sExporter bool
	// APIServerOverride is the Heapster source URI of the Kubernetes API; empty: as
	// the Pod's service account says.
	APIServerOverride string
	// APIServerWaitTimeout and APIServerWaitInterval are the wait for the Node at
	// start.
	APIServerWaitTimeout  time.Duration
	APIServerWaitInterval time.Duration
	// HeartbeatPeriod is how often conditions are told although nothing changed.
	HeartbeatPeriod time.Duration
	// WriteEvents and UpdateNodeConditions are the two things that the Kubernetes
	// exporter does.
	WriteEvents          bool
	UpdateNodeConditions bool
	// EventNamespace is the namespace of the Events; empty: default.
	EventNamespace string
	// KubeAPIQPS and KubeAPIBurst bound requests to the Kubernetes API a second.
	KubeAPIQPS   float64
	KubeAPIBurst int
	// HostnameOverride is the node's name; empty: NODE_NAME, else the host name.
	HostnameOverride string
	// Address and Port are those of /healthz, /conditions and /debug/pprof; no port
	// above 0: off.
	Address string
	Port    int
	// PrometheusAddress and PrometheusPort are those of /metrics; no port above 0:
	// off.
	PrometheusAddress string
	PrometheusPort    int
	// Version asks for the version alone.
	Version bool
	// Arguments are what stood beside the flags; node-problem-detector ignores it.
	Arguments []string

	oldSystemLogMonitors    []string
	oldCustomPluginMonitors []string
	apiserver               apiserver
	// faults are the values that cannot be read, in the order of the arguments.
	faults []error
}

// Parse reads node-problem-detector's arguments, without the program's name. The
// error tells all that is wrong, joined, each naming the flag; it is
// [pflag.ErrHelp] if help was asked for. With --version nothing else is checked.
func Parse(args []string) (*Options, error) {
	options := &Options{}
	flags := Flags(options)
	flags.ParseErrorsAllowlist.UnknownFlagsHandling = pflag.PassUnknownFlagToArgs
	err := flags.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return nil, pflag.ErrHelp
	}
	if err != nil {
		options.faults = append(options.faults, syntaxFault(err))
	}
	options.leftOver(flags)
	if !options.Version {
		options.mergeOldSpellings()
		options.validate()
	}
	if len(options.faults) > 0 {
		return nil, errors.Join(options.faults...)
	}
	return options, nil
}

// syntaxFault words what the flag library found wrong in how an argument is
// written.
func syntaxFault(err error) error {
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		name := missing.GetFlag().Name
		return fmt.Errorf("--%s: has no value: write --%s=VALUE", name, name)
	}
	if wrong, ok := errors.AsType[*pflag.InvalidValueError](err); ok { // only lists are read by the library
		return fmt.Errorf("--%s: %s cannot be read: write paths separated by commas", wrong.GetFlag().Name, quoted(wrong.GetValue()))
	}
	return fmt.Errorf("%w: write --FLAG=VALUE", err)
}

// leftOver reports flags that do not exist and keeps the other arguments. What
// stands behind -- is no flag.
func (o *Options) leftOver(flags *pflag.FlagSet) {
	dash := flags.ArgsLenAtDash()
	for i, argument := range flags.Args() {
		if !strings.HasPrefix(argument, "-") || argument == "-" || dash >= 0 && i >= dash {
			o.Arguments = append(o.Arguments, argument)
			continue
		}
		name, _, _ := strings.Cut(argument, "=")
		o.fault(name, "is no flag of node-problem-detector: %s", suggestFlag(name, flags))
	}
}

func suggestFlag(written string, flags *pflag.FlagSet) string {
	var known []string
	flags.VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden {
			known = append(known, "--"+flag.Name)
		}
	})
	if nearest, ok := strictyaml.Nearest(written, known); ok {
		return "did you mean " + nearest + "?"
	}
	return "leave it out; --help lists the flags"
}

// mergeOldSpellings takes the deprecated flags for the new ones.
func (o *Options) mergeOldSpellings() {
	merge := func(to *[]string, old []string, name string) {
		switch {
		case len(old) == 0:
		case len(*to) > 0:
			o.fault("--"+name+"s", "is the old spelling of --config.%s and is set beside it: list all files in --config.%s", name, name)
		default:
			*to = old
		}
	}
	merge(&o.SystemLogMonitors, o.oldSystemLogMonitors, "system-log-monitor")
	merge(&o.CustomPluginMonitors, o.oldCustomPluginMonitors, "custom-plugin-monitor")
}

func (o *Options) fault(flag, format string, args ...any) {
	o.faults = append(o.faults, errors.New(flag+": "+fmt.Sprintf(format, args...)))
}
