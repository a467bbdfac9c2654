// Command nicctl compiles P4 programs and operates NIC datapaths.
package main

import (
	"os"

	"github.com/p4nic/p4nic/nicctl"
)

func main() { os.Exit(nicctl.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
