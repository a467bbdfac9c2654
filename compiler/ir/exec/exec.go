// Package exec is the reference interpreter of programs of any level: what it
// does with a packet is what every other engine must do. A program is compiled
// once to Go closures over one machine model (headers, packet, tables, externs);
// then any number of goroutines may Process packets while tables change.
//
// In: *ir.Program, entries in machine form, packets. Out: packets, a trace,
// counters, coverage.
// Must not import: ssa, any back end, runtime, internal/refops, the front end.
//
// The machine model:
//
//   - All values live in one flat memory of 64-bit slots a packet; P4 has no
//     recursion, so every variable has a fixed address. See layout.go.
//   - The fields of an invalid header are kept zero. Reads of invalid headers are
//     therefore 0 without a test, writes to them are dropped (D19).
//   - Out-of-range elements read as 0, writes to them are dropped. In a parser,
//     stack.next and stack.last out of range end it with StackOutOfBounds.
//     lastIndex of an empty stack is 0.
//   - x/0 and x%0 are 0. Shifts by the width or more give 0, or all sign bits.
//   - Entries of higher priority win; among equals the lower handle.
//
// What lies between the pipeline's blocks is in one file per architecture:
// v1model.go, psa.go, pna.go, p4nic.go, filter.go (ebpf_model and xdp_model),
// ubpf.go. Copies of a packet, and packets sent back, are jobs that run after it in
// the order in which they were made (copies.go). A control plane programs a machine
// by its methods: tables (table.go), members and groups
// (profile.go), replication (replication.go), meters (meter.go), value sets,
// counters and registers (instance.go), idle and expire times (idle.go, learn.go).
package exec

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Options of New. The zero value is a machine with the real clock.
type Options struct {
	// Now gives nanoseconds for packets whose own Now is 0; nil is the clock
	// since the machine was made. It is read once a packet.
	Now func() uint64
	// Rand gives random numbers; nil is math/rand/v2. Called by any goroutine.
	Rand func() uint32
	// DropPort is the egress_spec that drops; 0 means 511 (D8).
	DropPort uint32
	// Log receives log_msg and failed assert/assume; nil drops them. Called by any
	// goroutine.
	Log func(msg string)
	// Digest receives the messages of digest externs; nil drops them. Called by any
	// goroutine, while a packet waits.
	Digest func(ir.Digest)
	// PortDown tells whether a port that a group member watches is down; nil means
	// that all are up. Called by any goroutine.
	PortDown func(port uint32) bool
	// HostPort tells on PNA whether a port leads to the host; nil means that none
	// does. Called by any goroutine.
	HostPort func(port uint32) bool
	// Externs are functions of the program's own declaration, by name: what bmv2
	// loads as a module. Called by any goroutine.
	Externs map[string]Extern
	// Coverage counts what has run, see Machine.Coverage; it costs about 10 ns a
	// point.
	Coverage bool
	// MaxSteps takes the place of ir.MaxSteps; 0 means that.
	MaxSteps int
}

// Extern runs an extern function: it gets the arguments in machine form (see
// ir.Entry), nil for out ones and zero for what is no number, and gives the values
// of those that are out or inout, in the same places.
type Extern func(args [][]byte) [][]byte

// Packet is a packet that comes in. Process does not change Data.
type Packet struct {
	Port uint32
	Data []byte
	// WireLen is packet_length in bytes; 0 means len(Data).
	WireLen uint32
	// Packets and Bytes are what counters count for this frame (D9): 0 means 1
	// packet and WireLen bytes.
	Packets, Bytes uint64
	// Now in nanoseconds; 0 asks Options.Now.
	Now uint64
	// Trace asks for Result.Trace.
	Trace bool
}

// Output is a packet that goes out. Ports 509 and 510 have the meaning of D8.
type Output struct {
	Port uint32
	Data []byte
}

