package hoststats

import (
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

// families are the families of names that metrics are made by.
type families struct{ npd, semconv bool }

// The attributes of node-problem-detector's metrics.
const (
	npdCPU       = "cpu"
	npdDevice    = "device_name"
	npdDirection = "direction"
	npdFeature   = "os_feature"
	npdFSType    = "fs_type"
	npdInterface = "interface_name"
	npdKernel    = "kernel_version"
	npdMountOpt  = "mount_option"
	npdOS        = "os_version"
	npdStage     = "stage"
	npdState     = "state"
	npdValue     = "value"
)

// cpuLabels are those of one CPU.
type cpuLabels struct {
	stages []attributes // node-problem-detector's, in the order of stages()
	modes  []attributes // in the order of modes()
}

func (f families) cpuLabels(number int, logicalNumbers bool) *cpuLabels {
	made := &cpuLabels{}
	if f.npd {
		name := attribute.String(npdCPU, "cpu"+strconv.Itoa(number))
		for _, stage := range stageNames() {
			made.stages = append(made.stages, with(name, attribute.String(npdStage, stage)))
		}
	}
	if f.semconv && logicalNumbers {
		made.modes = modeLabels(semconv.CPULogicalNumber(number))
	}
	return made
}

// modeLabels are those of the modes of a CPU, or of all.
func modeLabels(more ...attribute.KeyValue) (made []attributes) {
	for _, mode := range modeNames() {
		made = append(made, with(append(slices.Clip(more), mode)...))
	}
	return made
}

// diskLabels are those of one block device.
type diskLabels struct {
	npd, npdRead, npdWrite attributes
	device, read, write    attributes
}

func (f families) diskLabels(name string) *diskLabels {
	name = shown(name)
	made := &diskLabels{}
	if f.npd {
		device, direction := attribute.String(npdDevice, name), attribute.Key(npdDirection)
		made.npd, made.npdRead, made.npdWrite = with(device), with(device, direction.String("read")), with(device, direction.String("write"))
	}
	if f.semconv {
		device := semconv.SystemDevice(name)
		made.device, made.read, made.write = with(device), with(device, semconv.DiskIODirectionRead), with(device, semconv.DiskIODirectionWrite)
	}
	return made
}

// interfaceLabels are those of one network interface.
type interfaceLabels struct {
	npd                             attributes
	receive, transmit               attributes
	packetsReceive, packetsTransmit attributes
}

func (f families) interfaceLabels(name string) *interfaceLabels {
	name = shown(name)
	made := &interfaceLabels{}
	if f.npd {
		made.npd = with(attribute.String(npdInterface, name))
	}
	if f.semconv {
		// The convention of the packets names the interface as a device.
		link, device := semconv.NetworkInterfaceName(name), semconv.SystemDevice(name)
		made.receive, made.transmit = with(link, semconv.NetworkIODirectionReceive), with(link, semconv.NetworkIODirectionTransmit)
		made.packetsReceive, made.packetsTransmit = with(device, semconv.NetworkIODirectionReceive), with(device, semconv.NetworkIODirectionTransmit)
	}
	return made
}

// filesystemLabels are those of one file system.
type filesystemLabels struct {
	npd, npdFree, npdUsed     attributes
	all, used, free, reserved attributes
}

func (f families) filesystemLabels(fs *hoststat.FileSystem) *filesystemLabels {
	made := &filesystemLabels{}
	if f.npd {
		device := attribute.String(npdDevice, strings.TrimPrefix(shown(fs.Device), "/dev/"))
		kept := []attribute.KeyValue{device, attribute.String(npdFSType, shown(fs.Type)), attribute.String(npdMountOpt, shown(fs.Options))}
		made.npd = with(device)
		made.npdFree, made.npdUsed = withState(kept, "free"), withState(kept, "used")
	}
	if f.semconv {
		mode := "rw"
		if fs.ReadOnly {
			mode = "ro"
		}
		kept := []attribute.KeyValue{
			semconv.SystemDevice(shown(fs.Device)), semconv.SystemFilesystemTypeKey.String(shown(fs.Type)),
			semconv.SystemFilesystemMode(mode), semconv.SystemFilesystemMountpoint(shown(fs.MountPoint)),
		}
		made.all = with(kept...)
		made.used = with(append(slices.Clip(kept), semconv.SystemFilesystemStateUsed)...)
		made.free = with(append(slices.Clip(kept), semconv.SystemFilesystemStateFree)...)
		made.reserved = with(append(slices.Clip(kept), semconv.SystemFilesystemStateReserved)...)
	}
	return made
}

func withState(kept []attribute.KeyValue, state string) attributes {
	return with(append(slices.Clip(kept), attribute.String(npdState, state))...)
}

// maxLabel bounds the text of a label, in bytes.
const maxLabel = 4096

// shown is text as it can be told everywhere: names of devices and mount points may hold
// any bytes.
func shown(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxLabel)], "\ufffd")
}
