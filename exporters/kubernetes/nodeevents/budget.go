package nodeevents

import (
	"math"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// maxReasons is how many reasons have a bucket of their own.
const maxReasons = 128

// claim is what a token is asked for.
type claim struct {
	reason string
	// condition: it tells of a condition.
	condition bool
	// repeat: its series is known already.
	repeat bool
}

// budget decides which occurrences make a request. Times are on the boot clock.
type budget struct {
	config  Config
	total   *rate.Limiter
	reasons map[string]*reasonBucket
	// others is shared by the reasons beyond maxReasons.
	others *rate.Limiter
	asked  uint64
}

type reasonBucket struct {
	*rate.Limiter
	asked uint64 // by the budget's count: the least recently used goes first
}

func newBudget(config Config) *budget {
	return &budget{
		config: config, total: config.Total.bucket(), others: config.PerReason.bucket(),
		reasons: map[string]*reasonBucket{},
	}
}

func (b Budget) bucket() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(b.PerMinute)/time.Minute.Seconds()), b.Burst)
}

// spent is how many tokens are missing from a bucket.
func spent(bucket *rate.Limiter, boot time.Duration) float64 {
	return max(0, float64(bucket.Burst())-bucket.TokensAt(onClock(boot)))
}

// bucketWithout is a bucket from which so many tokens were missing at a time. One of
// another size lacks as many: who raises a burst can use what was added.
func (b Budget) bucketWithout(missing float64, boot time.Duration) *rate.Limiter {
	bucket := b.bucket()
	missing = max(0, min(missing, float64(b.Burst)))
	// Whole tokens alone can be taken: that was so long before.
	whole := math.Ceil(missing)
	before := time.Duration((whole - missing) / float64(bucket.Limit()) * float64(time.Second))
	bucket.AllowN(onClock(boot-before), int(whole))
	return bucket
}

// take takes a token of both buckets, or none.
func (b *budget) take(boot time.Duration, c claim) bool {
	return b.wait(boot, c) == 0 && b.total.AllowN(onClock(boot), 1) && b.bucket(boot, c.reason).AllowN(onClock(boot), 1)
}

// wait is how long it takes at least until both buckets have a token for the
// claim, and 0 when they have. What matters less leaves tokens to what matters
// more.
func (b *budget) wait(boot time.Duration, c claim) time.Duration {
	leave, leaveOwn := b.config.Total.Burst/4, 0
	if c.repeat {
		leave, leaveOwn = b.config.Total.Burst/2, b.config.PerReason.Burst/2
	}
	if c.condition {
		leave = 0
	}
	if wait := untilToken(b.total, boot, leave); wait > 0 {
		return wait
	}
	return untilToken(b.bucket(boot, c.reason), boot, leaveOwn)
}

// bucket finds the reason's bucket, or makes one. Full ones are as good as new:
// when there are too many buckets, the least recently used of them goes.
func (b *budget) bucket(boot time.Duration, reason string) *rate.Limiter {
	b.asked++
	own := b.reasons[reason]
	if own == nil {
		if len(b.reasons) >= maxReasons && !b.forgetFull(boot) {
			return b.others
		}
		own = &reasonBucket{Limiter: b.config.PerReason.bucket()}
		b.reasons[strings.Clone(reason)] = own
	}
	own.asked = b.asked
	return own.Limiter
}

func (b *budget) forgetFull(boot time.Duration) bool {
	oldest, found := "", false
	for reason, bucket := range b.reasons {
		full := untilToken(bucket.Limiter, boot, bucket.Burst()-1) == 0
		if full && (!found || bucket.asked < b.reasons[oldest].asked) {
			oldest, found = reason, true
		}
	}
	delete(b.reasons, oldest)
	return found
}

// untilToken is how long it takes until a token can be taken that leaves so many:
// whole milliseconds, so that it has come when they are over.
func untilToken(bucket *rate.Limiter, boot time.Duration, leave int) time.Duration {
	missing := float64(1+leave) - bucket.TokensAt(onClock(boot))
	if missing <= 0 {
		return 0
	}
	wait := missing / float64(bucket.Limit()) * float64(time.Second/time.Millisecond)
	return time.Duration(math.Ceil(wait)) * time.Millisecond
}

// onClock turns the boot clock into what rate wants.
func onClock(boot time.Duration) time.Time { return time.Unix(0, int64(boot)) }
