package health

import (
	"testing"

	"github.com/otelnpd/otelnpd/pipeline/state/statetest"
)

func TestTheFormOfWhatIsKeptIsFrozen(t *testing.T) { statetest.RequireForm(t, kept{}) }