// Result is what became of a packet.
type Result struct {
	Outputs []Output
	Dropped bool   // nothing goes out
	Reason  string // of the last drop: "egress_spec is the drop port after ingress", ...
	// ParserError is the parser's error as an index of Program.Errors, 0 = NoError.
	ParserError int
	Trace       []Event
}

// Event is a step of a traced packet.
type Event struct {
	Kind   string // "state", "extract", "error", "table", "action", "change", "checksum", "extern", "clone", "copy", "emit", "output", "drop"
	Name   string // state, table, action, header, extern
	Detail string // "hit 3 key 0a000001", "x=1", ...
	Pos    ir.Pos
	// Copy is the packet that the step belongs to: 0 came in, others are those that
	// an event of kind "copy" made, with their number in Made.
	Copy, Made int
}

func (e Event) String() string {
	s := e.Kind + " " + e.Name
	if e.Copy > 0 {
		s = fmt.Sprintf("[%d] %s", e.Copy, s)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Unsupported says which construct of a program this engine does not run.
type Unsupported struct {
	Construct string // "extern clone", "table acl"
	File      string
	Line      int
	Reason    string
}

func (u *Unsupported) Error() string {
	s := u.Construct + ": " + u.Reason
	if u.File != "" {
		s = fmt.Sprintf("%s:%d: %s", u.File, u.Line, s)
	}
	return s
}

// Errors of changes to tables.
var (
	ErrNoEntry   = errors.New("no such entry")
	ErrDuplicate = errors.New("there is an entry with this key")
	ErrInUse     = errors.New("others refer to it")
)

// Counter is a reading.
type Counter struct{ Packets, Bytes uint64 }

// Machine is one compiled program with the content of its tables and externs.
// All methods may be called by any goroutine.
type Machine struct {
	prog               *ir.Program
	opts               Options
	start              time.Time
	size               int // slots of a packet's memory
	sumSlots, hitSlots int // of ctx.sums and ctx.hits
	sessionSlots       int // of ctx.sessions
	zero               int // address of the zero area, which is never written
	tables             []*table
	insts              map[*ir.Instance]*instance
	vsets              map[*ir.ValueSet]*valueSet
	errs               parserErrors
	pre                replication
	expire             atomic.Pointer[ExpireTimes]
	flows              atomic.Uint32
	arch               func(c *ctx, r *Result)
	cover              []*point
	watch              func() []watched
	pool               sync.Pool
}

// New compiles p. Errors are *Unsupported for what this engine does not run, or
// those of ir.Check. The tables hold what the program itself writes.
func New(p *ir.Program, o Options) (*Machine, error) {
	if err := ir.Check(p); err != nil {
		return nil, err
	}
	if o.DropPort == 0 {
		o.DropPort = 511
	}
	if o.MaxSteps == 0 {
		o.MaxSteps = ir.MaxSteps
	}
	m := &Machine{prog: p, opts: o, start: time.Now()}
	if o.Rand == nil {
		m.opts.Rand = rand.Uint32
	}
	if o.Now == nil {
		m.opts.Now = func() uint64 { return uint64(time.Since(m.start)) }
	}
	if err := compile(m); err != nil {
		return nil, err
	}
	m.pool.New = func() any { return m.newCtx() }
	return m, nil
}

// Program is what New was given.
func (m *Machine) Program() *ir.Program { return m.prog }

// Process runs one packet.
func (m *Machine) Process(in Packet) Result {
	var r Result
	m.ProcessTo(&in, &r)
	return r
}

// ProcessTo is Process into a Result whose buffers it uses again: for callers
// that handle one packet after the other.
func (m *Machine) ProcessTo(in *Packet, r *Result) {
	c := m.pool.Get().(*ctx)
	c.begin(in, r)
	m.arch(c, r)
	c.end(r)
	m.pool.Put(c)
}

// ctx is the state of one packet.
type ctx struct {
	mem      []uint64
	m        *Machine
	in       *Packet
	now      uint64
	data     []byte    // the packet as parsed
	pos      int       // parser's place in data, in bits
	out      bitWriter // deparser's output
	perr     uint64    // parser error
	pend     status    // set by a call inside an expression that did not return normally
	tracing  bool
	trace    []Event
	shadow   []uint64  // mem at the last step of the trace
	shadowOf int       // the copy that it is of
	fresh    bool      // no step yet
	sum      bitWriter // what a hash or checksum is computed over
	truncate int       // -1 or the length set by truncate
	marked   bool      // ubpf: mark_to_drop
	length   uint64    // packet_length for egress
	bytes    uint64    // of a recirculated frame, 0 for the one that came in

	asked       v1Asked
	pna         pnaAsked
	sums        []bitWriter // of Checksum objects
	hits        []*entry    // of tables with a DirectMeter
	mid         []byte      // between two deparsers
	jobs        []*job      // made for this packet: used, of which head have run
	head, used  int
	made        int // of ir.MaxCopies
	copyID      int
	saved, kept []uint64 // of a packet while its clone is made

	sessions []current // of each Session object
	leases   []lease   // that the packet holds
	scratch  []uint64  // a key
	keyBuf   []byte
}

func (m *Machine) newCtx() *ctx {
	return &ctx{m: m, mem: make([]uint64, m.size), sums: make([]bitWriter, m.sumSlots), hits: make([]*entry, m.hitSlots), sessions: make([]current, m.sessionSlots)}
}

func (c *ctx) begin(in *Packet, r *Result) {
	clear(c.mem)
	c.in, c.data, c.pos = in, in.Data, 0
	c.now = in.Now
	if c.now == 0 {
		c.now = c.m.opts.Now()
	}
	c.out.reset()
	c.perr, c.pend, c.truncate = 0, next, -1
	c.bytes = 0
	c.tracing, c.fresh, c.shadowOf = in.Trace, true, 0
	c.trace = r.Trace[:0]
	r.Outputs = r.Outputs[:0]
	r.Dropped, r.Reason, r.ParserError = false, "", 0
}

func (c *ctx) end(r *Result) {
	r.Trace = c.trace
	r.Dropped = len(r.Outputs) == 0
	if !r.Dropped {
		r.Reason = ""
	}
	c.forgetJobs()
	clear(c.hits)
	clear(c.sessions)
	c.in, c.data, c.trace = nil, nil, nil
}

func (c *ctx) wireLen() uint64 {
	if c.in.WireLen != 0 {
		return uint64(c.in.WireLen)
	}
	return uint64(len(c.in.Data))
}

// counts is what counters add for this frame (D9).
func (c *ctx) counts() (packets, bytes uint64) {
	packets, bytes = c.in.Packets, c.in.Bytes
	if packets == 0 {
		packets = 1
	}
	switch {
	case c.bytes != 0:
		bytes = c.bytes
	case bytes == 0:
		bytes = c.wireLen()
	}
	return packets, bytes
}

func (c *ctx) event(kind, name, detail string, p ir.Pos) {
	if kind != "extract" { // which has changed its header already
		c.changed()
	}
	c.trace = append(c.trace, Event{Kind: kind, Name: name, Detail: detail, Pos: p, Copy: c.copyID})
	if kind == "extract" {
		c.changed()
	}
}

// drop ends one packet; the reason stays when no copy goes out either.
func (c *ctx) drop(r *Result, reason string) {
	r.Reason = reason
	if c.tracing {
		c.event("drop", reason, "", ir.Pos{})
	}
}

// output sends the deparsed packet.
func (c *ctx) output(r *Result, port uint32) {
	i := len(r.Outputs)
	if i < cap(r.Outputs) {
		r.Outputs = r.Outputs[:i+1]
	} else {
		r.Outputs = append(r.Outputs, Output{})
	}
	o := &r.Outputs[i]
	o.Port = port
	o.Data = append(o.Data[:0], c.out.b...)
	if c.tracing {
		c.event("output", fmt.Sprintf("port %d", port), fmt.Sprintf("%d bytes", len(c.out.b)), ir.Pos{})
	}
}
