package pstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/pstore"
)

func TestContract(t *testing.T) {
	m := newMachine(t, "ramoops", "erst")
	const lines = 700
	for part := 1; part <= 3; part++ {
		var text strings.Builder
		for i := range lines {
			fmt.Fprintf(&text, "<%d>[%5d.%06d] line %d of part %d\n", i%8, 80000-part*lines+i, i, i, part)
		}
		m.write(fmt.Sprintf("dmesg-erst-%d", part), fmt.Sprintf("Panic#3 Part%d\n%s", part, text.String()), crash.Add(time.Duration(part)*time.Second))
	}
	pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
		New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
			t.Helper()
			factory := pstore.NewFactory()
			receiver, err := factory.Create(m.settings, m.config, next)
			require.NoError(t, err)
			return receiver
		},
		AtLeast: 3*lines + 11,
	})
}
