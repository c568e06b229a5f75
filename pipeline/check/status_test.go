package check

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
)

func TestStatusJoinsWhatIsMissing(t *testing.T) {
	var told pipelinetest.Statuses
	b := board{report: told.Report, checks: map[string]Degraded{}}
	noSocket := &Degraded{Reason: "no socket", Remedy: "mount /run"}

	b.set("b", noSocket)
	require.Equal(t, pipeline.Status{State: pipeline.ComponentDegraded, Reason: "b: no socket", Remedy: "mount /run"}, told.Last())
	b.set("a", noSocket)
	b.set("c", &Degraded{Reason: "no right", Remedy: "add CAP_SYS_ADMIN"})
	require.Equal(t, "a, b: no socket; c: no right", told.Last().Reason)
	require.Equal(t, "mount /run; add CAP_SYS_ADMIN", told.Last().Remedy)
	b.set("c", nil)
	require.Equal(t, "a, b: no socket", told.Last().Reason)
	b.set("a", nil)
	b.set("b", nil)
	require.Equal(t, pipeline.Status{State: pipeline.ComponentOK}, told.Last())
}

func TestStatusTellsOnlyWhatHasChanged(t *testing.T) {
	told := 0
	b := board{report: func(pipeline.Status) { told++ }, checks: map[string]Degraded{}}
	b.set("a", nil)
	require.Zero(t, told)
	b.set("a", &Degraded{Reason: "no socket"})
	b.set("a", &Degraded{Reason: "no socket"})
	require.Equal(t, 1, told)
}

func TestStatusIsBounded(t *testing.T) {
	var told pipelinetest.Statuses
	b := board{report: told.Report, checks: map[string]Degraded{}}
	for i := range 500 {
		b.set(fmt.Sprintf("c%03d", i), &Degraded{Reason: strings.Repeat("é", 4000) + strconv.Itoa(i), Remedy: fmt.Sprint("remedy ", i)})
	}
	require.LessOrEqual(t, len(told.Last().Reason), 4*(maxStatusText+20)+50)
	for i := range 500 {
		b.set(fmt.Sprintf("c%03d", i), &Degraded{Reason: fmt.Sprint("reason ", i), Remedy: fmt.Sprint("remedy ", i)})
	}
	require.Equal(t, "c000: reason 0; c001: reason 1; c002: reason 2; c003: reason 3 and 496 more", told.Last().Reason)
	require.Equal(t, "remedy 0; remedy 1; remedy 2; remedy 3 and 496 more", told.Last().Remedy)
}
