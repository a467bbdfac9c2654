// Package stf reads and plays STF files, the packet tests of P4 compilers: table
// entries, packets to send, packets to expect, counters to check.
//
// In: the text of a test and an Engine with a program. Out: whether the test
// passed, and a report that shows expected and received side by side.
// Must not import: the front end, a back end, runtime, nicctl.
//
// The rules T1 to T16 are those of the language checklist in docs/.
package stf

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Kind tells commands apart.
type Kind int

// Commands (T1, T2).
const (
	Add Kind = iota
	SetDefault
	RemoveAll
	SendPacket
	Expect
	NoPacket
	Wait
	CheckCounter
	RegisterRead
	RegisterWrite
	RegisterReset
	CounterRead
	CounterWrite
	CounterReset
	MirrorAdd   // ID PORT: clone session to a port
	MirrorAddMC // ID GROUP: clone session to a multicast group
	MirrorDelete
	MirrorGet
	GroupCreate // multicast group
	GroupDestroy
	NodeCreate // RID PORT...: node of a group, numbered from 0
	NodeUpdate // NODE PORT...
	NodeAssociate
	NodeDissociate
	NodeDestroy
	MeterRead
	MeterSet    // of one cell
	MeterSetAll // of an array
	Member      // of an action profile
	Group       // of an action selector
)

// Command is one line.
type Command struct {
	Kind  Kind
	Line  int
	Name  string // table, counter, register; of Other the command itself
	Table string

	// Add and SetDefault
	Priority int
	HasPrio  bool
	Keys     []Field
	Action   string
	Args     []Field
	ID       string

	// SendPacket and Expect
	Port  uint32
	Data  []byte
	Mask  []byte // of Expect: 0 where a nibble is any
	Exact bool   // no bytes may follow (T3)
	Any   bool   // any packet (T7)

	// CheckCounter, registers and counters
	Index  uint32
	Handle string // the $ID of an entry instead of Index
	All    bool   // no index was given
	Bytes  bool
	Op     string // "" only looks whether the counter is there
	Value  uint64
	Text   string // register_write: the value

	// Member, and Add of a table with an action profile
	Ref    ir.Ref
	Target uint32

	Numbers []uint32 // arguments of the commands on sessions, groups and nodes; members of a Group
	Rates   []Rate   // MeterSet: committed, peak
}

// Rate is a rate of a meter as bmv2's command line takes it: units a
// microsecond, and the size of the burst in units.
type Rate struct {
	PerMicro float64
	Burst    uint64
}

// Field is name:value of a key or argument; the value is as written.
type Field struct{ Name, Value string }

// Test is a parsed file.
type Test struct {
	Name     string
	Commands []Command
}

// ParseError is an error in a test.
type ParseError struct {
	File      string
	Line, Col int
	Msg       string
}

func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg) }

// Packet is a packet on a port.
type Packet struct {
	Port uint32
	Data []byte
}

// Engine plays packets through a program. Tables are indices of Program.Tables.
type Engine interface {
	Program() *ir.Program
	Process(port uint32, data []byte) ([]Packet, error)
	Insert(table int, e ir.Entry) error
	Delete(table int, handle uint32) error
	SetDefault(table int, e ir.Entry) error
	// Counter reads the direct counter of an entry, 0 for the default action.
	Counter(table int, handle uint32) (packets, bytes uint64, err error)
	InstanceCounter(name string, index uint32) (packets, bytes uint64, err error)
	Register(name string, index uint32) ([]byte, error)
	SetRegister(name string, index uint32, value []byte) error
}

// Tracer is an Engine that tells what became of a packet, step by step.
type Tracer interface {
	// SetTrace turns tracing on or off.
	SetTrace(on bool)
	// Trace are the steps of the last packet, nil when tracing is off.
	Trace() []string
}

// Replicator is an Engine with clone sessions and multicast groups.
type Replicator interface {
	SetMulticastGroup(id uint32, replicas []ir.Replica) error
	DeleteMulticastGroup(id uint32) error
	SetCloneSession(id uint32, s ir.CloneSession) error
	DeleteCloneSession(id uint32) error
}

// Metered is an Engine with meters.
type Metered interface {
	SetMeter(name string, index uint32, r *ir.MeterRates) error
	Meter(name string, index uint32) (*ir.MeterRates, error)
}

// Profiled is an Engine with action profiles and selectors.
type Profiled interface {
	SetMember(profile string, m ir.ProfileMember) error
	SetGroup(profile string, g ir.ProfileGroup) error
}

// CounterWriter is an Engine whose counters can be set.
type CounterWriter interface {
	SetInstanceCounter(name string, index uint32, packets, bytes uint64) error
}

// Unsupported is why a test cannot be played: it is skipped, not failed.
type Unsupported struct{ Reason string }

func (u *Unsupported) Error() string { return u.Reason }
