// Command prepare gets the servers of the integration tests into the cache, all or
// those that are named, says what it does meanwhile, and prints the folders of their
// programs. Where one cannot be got it says so and goes on: the tests that need it
// will skip, or fail where CI=true.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/otelnpd/otelnpd/integration/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	folders, err := servers.Prepare(ctx, os.Args[1:]...)
	for _, folder := range folders {
		fmt.Println(folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare: not all servers are there:", err)
	}
}
