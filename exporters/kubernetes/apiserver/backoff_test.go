package apiserver_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/exporters/kubernetes/apiserver"
)

func TestBackoffDoubles(t *testing.T) {
	backoff := apiserver.Backoff{Jitter: func() float64 { return 0.5 }}
	any := errors.New("any")
	for round := range 2 {
		for try, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10, 10, 10, 10, 10, 10} {
			require.Equal(t, want*time.Second, backoff.Next(any), "round %d, try %d", round, try)
		}
		backoff.Reset()
	}
}

func TestBackoffSpreads(t *testing.T) {
	jitter := 0.0
	backoff := apiserver.Backoff{Jitter: func() float64 { return jitter }}
	require.Equal(t, 800*time.Millisecond, backoff.Next(errors.New("any")))
	jitter = 0.9999999
	backoff.Reset()
	require.InDelta(t, float64(1200*time.Millisecond), float64(backoff.Next(errors.New("any"))), float64(time.Microsecond))
}

func TestBackoffObeysTheServer(t *testing.T) {
	jitter := 0.0
	backoff := apiserver.Backoff{Jitter: func() float64 { return jitter }}
	err := fmt.Errorf("writing: %w", &apiserver.Error{Kind: apiserver.Throttled, RetryAfter: 30 * time.Second})
	require.Equal(t, 30*time.Second, backoff.Next(err))
	jitter = 0.5
	require.Equal(t, 33*time.Second, backoff.Next(err))
	// A short one does not hurry it.
	require.Equal(t, 4*time.Second, backoff.Next(&apiserver.Error{RetryAfter: time.Second}))
}

func TestBackoffIsRandomByItself(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 20 {
		var backoff apiserver.Backoff
		wait := backoff.Next(errors.New("any"))
		require.GreaterOrEqual(t, wait, 800*time.Millisecond)
		require.LessOrEqual(t, wait, 1200*time.Millisecond)
		seen[wait] = true
	}
	require.Greater(t, len(seen), 1)
}
