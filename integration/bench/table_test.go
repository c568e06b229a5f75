package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	results := parse([]byte(`goos: linux
BenchmarkLine/impl=otelnpd/rules=14-2     	  100	 80.5 ns/op	 0 B/op	 0 allocs/op
BenchmarkLine/impl=reference/rules=14-2   	    1	 8050 ns/op	 9 B/op	 1 allocs/op
BenchmarkStart-2	 20	 0 ns/op	 31.25 p50-ms-ready
PASS
ok  	example.org/x	1.2s
`))
	require.Len(t, results, 3)
	require.Equal(t, []string{"p50-ms-ready"}, results[2].units)
	var out strings.Builder
	printTable(&out, results)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 5)
	require.Regexp(t, `benchmark +\| ns/op +\| B/op +\| allocs/op +\| p50-ms-ready +\| reference ÷ this`, lines[0])
	require.Regexp(t, `otelnpd/rules=14 +\| 80.5 +\| 0 +\| 0 +\| +\| 100.0`, lines[2])
	require.NotContains(t, lines[3], "1.0")
	require.Regexp(t, `Start .*31.25`, lines[4])
}
