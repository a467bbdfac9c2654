package ssa

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// InterpOptions replace what surrounds the packet. nil functions give zeros.
type InterpOptions struct {
	Now  func() uint64 // nanoseconds
	Rand func() uint32
	// Digest gets the messages to the control plane, PortDown says which ports that
	// groups watch are down.
	Digest   func(ir.Digest)
	PortDown func(port uint32) bool
}

// Packet is one packet to process.
type Packet struct {
	Port uint32 // where it came in
	Data []byte // not changed
	// WireLen is the length that programs see; 0 means len(Data). Segments is the
	// number of packets that counters count, 0 means 1; Bytes what they count as
	// bytes, 0 means WireLen (D9).
	WireLen  uint32
	Segments uint64
	Bytes    uint64
}

// Result is what became of it.
type Result struct {
	Dropped bool       // nothing went out
	Reason  DropReason // when Dropped: of the last drop
	Port    uint32     // of the first output: D8's meanings, or a port number
	Data    []byte
	Outputs []Output // all, in order
}

// Output is a packet that goes out.
type Output struct {
	Port uint32
	Data []byte
}

// Count is the reading of a counter cell.
type Count struct{ Packets, Bytes uint64 }

// Interp runs a Func on packets with tables of its own. It is slow and plain:
// the yardstick for the eBPF back end. Not for concurrent use.
type Interp struct {
	f         *Func
	opt       InterpOptions
	tables    map[*ir.Table]*tableState
	counters  map[*ir.Instance][]Count
	sets      map[*ir.ValueSet][]vsMember
	arrays    map[*ir.Instance]*cellArray // CounterArray
	learned   map[*ir.Table]*learnedState
	expire    map[uint8]uint64
	flows     uint32
	registers map[*ir.Instance][][]uint64 // cell -> limbs
	groups    map[uint32][]ir.Replica
	sessions  map[uint32]ir.CloneSession
	objects   *objectState
	maxSteps  int
}

// NewInterp prepares f with the entries, default actions and zeroed state that
// its program declares.
func NewInterp(f *Func, opt InterpOptions) (*Interp, error) {
	in := &Interp{
		f: f, opt: opt,
		tables:    map[*ir.Table]*tableState{},
		counters:  map[*ir.Instance][]Count{},
		sets:      map[*ir.ValueSet][]vsMember{},
		arrays:    map[*ir.Instance]*cellArray{},
		registers: map[*ir.Instance][][]uint64{},
		groups:    map[uint32][]ir.Replica{},
		sessions:  map[uint32]ir.CloneSession{},
		objects:   newObjectState(f.Prog),
		maxSteps:  1 << 22,
	}
	for _, t := range f.Prog.Tables {
		ts, err := newTableState(t)
		if err != nil {
			return nil, err
		}
		in.tables[t] = ts
	}
	for _, i := range f.Prog.Instances {
		size, err := arraySize(i)
		if err != nil {
			return nil, err
		}
		switch i.Kind() {
		case "CounterArray":
			in.arrays[i] = newCellArray(i, size)
		case "counter":
			in.counters[i] = make([]Count, size)
		case "register":
			in.registers[i] = make([][]uint64, size)
			if first := i.InitialValue(); first != nil {
				for k := range in.registers[i] {
					in.registers[i][k] = slices.Clone(first)
				}
			}
		}
	}
	return in, nil
}

// maxArray bounds the cells of a counter, meter or register.
const maxArray = 1 << 24

// arraySize is the number of cells of a counter, meter or register, its first
// constructor argument; 0 for other objects.
func arraySize(i *ir.Instance) (uint64, error) {
	switch i.Kind() {
	case "counter", "meter", "register", "CounterArray":
	default:
		return 0, nil
	}
	if len(i.Args) == 0 {
		return 0, nil
	}
	c, ok := i.Args[0].(*ir.Const)
	if !ok || !c.Val.IsUint64() || c.Val.Uint64() > maxArray {
		return 0, fmt.Errorf("ssa: %s %s: the size is no constant up to %d", i.Type.Name, i.Name, maxArray)
	}
	return c.Val.Uint64(), nil
}

