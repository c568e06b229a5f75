package kmsg

import (
	"errors"
	"testing"

	"github.com/otelnpd/otelnpd/pipeline"
)

const ordinary = "6,1234,345678901,-;eth0: a line of the kernel's log of ordinary length, with some words in it to make 98 bytes\n"

func BenchmarkParse(b *testing.B) {
	buffer := make([]byte, len(ordinary))
	var record Record
	b.ReportAllocs()
	for b.Loop() {
		copy(buffer, ordinary)
		if err := Parse(&record, buffer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkQueueToBatch takes records from what a read gave to a batch: queue,
// decoding, times. One operation is one record.
func BenchmarkQueueToBatch(b *testing.B) {
	q := newQueue(maxChunks)
	var o offsets
	count := 0
	batches := assembler{clock: pipeline.SystemClock{}, offsets: &o, deliver: func(batch Batch) { count += len(batch.Records) }}
	sequence := []byte(ordinary)
	number := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		number++
		for i, n := 5, number; i >= 2; i, n = i-1, n/10 { // four digits that grow
			sequence[i] = byte('0' + n%10)
		}
		q.push(copy(q.space(), sequence), false)
		if number%256 != 0 {
			continue
		}
		q.commit()
		entries, _ := q.take()
		batches.batch.Next = 0
		batches.entries(entries)
		q.release(entries)
		q.rewind()
	}
	if count == 0 && b.N > 256 {
		b.Fatal("nothing came out")
	}
}

// BenchmarkReadKernelLog reads what /dev/kmsg holds, again and again: one
// operation is one record, system call included.
func BenchmarkReadKernelLog(b *testing.B) {
	var device *device
	buffer := make([]byte, MaxRecord)
	var record Record
	b.ReportAllocs()
	for b.Loop() {
		n, err := 0, errDrained
		if device != nil {
			n, err = device.read(buffer)
		}
		if errors.Is(err, errDrained) {
			b.StopTimer()
			if device != nil {
				device.close()
			}
			if device, err = openDevice("/dev/kmsg"); err != nil {
				b.Skip(err)
			}
			n, err = device.read(buffer)
			b.StartTimer()
		}
		if err != nil {
			continue
		}
		if err := Parse(&record, buffer[:n]); err != nil {
			b.Fatal(err)
		}
	}
	if device != nil {
		device.close()
	}
}
