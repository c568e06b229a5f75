// Package kmsg reads the kernel's log from /dev/kmsg and shares one reader among
// all who want the records. It knows nothing of pipelines; of package pipeline
// it uses the clock alone.
//
// One thread does nothing but read and keep the bytes in a bounded [queue]: it
// never waits for those behind it, because the kernel's ring does not wait
// either. A goroutine of its own decodes what the queue holds and brings it to
// the subscribers, batch by batch. Sequence numbers tell exactly how many
// records were lost on the way, and [Loss] tells why:
//
//	received + lost = last sequence − first sequence + 1
//
// The format is that of the kernel's document ABI/testing/dev-kmsg.
package kmsg
