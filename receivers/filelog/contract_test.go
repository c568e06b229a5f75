package filelog_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/otelnpd/otelnpd/pipeline"
	"github.com/otelnpd/otelnpd/pipeline/pipelinetest"
	"github.com/otelnpd/otelnpd/receivers/filelog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newReceiver(t testing.TB, settings pipeline.Settings, config *filelog.Config, next pipeline.Consumer) *filelog.Receiver {
	t.Helper()
	require.NoError(t, config.Validate())
	receiver, err := filelog.New(settings, config, next)
	require.NoError(t, err)
	t.Cleanup(func() { shutdown(t, receiver) })
	return receiver
}

func shutdown(t testing.TB, component pipeline.Component) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, component.Shutdown(ctx))
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// The contracts, over lines of several forms: single, joined from several, and those of
// a container, parts of whose streams stand between one another.
func TestContract(t *testing.T) {
	for name, tt := range map[string]struct {
		config func(*filelog.Config)
		// lines makes record i; a record is at most all of them.
		lines func(at time.Time, i int) string
	}{
		"syslog": {
			func(c *filelog.Config) { c.Format = "syslog" },
			func(at time.Time, i int) string {
				return fmt.Sprintf("%s node-1 kernel: line %d\n", at.Format(time.RFC3339Nano), i)
			},
		},
		"joined": {
			func(c *filelog.Config) { c.Format, c.Multiline.Start = "klog", `^[IWEF]\d{4} ` },
			func(at time.Time, i int) string {
				return fmt.Sprintf("I%s 1 main.go:1] line %d\n  and more\n  of it\n", at.UTC().Format("0102 15:04:05.000000"), i)
			},
		},
		"containers": {
			func(c *filelog.Config) { c.Format = "cri" },
			func(at time.Time, i int) string {
				stamp := at.Format(time.RFC3339Nano)
				return fmt.Sprintf("%s stdout P line %d\n%s stderr P other\n%s stdout F  goes on\n%s stderr F  too\n", stamp, i, stamp, stamp, stamp)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			begun, written := time.Now().Add(-time.Second).Truncate(time.Microsecond), 0
			write := func(t *testing.T, n int) {
				t.Helper()
				var text strings.Builder
				for range n {
					text.WriteString(tt.lines(begun.Add(time.Duration(written)*time.Microsecond), written))
					written++
				}
				appendTo(t, path, text.String())
			}
			write(t, 1500)
			pipelinetest.CheckReceiver(t, pipelinetest.ReceiverUnderTest{
				New: func(t *testing.T, next pipeline.Consumer) pipeline.Component {
					t.Helper()
					settings := pipelinetest.Settings(t, "filelog")
					settings.Keeping.IsDurable = func() bool { return true }
					config := filelog.DefaultConfig()
					config.Include, config.TimeZone = []string{path}, "UTC"
					tt.config(config)
					require.NoError(t, config.Validate())
					receiver, err := filelog.New(settings, config, next)
					require.NoError(t, err)
					return receiver
				},
				Feed:    write,
				AtLeast: 1500,
			})
		})
	}
}
