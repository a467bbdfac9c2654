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
	CounterReset
	Other // known and meant for a switch's own command line: mirroring, multicast, meters
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

// Unsupported is why a test cannot be played: it is skipped, not failed.
type Unsupported struct{ Reason string }

func (u *Unsupported) Error() string { return u.Reason }
