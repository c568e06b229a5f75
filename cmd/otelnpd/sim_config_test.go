package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// simKind is what a line tells of.
type simKind string

// simRule is a rule of the simulation, as the oracle knows it.
type simRule struct {
	id        string
	logical   string // the same over a renaming; empty: id
	condition string // empty: it makes events
	reason    string
	matches   simKind
	recovers  simKind
	instances bool
	least     int // matches within a minute; 0: one
	ttl       time.Duration
	latched   bool
	yaml      string
}

func (r *simRule) name() string {
	if r.logical != "" {
		return r.logical
	}
	return r.id
}

// message is what the rule says of a line.
func (r *simRule) message(instance string) string {
	return strings.ReplaceAll(simMessages[r.matches], "{dev}", instance)
}

var simMessages = map[simKind]string{
	"down": "disk {dev} is down", "slow": "disk {dev} is slow", "hot": "the processor is hot", "stuck": "the kernel is stuck",
	"check": "machine check", "oops": "oops number {dev}", "flaky": "a flaky link", "extra": "something extra",
}

const simWindow = time.Minute

var (
	diskDown = simRule{
		id: "disk-down", condition: "DiskDown", reason: "DiskIsDown", matches: "down", recovers: "up", instances: true,
		yaml: `{id: disk-down, pattern: 'disk (?P<dev>d\d) is down$', condition: DiskDown, reason: DiskIsDown, instance: '{dev}',
           message: 'disk {dev} is down', clear: {by: recovery, pattern: 'disk (?P<dev>d\d) is up$'}}`,
	}
	diskSlow = simRule{
		id: "disk-slow", condition: "DiskDown", reason: "DiskIsSlow", matches: "slow", instances: true, least: 3,
		yaml: `{id: disk-slow, pattern: 'disk (?P<dev>d\d) is slow$', condition: DiskDown, reason: DiskIsSlow, instance: '{dev}',
           message: 'disk {dev} is slow', threshold: {min_occurrences: 3, window: 1m}}`,
	}
	thermal = simRule{
		id: "thermal", condition: "ThermalTrip", reason: "TooHot", matches: "hot", ttl: 2 * time.Minute,
		yaml: `{id: thermal, pattern: 'processor is hot$', condition: ThermalTrip, reason: TooHot,
           message: the processor is hot, clear: {by: ttl, ttl: 2m}}`,
	}
	stuck = simRule{
		id: "stuck", condition: "KernelStuck", reason: "Stuck", matches: "stuck",
		yaml: `{id: stuck, pattern: 'kernel is stuck$', condition: KernelStuck, reason: Stuck, message: the kernel is stuck,
           formerly: [{id: hang}]}`,
	}
	hang = simRule{
		id: "hang", logical: "stuck", condition: "KernelStuck", reason: "Hang", matches: "stuck",
		yaml: `{id: hang, pattern: 'kernel is stuck$', condition: KernelStuck, reason: Hang, message: the kernel is stuck,
           formerly: [{id: stuck}]}`,
	}
	machineCheck = simRule{
		id: "machine-check", condition: "MachineCheck", reason: "Uncorrected", matches: "check", latched: true,
		yaml: `{id: machine-check, pattern: 'machine check$', condition: MachineCheck, reason: Uncorrected, message: machine check,
           clear: {by: latched}}`,
	}
	oops  = simRule{id: "oops", reason: "Oops", matches: "oops", yaml: `{id: oops, pattern: 'oops number', reason: Oops}`}
	flaky = simRule{
		id: "flaky", reason: "Flaky", matches: "flaky", least: 3,
		yaml: `{id: flaky, pattern: 'flaky link', reason: Flaky, threshold: {min_occurrences: 3, window: 1m}}`,
	}
	extra = simRule{id: "extra", reason: "Extra", matches: "extra", yaml: `{id: extra, pattern: 'something extra', reason: Extra}`}
)

// simVariant is one of the configurations that reloads bring.
type simVariant struct {
	rules    []simRule
	dropped  string // a condition that is not declared
	receiver string
	exporter string
}

// simVariants are the configurations that there are. A rule is removed and one
// added; a condition dropped; a rule renamed; an exporter and a receiver changed.
func simVariants() []simVariant {
	base := []simRule{diskDown, diskSlow, thermal, stuck, machineCheck, oops, flaky}
	without := func(rule simRule, others ...simRule) []simRule {
		rest := slices.DeleteFunc(slices.Clone(base), func(r simRule) bool { return r.id == rule.id })
		return append(rest, others...)
	}
	return []simVariant{
		{rules: base},
		{rules: without(diskSlow, extra)},
		{rules: without(thermal), dropped: "ThermalTrip"},
		{rules: without(stuck, hang)},
		{rules: base, exporter: "heartbeat_period: 2m, "},
		{rules: base, receiver: "delay: 1ns"},
	}
}

// simTypes are the conditions of the base configuration.
func simTypes() []string {
	return []string{"DiskDown", fanStopped, "KernelStuck", "MachineCheck", "ThermalTrip"}
}

func (v *simVariant) types() []string {
	return slices.DeleteFunc(simTypes(), func(name string) bool { return name == v.dropped })
}

func simConfig(variant int, runDir string) []byte {
	v := simVariants()[variant]
	var text strings.Builder
	fmt.Fprintf(&text, "conditions:\n")
	for _, name := range v.types() {
		fmt.Fprintf(&text, "  %s: {healthy: {reason: No%s, message: all is well}}\n", name, name)
	}
	fmt.Fprintf(&text, "receivers:\n  kmsg: {%s}\n  simfans: {}\nprocessors:\n  rules:\n    rules:\n", v.receiver)
	for i := range v.rules {
		fmt.Fprintf(&text, "      - %s\n", v.rules[i].yaml)
	}
	fmt.Fprintf(&text, "exporters:\n  console: {output: json}\n  kubernetes: {%swait: {interval: 1s}}\n", v.exporter)
	fmt.Fprintf(&text, "service:\n  node: %s\n  socket: none\n  shutdown_timeout: 2s\n  host: {run: %s}\n", simNode, runDir)
	fmt.Fprintf(&text, "  pipelines:\n    logs: {receivers: [kmsg, simfans], exporters: [console, kubernetes]}\n")
	return []byte(text.String())
}
