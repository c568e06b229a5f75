// Package guestmetrics has the types that Google Cloud Monitoring has for
// node-problem-detector's metrics, as that writes them. They are of the monitored
// resource gce_instance.
package guestmetrics

import "strings"

// ValueType is that of the points of a type.
type ValueType string

// The value types, as Cloud Monitoring calls them.
const (
	Whole ValueType = "INT64"
	Real  ValueType = "DOUBLE"
)

// Type is a metric type of Google's, which has its kind, unit and labels there.
type Type struct {
	Name   string
	Values ValueType
}

// The beginnings of the types' names.
const (
	guest     = "compute.googleapis.com/guest/"
	nodeGuest = "kubernetes.io/internal/node/guest/"
)

// Types returns the types by node-problem-detector's ids of the metrics. Value types
// are those of its measures.
func Types() map[string]Type {
	types := map[string]Type{}
	add := func(prefix string, values ValueType, names string) {
		for name := range strings.FieldsSeq(names) {
			id, renamed, differs := strings.Cut(name, "=")
			if !differs {
				renamed = id
			}
			types[id] = Type{Name: prefix + renamed, Values: values}
		}
	}
	add(guest, Real, `cpu/runnable_task_count cpu/usage_time cpu/load_1m cpu/load_5m cpu/load_15m
		disk/avg_queue_len=disk/queue_length disk/percent_used memory/percent_used`)
	add(guest, Whole, `disk/bytes_used disk/io_time disk/merged_operation_count disk/operation_bytes_count
		disk/operation_count disk/operation_time disk/weighted_io=disk/weighted_io_time
		host/uptime=system/uptime
		memory/anonymous_used memory/bytes_used memory/dirty_used memory/page_cache_used memory/unevictable_used
		problem_counter=system/problem_count problem_gauge=system/problem_state system/os_feature=system/os_feature_enabled`)
	add(nodeGuest, Whole, `system/processes_total system/procs_running system/procs_blocked system/interrupts_total
		net/rx_bytes net/rx_packets net/rx_errors net/rx_dropped net/rx_fifo net/rx_compressed net/rx_frame net/rx_multicast
		net/tx_bytes net/tx_packets net/tx_errors net/tx_dropped net/tx_fifo net/tx_compressed net/tx_collisions net/tx_carrier`)
	add(nodeGuest, Real, "system/cpu_stat")
	return types
}

// IsGoogles tells whether a metric type is described by Google: then what an agent
// calls its unit and description is nothing to send.
func IsGoogles(name string) bool {
	return strings.HasPrefix(name, guest) || strings.HasPrefix(name, nodeGuest)
}
