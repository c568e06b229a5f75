package pipeline

import (
	"context"
	"errors"
)

// Consumer takes batches of records.
type Consumer interface {
	// Consume takes a batch. The batch and all that it points to are valid only
	// until Consume returns, and the consumer changes nothing in it.
	//
	// nil means accepted: the consumer now answers for every record that it
	// wants to keep. Delivery errors never travel upstream; an error means that
	// the consumer is shutting down and has taken nothing.
	//
	// Processors are called by one goroutine at a time, exporters by several.
	Consume(ctx context.Context, batch []Record) error
}

// ConsumerFunc makes a function a Consumer.
type ConsumerFunc func(ctx context.Context, batch []Record) error

// Consume calls f.
func (f ConsumerFunc) Consume(ctx context.Context, batch []Record) error { return f(ctx, batch) }

// FanOut returns a consumer that brings each batch to all of to, in order. All
// are asked even if one fails; their errors are joined.
func FanOut(to ...Consumer) Consumer {
	if len(to) == 1 {
		return to[0]
	}
	return fanOut(to)
}

type fanOut []Consumer

func (f fanOut) Consume(ctx context.Context, batch []Record) error {
	var errs []error
	for _, to := range f {
		if err := to.Consume(ctx, batch); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
