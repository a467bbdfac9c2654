// Command nicd runs a P4 pipeline on this machine's network devices.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/p4nic/p4nic/runtime/daemon"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends nicd at once
	code := daemon.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
