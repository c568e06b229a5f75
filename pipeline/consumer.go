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

// Acceptor is a consumer that tells of its acceptance as a part of it.
type Acceptor interface {
	Consumer
	// ConsumeThen is Consume, and calls accepted before it returns nil. Who holds
	// the graph sees the batch accepted and what accepted does, or neither.
	ConsumeThen(ctx context.Context, batch []Record, accepted func()) error
}

// Send brings a batch to a consumer and calls accepted once it is accepted: there a
// receiver moves its position. If the consumer is an [Acceptor], as the way into
// the pipelines is, a position never lags behind what the pipelines have seen.
// accepted is quick and sends nothing.
func Send(ctx context.Context, to Consumer, batch []Record, accepted func()) error {
	if acceptor, ok := to.(Acceptor); ok {
		return acceptor.ConsumeThen(ctx, batch, accepted)
	}
	if err := to.Consume(ctx, batch); err != nil {
		return err
	}
	accepted()
	return nil
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