// run is the state of one packet, or of one of its jobs.
type run struct {
	queue *queue
	found []byte // the packet that the Func or stage begins with
	frame map[uint64]uint64
	in    *Interp
	p     *Packet
	data  []byte
	image []byte
	now   uint64
	vals  map[*Value]uint64
	words map[uint64]ir.Entry // entry words handed out, by number
}

// Process runs one packet. An error is a fault of the Func, not of the packet.
func (in *Interp) Process(p Packet) (Result, error) {
	if p.WireLen == 0 {
		p.WireLen = uint32(len(p.Data))
	}
	if p.Segments == 0 {
		p.Segments = 1
	}
	if p.Bytes == 0 {
		p.Bytes = uint64(p.WireLen)
	}
	q := &queue{in: in}
	if in.opt.Now != nil {
		q.now = in.opt.Now()
	}
	if err := q.run(in.f, &p, nil); err != nil {
		return Result{}, err
	}
	for len(q.jobs) > 0 {
		j := q.jobs[0]
		q.jobs = q.jobs[1:]
		if err := q.run(in.f.Stages[j.stage], j.packet(p), j.frame); err != nil {
			return Result{}, err
		}
	}
	return q.done(), nil
}

// run takes a packet or job through its Func.
func (q *queue) run(f *Func, p *Packet, frame map[uint64]uint64) error {
	in := q.in
	r := &run{
		in: in, queue: q, p: p, frame: frame, now: q.now,
		found: p.Data,
		data:  slices.Clone(p.Data),
		image: make([]byte, f.HeaderImage),
		vals:  map[*Value]uint64{},
		words: map[uint64]ir.Entry{},
	}
	b := f.Blocks[0]
	for steps := 0; ; steps++ {
		if steps > in.maxSteps {
			return fmt.Errorf("ssa: %s does not end", f.Name)
		}
		for _, v := range b.Instrs {
			if err := r.eval(v); err != nil {
				return fmt.Errorf("ssa: %s: b%d: %s: %w", f.Name, b.ID, v, err)
			}
		}
		next, done := r.term(b)
		if done {
			return nil
		}
		b = next
	}
}

// term runs the terminator; done says that the packet has its result.
func (r *run) term(b *Block) (next *Block, done bool) {
	t := &b.Term
	i := 0
	switch t.Kind {
	case TermBranch:
		if r.vals[t.Cond] == 0 {
			i = 1
		}
	case TermSwitch:
		i = len(t.Labels)
		if k := slices.Index(t.Labels, r.vals[t.Cond]); k >= 0 {
			i = k
		}
	case TermCheck:
		off := r.vals[t.Cond]
		if off+uint64(t.N) > uint64(len(r.data)) {
			i = 1
		} else {
			r.follow(&t.Succs[0], t.Succs[0].To.Params[1:])
			r.vals[t.Succs[0].To.Params[0]] = off
			return t.Succs[0].To, false
		}
	case TermLoop:
		if r.vals[t.Cond] >= uint64(t.N) {
			i = 1
		}
	case TermOutput:
		r.queue.outputs = append(r.queue.outputs, Output{uint32(r.vals[t.Cond]), r.data})
		return nil, true
	case TermDrop:
		r.queue.reason = t.Reason
		return nil, true
	case TermNext:
		return nil, true
	}
	e := &t.Succs[i]
	r.follow(e, e.To.Params)
	return e.To, false
}

// follow gives the target's parameters their arguments, all at once.
func (r *run) follow(e *Edge, params []*Value) {
	args := make([]uint64, len(params))
	for i := range params {
		args[i] = r.vals[e.Args[i]]
	}
	for i, p := range params {
		r.vals[p] = args[i]
	}
}

