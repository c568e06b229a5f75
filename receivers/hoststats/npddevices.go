package hoststats

import "github.com/otelnpd/otelnpd/pipeline/source/hoststat"

func npdDiskDefinitions() []definition {
	disk := func(name, unit, description string, of func(*hoststat.Disk) uint64) definition {
		return perDisk(definition{name: name, unit: unit, description: description, kind: counter}, func(o *observer, d *diskReading) {
			o.count(of(&d.Disk), d.labels.npd)
		})
	}
	both := func(name, unit, description string, of func(*hoststat.Disk) (read, write uint64)) definition {
		return perDisk(definition{name: name, unit: unit, description: description, kind: counter}, func(o *observer, d *diskReading) {
			read, write := of(&d.Disk)
			o.count(read, d.labels.npdRead)
			o.count(write, d.labels.npdWrite)
		})
	}
	type device = hoststat.Disk
	return []definition{
		disk("disk/io_time", npdMillis, "Time in which the disk had something to do.", func(d *device) uint64 { return d.IOMillis }),
		disk("disk/weighted_io", npdMillis, "Time in which the disk had something to do, times the number of requests.", func(d *device) uint64 { return d.WeightedMillis }),
		perDisk(definition{
			name: "disk/avg_queue_len", unit: npdNone, description: "Requests at a time, on average of the last interval.", kind: gauge, real: true,
		}, func(o *observer, d *diskReading) {
			if d.queueKnown {
				o.figure(d.queue, d.labels.npd)
			}
		}),
		both("disk/operation_count", npdNone, "Operations that are done.", func(d *device) (uint64, uint64) { return d.Reads, d.Writes }),
		both("disk/merged_operation_count", npdNone, "Operations that were merged with others.", func(d *device) (uint64, uint64) { return d.ReadsMerged, d.WritesMerged }),
		both("disk/operation_bytes_count", npdNone, "Bytes read and written.", func(d *device) (uint64, uint64) { return d.ReadBytes, d.WrittenBytes }),
		both("disk/operation_time", npdMillis, "Time that operations took, of all together.", func(d *device) (uint64, uint64) { return d.ReadMillis, d.WriteMillis }),
		perFilesystem(definition{
			name: "disk/bytes_used", unit: npdBytes, description: "Size of file systems by its use. Free is what is not kept for root.", kind: gauge,
		}, func(o *observer, fs *filesystemReading) {
			o.count(fs.Available, fs.labels.npdFree)
			o.count(fs.Used, fs.labels.npdUsed)
		}),
		perFilesystem(definition{
			name: "disk/percent_used", unit: npdPercent, description: "Part of file systems that is used, of what is not kept for root.", kind: gauge, real: true,
		}, func(o *observer, fs *filesystemReading) {
			if all := fs.Used + fs.Available; all > 0 {
				o.figure(100*float64(fs.Used)/float64(all), fs.labels.npd)
			}
		}),
	}
}

// perDisk makes a definition of one that is told for each block device.
func perDisk(d definition, tell func(*observer, *diskReading)) definition {
	d.group, d.parts = groupDisk, hoststat.PartDisks
	d.observe = func(o *observer, r *reading) {
		for i := range r.disks {
			tell(o, &r.disks[i])
		}
	}
	return d
}

// perFilesystem makes a definition of one that is told for each file system.
func perFilesystem(d definition, tell func(*observer, *filesystemReading)) definition {
	d.group, d.parts = groupFilesystem, hoststat.PartFileSystems
	d.observe = func(o *observer, r *reading) {
		for i := range r.filesystems {
			tell(o, &r.filesystems[i])
		}
	}
	return d
}

// perInterface makes a definition of one that is told for each network interface.
func perInterface(d definition, tell func(*observer, *interfaceReading)) definition {
	d.group, d.parts = groupNetwork, hoststat.PartInterfaces
	d.observe = func(o *observer, r *reading) {
		for i := range r.interfaces {
			tell(o, &r.interfaces[i])
		}
	}
	return d
}

func npdNetDefinitions() []definition {
	net := func(name, description string, of func(*hoststat.Interface) uint64) definition {
		return perInterface(definition{name: name, unit: npdNone, description: description, kind: counter}, func(o *observer, i *interfaceReading) {
			o.count(of(&i.Interface), i.labels.npd)
		})
	}
	type link = hoststat.Interface
	return []definition{
		net("net/rx_bytes", "Bytes received.", func(i *link) uint64 { return i.RxBytes }),
		net("net/rx_packets", "Packets received.", func(i *link) uint64 { return i.RxPackets }),
		net("net/rx_errors", "Errors in receiving.", func(i *link) uint64 { return i.RxErrors }),
		net("net/rx_dropped", "Packets received and dropped.", func(i *link) uint64 { return i.RxDropped }),
		net("net/rx_fifo", "Errors of the receiver's FIFO.", func(i *link) uint64 { return i.RxFIFO }),
		net("net/rx_frame", "Errors of frames received.", func(i *link) uint64 { return i.RxFrame }),
		net("net/rx_compressed", "Compressed packets received.", func(i *link) uint64 { return i.RxCompressed }),
		net("net/rx_multicast", "Multicast frames received.", func(i *link) uint64 { return i.RxMulticast }),
		net("net/tx_bytes", "Bytes sent.", func(i *link) uint64 { return i.TxBytes }),
		net("net/tx_packets", "Packets sent.", func(i *link) uint64 { return i.TxPackets }),
		net("net/tx_errors", "Errors in sending.", func(i *link) uint64 { return i.TxErrors }),
		net("net/tx_dropped", "Packets dropped in sending.", func(i *link) uint64 { return i.TxDropped }),
		net("net/tx_fifo", "Errors of the sender's FIFO.", func(i *link) uint64 { return i.TxFIFO }),
		net("net/tx_collisions", "Collisions in sending.", func(i *link) uint64 { return i.TxCollisions }),
		net("net/tx_carrier", "Losses of the carrier in sending.", func(i *link) uint64 { return i.TxCarrier }),
		net("net/tx_compressed", "Compressed packets sent.", func(i *link) uint64 { return i.TxCompressed }),
	}
}
