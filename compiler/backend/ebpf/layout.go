package ebpf

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// nativeEndian is the byte order of the machine that runs the programs; both
// machines that p4nic runs on are little endian, and cross-built layouts agree.
var nativeEndian = binary.LittleEndian

// Limits of a layout.
const (
	defaultTableSize = 1024
	maxTableSize     = 1 << 22
	maxArrayKeyBits  = 16
	maxSharedCounter = 256 << 10 // D12: above, one copy and atomic adds
	maxParamBits     = 56        // of parameters packed into the entry word (D2)
	maxHashKey       = 512       // bytes
	maxLPMKey        = 256       // bytes, the kernel's limit
	maxActions       = 255
)

// Unsupported says which construct this back end cannot compile, where and why.
type Unsupported struct {
	Construct string // "table MyIngress.acl"
	File      string // empty when unknown
	Line      int
	Reason    string
	Remedy    string // empty when there is none
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

func unsupported(p *ir.Program, pos ir.Pos, construct, reason, remedy string) *Unsupported {
	u := &Unsupported{Construct: construct, Reason: reason, Remedy: remedy}
	if p != nil && pos.IsValid() && pos.File >= 0 && int(pos.File) < len(p.Files) {
		u.File, u.Line = p.Files[pos.File].Path, int(pos.Line)
	}
	return u
}

// Layout says which maps a program needs and how entries lie in them. It is a
// function of the program and the number of CPUs alone.
type Layout struct {
	Prog      *ir.Program
	NCPU      int
	Tables    []*Table      // one for each Program.Tables
	ValueSets []*Table      // one for each Program.ValueSets
	Instances []*Instance   // one for each Program.Instances; nil where it has no map
	Digests   *DigestLayout // nil where the program sends none

	opt LayoutOptions
}

// Table is the layout of one table: a match structure that gives handles, and
// per handle the entry's word, action data and counter (D2, D12).
type Table struct {
	Index  int
	IR     *ir.Table
	Size   uint32 // entries; handles are 1..Size, 0 is the default action
	Engine Engine
	Entry  *MapSpec // ARRAY of u64 words, mmapable, index = handle
	Data   *MapSpec // ARRAY of action data, mmapable, index = slot; nil when every action packs
	Slots  uint32   // number of action-data slots; 0 without Data
	// EntryBase and DataBase are where the table's elements begin in Entry and Data,
	// which programs with many tables share.
	EntryBase, DataBase uint32
	Counter             *CounterLayout
	Learn               *LearnLayout // of a table that packets add to; nil
	Meter               *MeterLayout // direct meter; nil without
	Hits                *MapSpec     // ARRAY of u64, mmapable, by handle: when the entry was hit, in nanoseconds since boot; nil without idle timeouts
	Actions             []Action
}

// Action is how one action's parameters lie in the entry.
type Action struct {
	InSlot bool // in an action-data slot, else packed in the word
	Params []Param
}

// Param is one parameter: its limbs, most significant first.
type Param struct {
	Width int // bits
	Limbs []Limb
}

// Limb is a piece of at most 64 bits of a value. Off is a byte offset in the
// action data (or key), or for packed parameters the bit offset in the word.
type Limb struct {
	Width int // bits
	Off   int
	Size  int // bytes: 1, 2, 4 or 8, native byte order
}

// CounterLayout is a counter array: two u64 a cell, packets and bytes; cell =
// cpu * Stride + index; with Stride 0 one copy for all CPUs, added atomically.
type CounterLayout struct {
	Map    *MapSpec
	Cells  uint32 // cells of one copy
	Stride uint32
}

// Index gives the element of cell on a CPU.
func (c *CounterLayout) Index(cpu int, cell uint32) uint32 { return uint32(cpu)*c.Stride + cell }

// Copies is the number of copies to sum.
func (c *CounterLayout) Copies(ncpu int) int {
	if c.Stride == 0 {
		return 1
	}
	return ncpu
}

// Instance is the layout of an extern object.
type Instance struct {
	IR       *ir.Instance
	Counter  *CounterLayout // counter
	Base     *MapSpec       // counter: ARRAY of two u64, mmapable, which no program reads: what a cell counted when it was last set, less what it was set to (D12)
	Register *MapSpec       // register: ARRAY, mmapable; the limbs of a cell's leaves as u64, most significant first
	Cells    uint32
	Width    int       // register: bits of a cell that is a scalar, else 0
	Leaves   []ir.Leaf // register: the scalars of a cell
	Initial  []uint64  // register: what cells begin with; nil for zeros
	Meter    *MeterLayout
	Profile  *ProfileLayout
	// CounterArray of ebpf_model: ARRAY or HASH, u32 index -> u32.
	CounterArray *MapSpec
}

// PlanLayout plans the maps of a core program for a machine with ncpu possible
// CPUs. Errors are *Unsupported.
func PlanLayout(p *ir.Program, ncpu int) (*Layout, error) {
	return PlanLayoutFor(p, ncpu, LayoutOptions{})
}

// LayoutOptions are what a layout may depend on besides the program.
type LayoutOptions struct {
	// Plain: the kernel's own tables (hash, LPM_TRIE) and rows that are scanned,
	// whose content needs no Writer.
	Plain bool
	// Hints, by table index, are for match structures that have outgrown what is
	// planned for the table's size (Writer.Grow).
	Hints map[int]Hint
}

// Hint is what the content of a table asks of its match structure.
type Hint struct {
	// Entries is one more than the number of entries that the memory is planned for,
	// with room to grow; 0: for as many as the table's size says.
	Entries int
	// Units is how much memory it gets, in units of its own; 0: as planned.
	Units uint32
	// Narrow: Classes cuts keys under a mask by 8 bits, of which arbitrary masks
	// make at most 256 classes.
	Narrow bool
}

func (o *LayoutOptions) hint(table int) Hint { return o.Hints[table] }

// PlanLayoutFor is PlanLayout with options.
func PlanLayoutFor(p *ir.Program, ncpu int, o LayoutOptions) (*Layout, error) {
	l := &Layout{Prog: p, NCPU: max(ncpu, 1), opt: o}
	for i, t := range p.Tables {
		tl, err := l.planTable(i, t)
		if err != nil {
			return nil, err
		}
		l.Tables = append(l.Tables, tl)
	}
	for _, in := range p.Instances {
		il, err := l.planInstance(in)
		if err != nil {
			return nil, err
		}
		l.Instances = append(l.Instances, il)
	}
	for _, v := range p.ValueSets {
		t, err := l.planValueSet(v)
		if err != nil {
			return nil, err
		}
		l.ValueSets = append(l.ValueSets, t)
	}
	l.Digests = planDigests(p)
	l.share()
	return l, nil
}

// Maps lists the maps of the program in a fixed order: tables, instances and
// constants; not the device's (DeviceMaps), nor the scratch map, whose size only
// Compile knows (Object.Maps has it).
func (l *Layout) Maps() []*MapSpec {
	var ms []*MapSpec
	for _, t := range l.Tables {
		ms = append(ms, t.Engine.Maps()...)
		ms = append(ms, t.Entry)
		if t.Data != nil {
			ms = append(ms, t.Data)
		}
		if t.Counter != nil {
			ms = append(ms, t.Counter.Map)
		}
	}
	for _, in := range l.Instances {
		switch {
		case in == nil:
		case in.Counter != nil:
			ms = append(ms, in.Counter.Map)
		case in.Register != nil:
			ms = append(ms, in.Register)
		case in.CounterArray != nil:
			ms = append(ms, in.CounterArray)
		}
	}
	for _, t := range l.ValueSets {
		ms = append(ms, t.Engine.Maps()...)
		ms = append(ms, t.Entry)
	}
	ms = append(ms, l.stateMaps()...)
	return append(onceEach(ms), constMap())
}

// Digest names the whole layout: equal digests mean equal maps and encodings.
func (l *Layout) Digest() string {
	h := sha256.New()
	for _, m := range l.Maps() {
		fmt.Fprintln(h, m.Digest())
	}
	for _, t := range l.Tables {
		fmt.Fprintln(h, t.Digest())
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Digest names the encoding of the table's entries: a table's content maps may
// be shared between generations when the digests are equal (D7).
func (t *Table) Digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "v1 %s %s %d %d\n", t.IR.Name, t.Engine.Kind(), t.Size, t.Slots)
	for _, k := range t.IR.Keys {
		fmt.Fprintf(h, "key %s %s %d\n", k.Name, k.Kind, ir.Width(k.Expr.Type()))
	}
	for i, a := range t.IR.Actions {
		fmt.Fprintf(h, "action %s %v\n", a.Action.Name, t.Actions[i])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func (l *Layout) planTable(i int, t *ir.Table) (*Table, error) {
	bad := func(pos ir.Pos, reason, remedy string) error {
		return unsupported(l.Prog, pos, "table "+t.Name, reason, remedy)
	}
	size := t.Size
	if size <= 0 {
		size = defaultTableSize
	}
	size = max(size, len(t.Entries))
	if size > maxTableSize {
		return nil, bad(t.Pos, fmt.Sprintf("size %d is over %d entries", size, maxTableSize), "declare a smaller size")
	}
	if len(t.Actions) > maxActions {
		return nil, bad(t.Pos, fmt.Sprintf("%d actions, an entry word has room for %d", len(t.Actions), maxActions), "")
	}
	tl := &Table{Index: i, IR: t, Size: uint32(size)}
	var err error
	if tl.Engine, err = l.chooseEngine(tl); err != nil {
		return nil, err
	}
	if err := l.planWords(tl, "entry:"+t.Name, "data:"+t.Name); err != nil {
		return nil, err
	}
	if t.Counters != nil {
		tl.Counter = l.planCounter("count:"+t.Name, tl.Size+1)
	}
	if err := l.planLearn(tl); err != nil {
		return nil, err
	}
	if err := l.planTableState(tl); err != nil {
		return nil, err
	}
	return tl, nil
}

func (l *Layout) planAction(a *ir.Action) (Action, int, error) {
	var al Action
	bits := 0
	for _, p := range a.DataParams() {
		w := ir.Width(p.Type)
		if w < 0 {
			return al, 0, unsupported(l.Prog, p.Pos, "action "+a.Name, fmt.Sprintf("parameter %s has type %s, which is no scalar", p.Name, p.Type), "")
		}
		al.Params = append(al.Params, Param{Width: w, Limbs: limbsOf(w)})
		bits += w
	}
	if bits <= maxParamBits {
		off := 0
		for i := range al.Params {
			for j := range al.Params[i].Limbs {
				al.Params[i].Limbs[j].Off = off
				off += al.Params[i].Limbs[j].Width
			}
		}
		return al, 0, nil
	}
	al.InSlot = true
	var all []*Limb
	for i := range al.Params {
		for j := range al.Params[i].Limbs {
			all = append(all, &al.Params[i].Limbs[j])
		}
	}
	return al, (placeLimbs(all, 0) + 7) &^ 7, nil
}

// limbsOf splits a width as package ssa does: the first limb takes W mod 64.
func limbsOf(w int) []Limb {
	var ls []Limb
	for w > 0 {
		n := w % 64
		if n == 0 {
			n = 64
		}
		ls = append(ls, Limb{Width: n, Size: limbBytes(n)})
		w -= n
	}
	return ls
}

func limbBytes(w int) int {
	switch {
	case w <= 8:
		return 1
	case w <= 16:
		return 2
	case w <= 32:
		return 4
	}
	return 8
}

// placeLimbs gives the limbs offsets from off on, large ones first so that all
// are aligned and nothing is lost; it returns the end.
func placeLimbs(ls []*Limb, off int) int {
	for size := 8; size > 0; size /= 2 {
		for _, l := range ls {
			if l.Size == size {
				l.Off = off
				off += size
			}
		}
	}
	return off
}

func (l *Layout) planCounter(name string, cells uint32) *CounterLayout {
	c := &CounterLayout{Cells: cells}
	n := cells
	if cells <= maxSharedCounter {
		// Whole cache lines a CPU, so that none is written by two.
		c.Stride = (cells + 3) &^ 3
		n = max(c.Stride, 4) * uint32(l.NCPU)
	}
	c.Map = &MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: n, Flags: fMmapable, Role: State}
	return c
}

func (l *Layout) planInstance(in *ir.Instance) (*Instance, error) {
	bad := func(reason string) error {
		return unsupported(l.Prog, in.Pos, in.Type.Name+" "+in.Name, reason, "")
	}
	switch in.Kind() {
	case "CounterArray":
		return l.planCells(in)
	case "counter":
		n, err := cellsOf(in, maxTableSize)
		if err != nil {
			return nil, bad(err.Error())
		}
		return &Instance{IR: in, Cells: n, Counter: l.planCounter("counter:"+in.Name, n),
			Base: &MapSpec{Name: "base:" + in.Name, Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: max(n, 1), Flags: fMmapable, Role: State}}, nil
	case "register":
		return l.planRegister(in, bad)
	case "meter":
		n, err := cellsOf(in, maxTableSize)
		if err != nil {
			return nil, bad(err.Error())
		}
		return &Instance{IR: in, Cells: n, Meter: planMeter(in.Name, n, in)}, nil
	case "action_profile", "action_selector":
		p, err := l.planProfile(in)
		if p == nil {
			return nil, err
		}
		return &Instance{IR: in, Profile: p}, nil
	}
	return nil, nil
}

// cellsOf reads an instance's first constructor argument, its size.
func cellsOf(in *ir.Instance, limit int64) (uint32, error) {
	if len(in.Args) == 0 {
		return 0, fmt.Errorf("its size is missing")
	}
	c, ok := in.Args[0].(*ir.Const)
	if !ok || c.Val == nil {
		return 0, fmt.Errorf("its size is not constant")
	}
	if c.Val.Sign() < 0 || c.Val.Cmp(big.NewInt(limit)) > 0 {
		return 0, fmt.Errorf("size %s is not in 0..%d", c.Val, limit)
	}
	return uint32(c.Val.Int64()), nil
}

// Instance finds the layout of an extern object, or nil.
func (l *Layout) Instance(in *ir.Instance) *Instance {
	for _, il := range l.Instances {
		if il != nil && il.IR == in {
			return il
		}
	}
	return nil
}
