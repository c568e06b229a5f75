package sample

import (
	"strings"
	"time"

	"github.com/otelnpd/otelnpd/pipeline"
)

// maxSources is how many sources have a limit of their own at a time.
const maxSources = 1024

// limits are the limits of all sources. A limit that is as it was at first is forgotten,
// since a new one says the same; beyond 1,024 sources the others share one.
type limits struct {
	rate, burst float64 // lines a second, lines
	// now is the boot clock of the batch under way.
	now    time.Duration
	all    map[sourceKey]*limit
	others limit
	// nextForget is when to look next for limits to forget: not with every line.
	nextForget time.Duration
	// last is that of the line before: most lines are of the source of the line before.
	last *limit
}

type sourceKey struct{ receiver, source string }

// limit is a token bucket: it holds allowed lines at a time.
type limit struct {
	key     sourceKey
	allowed float64
	at      time.Duration
}

func newLimits(rate, burst float64) *limits {
	return &limits{rate: rate, burst: burst, all: map[sourceKey]*limit{}, others: limit{allowed: burst}}
}

// take tells whether a line may pass, and if so reckons it.
func (l *limits) take(record *pipeline.Record) bool {
	limit := l.of(sourceKey{record.Receiver, record.Place.Source})
	l.fill(limit)
	if limit.allowed < 1 {
		return false
	}
	limit.allowed--
	return true
}

// fill allows what time has brought.
func (l *limits) fill(limit *limit) {
	if passed := l.now - limit.at; passed > 0 {
		limit.allowed = min(l.burst, limit.allowed+passed.Seconds()*l.rate)
		limit.at = l.now
	}
}

func (l *limits) of(key sourceKey) *limit {
	if l.last != nil && l.last.key == key {
		return l.last
	}
	found := l.all[key]
	if found == nil {
		if found = l.add(key); found == &l.others {
			return found // it may have one of its own next time
		}
	}
	l.last = found
	return found
}

func (l *limits) add(key sourceKey) *limit {
	if len(l.all) >= maxSources && l.now >= l.nextForget {
		l.forget()
	}
	if len(l.all) >= maxSources {
		return &l.others
	}
	own := sourceKey{strings.Clone(key.receiver), strings.Clone(key.source)} // the batch's texts are not ours
	added := &limit{key: own, allowed: l.burst, at: l.now}
	l.all[own] = added
	return added
}

// forget lets go of limits of which nothing is used.
func (l *limits) forget() {
	l.last, l.nextForget = nil, l.now+time.Second
	for key, limit := range l.all {
		if l.fill(limit); limit.allowed >= l.burst {
			delete(l.all, key)
		}
	}
}