func (r *run) eval(v *Value) error {
	var res uint64
	a := func(i int) uint64 { return r.vals[v.Args[i]] }
	switch v.Op {
	case OpConst:
		res = v.Aux
	case OpLoad:
		at := a(0) + v.Aux
		if at+uint64(v.N) > uint64(len(r.data)) {
			return fmt.Errorf("load of bytes %d to %d of %d", at, at+uint64(v.N), len(r.data))
		}
		for _, x := range r.data[at : at+uint64(v.N)] {
			res = res<<8 | uint64(x)
		}
	case OpPktLen:
		res = uint64(len(r.data))
	case OpIngressPort:
		res = uint64(r.p.Port)
	case OpWireLen:
		res = uint64(r.p.WireLen)
	case OpNow:
		res = r.now
	case OpRand:
		if r.in.opt.Rand != nil {
			res = uint64(r.in.opt.Rand())
		}
	case OpLookup:
		t := r.in.tables[v.Sym.(*ir.Table)]
		key := make([]uint64, len(v.Args))
		for i := range key {
			key[i] = a(i)
		}
		res = uint64(t.lookup(key))
	case OpEntry:
		t := r.in.tables[v.Sym.(*ir.Table)]
		e, ok := t.byHandle(uint32(a(0)))
		if !ok {
			return fmt.Errorf("there is no entry %d", a(0))
		}
		res = r.word(inProfile(r.in.f.Prog, t.t, e))
	case OpActionID:
		res = r.actionID(v)
	case OpActionArg:
		e := r.words[a(0)]
		if e.Action != v.Action || v.Param >= len(e.Args) {
			return fmt.Errorf("the entry has action %d with %d parameters", e.Action, len(e.Args))
		}
		res = limbsOf(e.Args[v.Param], paramWidth(r.in.f.Prog, v))[v.Limb]
	case OpCountHit:
		t := r.in.tables[v.Sym.(*ir.Table)]
		c := t.counts[uint32(a(0))]
		if len(v.Args) > 1 {
			c.Bytes += a(1) - r.p.Bytes
			t.counts[uint32(a(0))] = c
			break
		}
		c.Packets += r.p.Segments
		c.Bytes += r.p.Bytes
		t.counts[uint32(a(0))] = c
	case OpCounterInc:
		cells := r.in.counters[v.Sym.(*ir.Instance)]
		if i := a(0); i < uint64(len(cells)) && len(v.Args) > 1 {
			cells[i].Packets++
			cells[i].Bytes += a(1)
		} else if i < uint64(len(cells)) {
			cells[i].Packets += r.p.Segments
			cells[i].Bytes += r.p.Bytes
		}
	case OpLearned, OpLearnedAction, OpLearnedArg, OpLearnedCount, OpLearn, OpTimer, OpFlowID:
		n, err := r.learning(v)
		if err != nil {
			return err
		}
		res = n
	case OpCellAdd:
		r.in.arrays[v.Sym.(*ir.Instance)].add(uint32(a(0)), uint32(a(1)))
	case OpRegRead:
		cells := r.in.registers[v.Sym.(*ir.Instance)]
		if i := a(0); i < uint64(len(cells)) && v.Limb < len(cells[i]) {
			res = cells[i][v.Limb]
		}
	case OpRegWrite:
		cells := r.in.registers[v.Sym.(*ir.Instance)]
		if i := a(0); i < uint64(len(cells)) {
			limbs := make([]uint64, len(v.Args)-1)
			for k := range limbs {
				limbs[k] = a(k + 1)
			}
			cells[i] = limbs
		}
	case OpMember, OpBucket, OpMeter, OpDigest, OpTouch:
		var err error
		if res, err = r.state(v); err != nil {
			return err
		}
	case OpInSet:
		res = r.inSet(v)
	case OpLoadBits, OpSliceEq, OpSliceSum, OpSliceCRC, OpScratchCopy, OpScratchMove, OpScratchBits:
		var err error
		if res, err = r.evalSlice(v); err != nil {
			return err
		}
	case OpStore:
		return put(r.data, a(0)+v.Aux, v.N, a(1))
	case OpScratch:
		return put(r.image, a(0)+v.Aux, v.N, a(1))
	case OpSplice:
		n, old := a(0), a(1)
		if n > uint64(len(r.image)) || old > uint64(len(r.data)) {
			return fmt.Errorf("splice of %d bytes for %d", n, old)
		}
		r.data = append(slices.Clone(r.image[:n]), r.data[old:]...)
		res = 1
	case OpTrim:
		r.data = r.data[:min(a(0), uint64(len(r.data)))]
		res = 1
	case OpJob, OpJobStore, OpReplicate, OpFrame:
		var err error
		if res, err = r.job(v, a); err != nil {
			return err
		}
	default:
		as, ts := make([]uint64, len(v.Args)), make([]Type, len(v.Args))
		for i, x := range v.Args {
			as[i], ts[i] = r.vals[x], x.Type
		}
		if (v.Op == OpShl || v.Op == OpShr || v.Op == OpSar) && as[1] > 63 {
			return fmt.Errorf("shift by %d", as[1])
		}
		var ok bool
		if res, ok = evalPure(v.Op, v.Type, as, ts); !ok {
			return fmt.Errorf("unknown operation")
		}
	}
	if v.HasResult() {
		if res&^Mask(v.Type) != 0 {
			return fmt.Errorf("result %#x does not fit", res)
		}
		r.vals[v] = res
	}
	return nil
}

