package npd_test

import (
	"os"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/otelnpd/otelnpd/config/npd"
)

// The page on migration tells of every flag, and shows a warning as it is told.
func TestMigrationIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/migrate-from-npd.md")
	require.NoError(t, err)
	page := string(text)
	npd.Flags(&npd.Options{}).VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden && flag.Name != "v" {
			require.Contains(t, page, "`--"+flag.Name+"`")
		}
	})
	conversion, err := convert(t, pluginFlag, `{"plugin": "custom", "source": "s", "conditions": [{"type": "NTPProblem", "reason": "R"}], "rules": [{"type": "permanent", "condition": "NTPProblem", "reason": "NTPIsDown", "path": "./config/plugin/check_ntp.sh"}]}`)
	require.NoError(t, err)
	require.Len(t, conversion.Warnings, 1)
	require.Contains(t, page, ": "+conversion.Warnings[0].Message+"\n")
}
