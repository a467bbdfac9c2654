package kernel

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL of linux/membarrier.h. The kernel
// implements it with an RCU grace period (D11).
const membarrierGlobal = 1

// grace waits until every program run that was under way when it was called
// has ended.
type grace struct {
	outer, inner *ebpf.Map // fallback; nil while membarrier works
}

func newGrace() (*grace, error) {
	if membarrier() == nil {
		return &grace{}, nil
	}
	return newMapGrace() // kernels with nohz_full refuse the barrier
}

// newMapGrace waits by updating a map-in-map: the kernel returns when no program
// can hold the old inner map.
func newMapGrace() (*grace, error) {
	spec := &ebpf.MapSpec{Name: "grace_inner", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	inner, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("grace period: %w", err)
	}
	outer, err := ebpf.NewMap(&ebpf.MapSpec{Name: "grace", Type: ebpf.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1, InnerMap: spec})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("grace period: %w", err), inner.Close())
	}
	return &grace{outer: outer, inner: inner}, nil
}

func membarrier() error {
	if _, _, e := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0); e != 0 {
		return e
	}
	return nil
}

func (g *grace) wait() error {
	var err error
	if g.outer == nil {
		err = membarrier()
	} else {
		err = g.outer.Update(uint32(0), g.inner, ebpf.UpdateAny)
	}
	if err != nil {
		return fmt.Errorf("grace period: %w", err)
	}
	return nil
}

func (g *grace) close() error {
	if g.outer == nil {
		return nil
	}
	return errors.Join(g.outer.Close(), g.inner.Close())
}