func paramWidth(p *ir.Program, v *Value) int {
	return ir.Width(actionsOf(p, v.Sym)[v.Action].DataParams()[v.Param].Type)
}

func put(to []byte, at uint64, n int, v uint64) error {
	if at+uint64(n) > uint64(len(to)) {
		return fmt.Errorf("store to bytes %d to %d of %d", at, at+uint64(n), len(to))
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	copy(to[at:], b[8-n:])
	return nil
}

// limbsOf cuts a big-endian value of w bits into limbs.
func limbsOf(b []byte, w int) []uint64 {
	n := len(Limbs(w))
	out := make([]uint64, n)
	for i := range out {
		hi := len(b) - 8*(n-1-i)
		for _, x := range b[max(0, hi-8):max(0, hi)] {
			out[i] = out[i]<<8 | uint64(x)
		}
	}
	return out
}

// InstanceCounter reads a cell of an indirect counter.
func (in *Interp) InstanceCounter(i *ir.Instance, index uint64) (Count, bool) {
	if in.arrays[i] != nil && index <= 1<<32-1 {
		n, ok := in.CounterArray(i, uint32(index))
		return Count{Packets: uint64(n)}, ok
	}
	c := in.counters[i]
	if index >= uint64(len(c)) {
		return Count{}, false
	}
	return c[index], true
}

// Register gives the limbs of a register cell, most significant first; nil for
// a cell never written.
func (in *Interp) Register(i *ir.Instance, index uint64) ([]uint64, bool) {
	c := in.registers[i]
	if index >= uint64(len(c)) {
		return nil, false
	}
	return slices.Clone(c[index]), true
}

// Counter reads the direct counter of an entry of table t; handle 0 is the
// default action's.
func (in *Interp) Counter(t int, handle uint32) Count {
	if t < 0 || t >= len(in.f.Prog.Tables) {
		return Count{}
	}
	return in.tables[in.f.Prog.Tables[t]].counts[handle]
}

// Counters gives all direct counters of table t that are not zero.
func (in *Interp) Counters(t int) map[uint32]Count {
	if t < 0 || t >= len(in.f.Prog.Tables) {
		return nil
	}
	return maps.Clone(in.tables[in.f.Prog.Tables[t]].counts)
}
