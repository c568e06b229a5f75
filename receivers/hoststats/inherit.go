package hoststats

// inherit takes over what another digester knows of earlier readings. Its goroutine has
// ended.
func (d *digester) inherit(from *digester) {
	d.history = from.history
	if d.families == from.families && d.config.CPU.LogicalNumbers == from.config.CPU.LogicalNumbers {
		return
	}
	for _, one := range d.cpus.things {
		one.labels = nil // they are made anew
	}
}

// wanted is a reading without what this digester leaves out. What it has and the reading
// has not comes with its own first one.
func (d *digester) wanted(last *reading) *reading {
	made := *last
	made.cpus, made.disks, made.filesystems, made.interfaces = nil, nil, nil, nil
	for i := range last.cpus {
		if labels := last.cpus[i].labels; len(made.cpus) < d.config.CPU.MaxCPUs && d.labelled(labels) {
			made.cpus = append(made.cpus, last.cpus[i])
		}
	}
	for i := range last.disks {
		if one := &last.disks[i]; len(made.disks) < d.config.Disk.MaxDevices && d.wantsDisk(&one.Disk, one.mounted) {
			made.disks = append(made.disks, *one)
		}
	}
	for i := range last.filesystems {
		if one := &last.filesystems[i]; len(made.filesystems) < d.config.Filesystem.MaxMounts && d.mountPoints.wants(one.MountPoint) {
			made.filesystems = append(made.filesystems, *one)
		}
	}
	for i := range last.interfaces {
		if one := &last.interfaces[i]; len(made.interfaces) < d.config.Network.MaxInterfaces && d.interfaceNames.wants(one.Name) {
			made.interfaces = append(made.interfaces, *one)
		}
	}
	return &made
}

// labelled tells whether a CPU has the labels that its metrics need.
func (d *digester) labelled(labels *cpuLabels) bool {
	return (!d.families.npd || labels.stages != nil) && (!d.families.semconv || !d.config.CPU.LogicalNumbers || labels.modes != nil)
}
