package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/p4nic/p4nic/runtime/kernel"
)

// pinRoot is where the instances that run in the kernel have their directories.
const pinRoot = "/sys/fs/bpf/p4nic"

// leaveKernel takes off what an earlier nicd of this instance left in the kernel
// when another engine serves the ports now: packets would be forwarded twice.
// It runs when that engine is connected, so that a start that fails leaves the
// datapath as it was.
func (d *Daemon) leaveKernel() error {
	if d.config.Engine == EngineKernel {
		return nil
	}
	_, err := os.Stat(filepath.Join(pinRoot, d.config.Instance))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission): // without privileges there was none
		return nil
	case err != nil:
		return err
	}
	netdevs, err := kernel.Remove(kernel.Options{Instance: d.config.Instance, Logger: d.log})
	if err != nil {
		return fmt.Errorf("take off the datapath that runs in the kernel: %w", err)
	}
	d.log.Info("the datapath in the kernel is taken off", "engine", d.plane.Name(), "netdevs", netdevs)
	return nil
}
