package nodeconditions

import "time"

// Inherit makes the patcher go on in the place of another one, whose Run has ended:
// it is called before Run. What that one knew of the Node holds on, so that the Node
// is neither read nor taken over again; all conditions are told at once, since what
// is told with, and to whom, may have changed. Its metrics are this one's from now on:
// the other one is not closed.
func (p *Patcher) Inherit(from *Patcher) {
	p.metrics = from.metrics
	if from.uid == "" || p.config.Write && !from.seeded() {
		return
	}
	p.uid, p.lost = from.uid, from.lost
	p.written, p.markFailed = from.written, from.markFailed
	// What the other one waited for may be mended now.
	p.notBefore = from.notBefore
	if soon := time.Now().Add(patchInterval); p.notBefore.After(soon) {
		p.notBefore = soon
	}
}

// seeded tells whether the store was given what the Node says, by this patcher or
// one before it.
func (p *Patcher) seeded() bool { return p.metrics.isSeeded.Load() }
