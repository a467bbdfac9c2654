// Package entity holds the native types of what the control plane writes and
// reads, and the compiled view of a program's tables that gives them meaning.
//
// In: a core program (NewSchema) and values as protocols carry them. Out: packed
// keys and arguments for the store, machine form for engines, canonical
// bytestrings for protocols.
// Must not import: protobuf, adapters, store, engines.
//
// A key is packed into one byte string of fixed size a table, so that it can be
// compared, hashed and journaled without knowing its fields; see Field.
package entity

import (
	"fmt"
)

// Reason says why an update or a request was refused.
type Reason uint8

// Reasons. Adapters map them to their protocol's codes.
const (
	Internal     Reason = iota // a fault of ours or of the engine
	Invalid                    // malformed, whatever the state
	OutOfRange                 // a value does not fit its width, an index its array
	Exists                     // INSERT of what is there
	NotFound                   // MODIFY or DELETE of what is not there
	Full                       // no room
	Denied                     // const, or owned by somebody else
	Unsupported                // legal, but not implemented here
	Unavailable                // not ready, or the journal cannot be written
	Precondition               // no pipeline, or others refer to the object
	Aborted                    // not done, or taken back, because another update of the batch failed
)

var reasonText = [...]string{"internal", "invalid", "out of range", "exists", "not found", "full", "denied", "unsupported", "unavailable", "failed precondition", "aborted"}

func (r Reason) String() string {
	if int(r) < len(reasonText) {
		return reasonText[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Error is a refusal. Msg names the object, the value and the limit.
type Error struct {
	Reason Reason
	Msg    string
	Err    error // the cause, when another package found it
}

func (e *Error) Error() string { return e.Msg }

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an *Error; a %w in format sets its cause.
func Errorf(r Reason, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	e := &Error{Reason: r, Msg: err.Error()}
	if u, ok := err.(interface{ Unwrap() error }); ok {
		e.Err = u.Unwrap()
	}
	return e
}

// Flags of an Entry.
type Flags uint8

const (
	// Const entries cannot be changed by the control plane.
	Const Flags = 1 << iota
	// Initial entries were written in the program.
	Initial
	// Changed is set on a default entry that is not the program's any more.
	Changed
)

// Counter is a pair of counts.
type Counter struct {
	Packets, Bytes uint64
}

// Sub gives c - d modulo 2^64, which makes a base work in both directions: the
// base of a cell that shall read v is sum - v, also where v is larger (D12).
func (c Counter) Sub(d Counter) Counter {
	return Counter{Packets: c.Packets - d.Packets, Bytes: c.Bytes - d.Bytes}
}

// Extra is what few entries have: what the control plane alone reads back, and
// what hangs on an entry in tables with such things.
type Extra struct {
	Metadata           []byte
	ControllerMetadata uint64
	IdleTimeout        int64        // nanoseconds, 0 = none
	Meter              *MeterConfig // of the direct meter, nil = its default
	Set                *ActionSet   // of an entry with Table.SetRef
}

// IsZero tells whether nothing is set.
func (x *Extra) IsZero() bool {
	return x == nil || len(x.Metadata) == 0 && x.ControllerMetadata == 0 && x.IdleTimeout == 0 && x.Meter == nil && x.Set == nil
}

// Entry is a table entry as the store holds it, or a table's default action
// (Handle 0, Key ""). It is immutable once published; changes make a new one.
type Entry struct {
	Key      string // packed, see Table.KeySize
	Args     string // packed, see Action.ArgSize
	Extra    *Extra // nil when nothing is set
	Base     Counter
	Birth    uint64 // rises with every INSERT: order of insertion, identity across reuse of a handle
	Handle   uint32
	Priority int32
	Action   uint16 // index in Table.Actions
	Flags    Flags
}

// Is tells whether all of f is set.
func (e *Entry) Is(f Flags) bool { return e.Flags&f == f }

// Kind tells what an Update does.
type Kind uint8

// Kinds of updates.
const (
	Insert       Kind = iota + 1
	Modify            // full snapshot; without HasAction the action stays
	Delete            // Table, Key, Priority are read
	SetDefault        // full snapshot of the default entry
	ResetDefault      // back to the program's default action
	SetCounter        // Counter of the entry Key, Priority
	SetDefaultCounter
	SetCells // Counter of the cells Index..Index+Count-1 of Instance
	// The Object: INSERT, MODIFY and DELETE of groups, sessions, members and digests;
	// MODIFY alone of cells and value sets.
	InsertObject
	ModifyObject
	DeleteObject
	SetMeter // Meter of the entry Key, Priority
)

func (k Kind) String() string {
	names := [...]string{"?", "INSERT", "MODIFY", "DELETE", "MODIFY default", "RESET default", "MODIFY counter", "MODIFY default counter", "MODIFY counter cells",
		"INSERT", "MODIFY", "DELETE", "MODIFY meter"}
	if int(k) < len(names) {
		return names[k]
	}
	return names[0]
}

// Update is one validated change: keys and arguments fit the schema.
type Update struct {
	Kind      Kind
	Table     int // index in Program.Tables
	Key       string
	Priority  int32
	HasAction bool
	Action    int
	Args      string
	Extra     Extra
	Counter   *Counter // initial or new value; nil = 0 on INSERT, unchanged on MODIFY
	Instance  string   // SetCells: control-plane name of the counter
	Index     uint32
	Count     uint32
	Object    *ObjectUpdate
	Meter     *MeterConfig // SetMeter: nil = the default
}
