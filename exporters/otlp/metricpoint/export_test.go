package metricpoint

// Streams is how many streams are remembered.
func (d *Deltas) Streams() int { return len(d.taken) }
