// Package dataplane is the contract between the store, which decides what the
// tables hold, and the engines that carry packets: runtime/kernel (eBPF),
// runtime/sim (ir/exec with ports) and runtime/remote (a P4Runtime device).
//
// In: a core program and entries in machine form. Out: acknowledgements that
// mean "in the datapath", counters, ports, packets for the CPU port.
// Must not import: store, adapters, protobuf.
package dataplane

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Content is what one table holds when a generation is filled.
type Content struct {
	// Entries are in order of insertion. The store chooses the handles, from
	// 1..n where n is the table's size (1024 where it has none, never less than
	// the number of its entries in the program).
	Entries []ir.Entry
	// Each, where it is set, gives the entries instead of Entries, one after the
	// other, so that millions need not be held at once; they stay as they are.
	// Count is their number. An engine goes through All, while Prepare runs.
	Each    iter.Seq[ir.Entry]
	Count   int
	Default ir.Entry // handle 0
}

// All gives the entries.
func (c *Content) All() iter.Seq[ir.Entry] {
	if c.Each != nil {
		return c.Each
	}
	return slices.Values(c.Entries)
}

// Len is the number of entries.
func (c *Content) Len() int {
	if c.Each != nil {
		return c.Count
	}
	return len(c.Entries)
}

// Config is a pipeline to load.
type Config struct {
	Program *ir.Program // core level; indices of tables below are into Program.Tables
	Content []Content   // one a table
	// KeepState: counters, registers and other state of the live generation are
	// kept by name and shape (D1, D7); else they start at zero. The shape of a
	// direct counter is that its table has one and holds as many entries as
	// before; of an instance, its type and size. The store keeps the bases of
	// counters (D12) by the same rule.
	KeepState bool
	// Fill, where it is set, gives the generation what entries of Content refer to:
	// members and groups of action profiles. Prepare of a Plane with Entities calls
	// it with the new generation before it takes Content, and returns its error.
	Fill func(Entities) error
	// Sequence identifies the generation; it only rises (D3).
	Sequence uint64
}

// OpKind tells what an Op does.
type OpKind uint8

const (
	Insert OpKind = iota
	Modify        // same handle and match, new action or arguments
	Delete
	SetDefault // Entry.Handle 0
)

// Op is one change of a table of the live generation.
type Op struct {
	Kind  OpKind
	Table int
	Entry ir.Entry // Delete: Handle and Match and Priority are read
}

// Counter is the reading of one direct or indirect counter cell.
type Counter struct {
	Packets, Bytes uint64
}

// Port is a connection between a netdev and a P4 port number.
type Port struct {
	Number  uint32
	Netdev  string
	Hook    string // "xdp", "tc", or "" for the engine's choice by kind of device
	Host    string // simulator only: the netdev that leads to the host's stack (D8)
	MTU     int
	Up      bool   // status only
	Problem string // status only: why it is not attached
	Note    string // status only: what the operator should know though it works ("generic XDP")
}

// Stats are counts of one port since attachment.
type Stats struct {
	RxPackets, RxBytes, TxPackets, TxBytes uint64
	Drops                                  uint64
}

// Generation is a prepared pipeline that carries no traffic yet.
type Generation interface {
	// Commit switches all ports to it with one store and frees the old one after
	// a grace period. After an error the old one still runs.
	Commit() error
	// Abort frees it.
	Abort()
}

// Plane is one device's datapath. Prepare, Apply, Attach and Close are called
// from one goroutine at a time (the store's applier); Counters, Ports and Stats
// from any.
type Plane interface {
	// Name says what engine this is: "kernel", "sim".
	Name() string
	// Check tells whether the program can run here, without changing anything.
	// Errors are *Unsupported where a construct is the reason.
	Check(p *ir.Program) error
	Prepare(c Config) (Generation, error)
	// Apply makes the changes in order on the live generation; one error an op
	// (nil slice = all done). When it returns the changes are in the datapath.
	Apply(ops []Op) []error
	// Counters fills out with the direct counters of the handles.
	Counters(table int, handles []uint32, out []Counter) error
	// InstanceCounters reads cells of an indirect counter by control-plane name.
	InstanceCounters(name string, index []uint32, out []Counter) error
	// Attach connects a port; with no pipeline loaded packets pass to the kernel.
	Attach(p Port) error
	// Detach gives the port's netdev back.
	Detach(number uint32) error
	Ports() []Port
	PortStats(number uint32) (Stats, error)
	// AppliedSequence is the journal sequence that MarkApplied stored last, from
	// a cell that survives the daemon (D6); 0 when there is none.
	AppliedSequence() uint64
	MarkApplied(seq uint64)
	// Close ends the daemon's part and leaves the datapath running where the
	// engine can do that (kernel).
	Close() error
	// DetachAll removes everything this instance put into the system.
	DetachAll() error
}

// Gracer is a Plane that can tell when no packet uses what earlier calls of
// Apply took away (D11). The store calls Grace before it gives the handle of a
// deleted entry to a new one; a Plane without it promises that Apply returns
// only after that time.
type Gracer interface {
	Grace() error
}

// ErrFull is returned for an op on a table without room; ErrNoEntry for a
// Modify or Delete of what is not there.
var (
	ErrFull    = errors.New("table full")
	ErrNoEntry = errors.New("no such entry")
	ErrNoPort  = errors.New("no such port")
)

// Unsupported says that a program, or a part of it, cannot run on an engine.
type Unsupported struct {
	Construct string // "multicast", "table acl: match kind ternary"
	File      string
	Line      int
	Reason    string
	Remedy    string
}

func (u *Unsupported) Error() string {
	s := u.Construct + ": " + u.Reason
	if u.File != "" {
		s = fmt.Sprintf("%s:%d: %s", u.File, u.Line, s)
	}
	if u.Remedy != "" {
		s += " (" + u.Remedy + ")"
	}
	return s
}

// Foreign is a program of somebody else where ours should go (D18).
type Foreign struct {
	Netdev, Hook  string
	Program       string
	ProgramID     uint32
	LinkID        uint32
	Pin, Instance string // pin path when known; the other p4nic instance when it is one
	PID           int
	Command       string
}

func (f *Foreign) Error() string {
	s := fmt.Sprintf("%s: %s already has program %q (id %d", f.Netdev, f.Hook, f.Program, f.ProgramID)
	if f.LinkID != 0 {
		s += fmt.Sprintf(", link id %d", f.LinkID)
	}
	if f.Pin != "" {
		s += ", pinned at " + f.Pin
	}
	if f.PID != 0 {
		s += fmt.Sprintf(", held by process %d %s", f.PID, f.Command)
	}
	s += ")"
	if f.Instance != "" {
		s += fmt.Sprintf("; it belongs to p4nic instance %q: stop it with `nicctl --instance %s detach`", f.Instance, f.Instance)
	} else {
		s += "; detach it first"
	}
	return s
}
