package hoststats

import (
	"go.opentelemetry.io/otel/semconv/v1.43.0/systemconv"

	"github.com/otelnpd/otelnpd/pipeline/source/hoststat"
)

func semconvDiskDefinitions() []definition {
	both := func(c convention, of func(*hoststat.Disk) (read, write uint64)) definition {
		return perDisk(by(c, counter), func(o *observer, d *diskReading) {
			read, write := of(&d.Disk)
			o.count(read, d.labels.read)
			o.count(write, d.labels.write)
		})
	}
	type device = hoststat.Disk
	return []definition{
		both(systemconv.DiskIO{}, func(d *device) (uint64, uint64) { return d.ReadBytes, d.WrittenBytes }),
		both(systemconv.DiskOperations{}, func(d *device) (uint64, uint64) { return d.Reads, d.Writes }),
		both(systemconv.DiskMerged{}, func(d *device) (uint64, uint64) { return d.ReadsMerged, d.WritesMerged }),
		perDisk(byReal(systemconv.DiskIOTime{}, counter), func(o *observer, d *diskReading) {
			o.figure(seconds(d.IOMillis), d.labels.device)
		}),
		perDisk(byReal(systemconv.DiskOperationTime{}, counter), func(o *observer, d *diskReading) {
			o.figure(seconds(d.ReadMillis), d.labels.read)
			o.figure(seconds(d.WriteMillis), d.labels.write)
		}),
		perDisk(by(systemconv.DiskLimit{}, upDownCounter), func(o *observer, d *diskReading) {
			if d.Size > 0 {
				o.count(d.Size, d.labels.device)
			}
		}),
	}
}

func seconds(millis uint64) float64 { return float64(millis) / 1000 }

func semconvFilesystemDefinitions() []definition {
	reserved := func(fs *filesystemReading) uint64 { return rest(fs.Free, fs.Available) }
	return []definition{
		perFilesystem(by(systemconv.FilesystemUsage{}, upDownCounter), func(o *observer, fs *filesystemReading) {
			o.count(fs.Used, fs.labels.used)
			o.count(fs.Available, fs.labels.free)
			o.count(reserved(fs), fs.labels.reserved)
		}),
		perFilesystem(byReal(systemconv.FilesystemUtilization{}, gauge), func(o *observer, fs *filesystemReading) {
			o.part(fs.Used, fs.Total, fs.labels.used)
			o.part(fs.Available, fs.Total, fs.labels.free)
			o.part(reserved(fs), fs.Total, fs.labels.reserved)
		}),
		perFilesystem(by(systemconv.FilesystemLimit{}, upDownCounter), func(o *observer, fs *filesystemReading) {
			o.count(fs.Total, fs.labels.all)
		}),
	}
}

func semconvNetworkDefinitions() []definition {
	type link = hoststat.Interface
	both := func(c convention, of func(*link) (received, sent uint64)) definition {
		return perInterface(by(c, counter), func(o *observer, i *interfaceReading) {
			received, sent := of(&i.Interface)
			o.count(received, i.labels.receive)
			o.count(sent, i.labels.transmit)
		})
	}
	return []definition{
		both(systemconv.NetworkIO{}, func(i *link) (uint64, uint64) { return i.RxBytes, i.TxBytes }),
		both(systemconv.NetworkErrors{}, func(i *link) (uint64, uint64) { return i.RxErrors, i.TxErrors }),
		both(systemconv.NetworkPacketDropped{}, func(i *link) (uint64, uint64) { return i.RxDropped, i.TxDropped }),
		perInterface(by(systemconv.NetworkPacketCount{}, counter), func(o *observer, i *interfaceReading) {
			o.count(i.RxPackets, i.labels.packetsReceive)
			o.count(i.TxPackets, i.labels.packetsTransmit)
		}),
	}
}
