package pipeline_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
)

func TestIsHandOver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	require.False(t, pipeline.IsHandOver(ctx))
	cancel()
	require.True(t, pipeline.IsHandOver(ctx))
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	require.False(t, pipeline.IsHandOver(late), "the time for the end is over, and nobody follows")
}
