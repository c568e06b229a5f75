package hoststats

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// reading is what one reading of the node comes to. It is not changed once it is made.
type reading struct {
	// node holds the parts that are told as they are; its lists are empty.
	node hoststat.Reading
	// at is when it began, on the boot clock.
	at time.Duration

	totals totals
	// online is how many CPUs there are.
	online      uint64
	cpu         cpuReading
	cpus        []cpuReading
	disks       []diskReading
	filesystems []filesystemReading
	interfaces  []interfaceReading
}

// cpuReading is one CPU, or all.
type cpuReading struct {
	hoststat.CPUTimes
	labels *cpuLabels
	// share is for which part of the time since the reading before each mode was;
	// nil: it is not known.
	share *[modeCount]float64
}

// diskReading is one block device.
type diskReading struct {
	hoststat.Disk
	labels *diskLabels
	// mounted tells that a file system of it is mounted.
	mounted bool
	// queue is how many requests there were, on average of the time since the reading
	// before.
	queue      float64
	queueKnown bool
}

// filesystemReading is one file system.
type filesystemReading struct {
	hoststat.FileSystem
	labels *filesystemLabels
}

// interfaceReading is one network interface.
type interfaceReading struct {
	hoststat.Interface
	labels *interfaceLabels
}

// modeCount is how many modes of a CPU the semantic conventions know.
const modeCount = 7

// modes are the times of a CPU by the modes of the semantic conventions, which add up to
// all time.
func modes(t *hoststat.CPUTimes) [modeCount]float64 {
	return [modeCount]float64{t.User, t.System, t.Nice, t.Idle, t.IOWait, t.IRQ + t.SoftIRQ, t.Steal}
}

func modeNames() [modeCount]attribute.KeyValue {
	return [modeCount]attribute.KeyValue{
		semconv.CPUModeUser, semconv.CPUModeSystem, semconv.CPUModeNice, semconv.CPUModeIdle,
		semconv.CPUModeIOWait, semconv.CPUModeInterrupt, semconv.CPUModeSteal,
	}
}

// stageCount is how many stages of a CPU node-problem-detector knows.
const stageCount = 10

// stages are the times of a CPU as node-problem-detector tells them.
func stages(t *hoststat.CPUTimes) [stageCount]float64 {
	return [stageCount]float64{t.User, t.Nice, t.System, t.Idle, t.IOWait, t.IRQ, t.SoftIRQ, t.Steal, t.Guest, t.GuestNice}
}

// stageNames are those of system/cpu_stat, stateNames those of cpu/usage_time.
func stageNames() [stageCount]string {
	return [stageCount]string{"user", "nice", "system", "idle", "iowait", "iRQ", "softIRQ", "steal", "guest", "guestNice"}
}

func stateNames() [stageCount]string {
	return [stageCount]string{"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"}
}
