// Package integration tests the built agent on the real kernel log and against real
// servers.
package integration

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/otelnpd/otelnpd/integration/agent"
)

// binary is the agent that the tests run, as `make build` makes it.
var binary string

func TestMain(m *testing.M) {
	// Tests that run beside each other wait for most of their time.
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var err error
	if binary, err = agent.Build(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
