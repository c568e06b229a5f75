package pipeline

import (
	"context"
	"errors"
)

// IsHandOver tells a component whether its Shutdown with this context is a
// hand-over: the context was cancelled before, and did not run out of time. Then a
// successor takes, by [Keeper], what has been accepted and not delivered, so that
// nothing of it is lost or counted as such.
func IsHandOver(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// removal marks the context of a Shutdown after which nobody takes the component's
// place: a reload has taken it out.
type removal struct{}

func forRemoval(ctx context.Context) context.Context { return context.WithValue(ctx, removal{}, true) }

func isRemoval(ctx context.Context) bool { return ctx.Value(removal{}) != nil }
