package exec

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/p4nic/p4nic/compiler/ir"
)

// instance is the state of an extern object.
type instance struct {
	name string
	kind string // as v1model spells it, see ir.Instance.Kind
	size uint64

	n        int       // of a register: slots of an element
	leaves   []ir.Leaf // of a register: an element's scalars
	bytes    bool      // of a meter: it counts bytes
	colour   int       // of a direct meter: see colourOf and entryOf
	atCall   bool      // of a direct meter: a call meters the packet, not the table
	profile  *profile
	sessions *sessions
	learnt   *learnTable
	pool     *portPool
	*instanceState
}

// instanceState is what packets write; machines may share it (AdoptState).
type instanceState struct {
	cells  []cell // counter
	meters []meterCell

	mu   sync.Mutex // register
	regs []uint64
	// sparse are the cells of a CounterArray that is; nil for others.
	sparse map[uint32]uint32
}

type cell struct{ packets, bytes atomic.Uint64 }

// maxCells bounds a counter or register: 16 million elements; maxMeters a meter.
const (
	maxCells  = 1 << 24
	maxMeters = 1 << 22
)

func (k *compiler) instance(i *ir.Instance) *instance {
	r := &instance{name: i.Name, kind: i.Kind(), instanceState: &instanceState{}}
	what := "extern " + i.Type.Name + " " + i.Name
	switch r.kind {
	case "direct_counter":
	case "counter":
		r.size = k.size(i, maxCells)
		r.cells = make([]cell, r.size)
	case "register":
		k.register(r, i)
	case "meter":
		r.size = k.size(i, maxMeters)
		r.meters = make([]meterCell, r.size)
		r.bytes = i.MetersBytes()
	case "direct_meter":
		r.bytes = i.MetersBytes()
	case "action_profile", "action_selector":
		r.profile = k.profile(i)
	case "Session":
		k.sessions(r, i)
	case "LearnTable":
		k.learnTable(r, i)
	case "PortPool":
		k.portPool(r, i)
	case "CounterArray":
		k.counterArray(r, i)
	case "Hash", "Random", "Checksum", "InternetChecksum", "Digest", "PacketReplicationEngine", "BufferingQueueingEngine":
	default:
		k.fail(i.Pos, what, "this extern is not supported")
	}
	return r
}

// size is the number of elements of an array, its first argument.
func (k *compiler) size(i *ir.Instance, limit uint64) uint64 {
	what := "extern " + i.Type.Name + " " + i.Name
	if len(i.Args) < 1 || constVal(i.Args[0]) == nil || !constVal(i.Args[0]).IsUint64() {
		k.fail(i.Pos, what, "its first argument is not a constant size")
	}
	n := constVal(i.Args[0]).Uint64()
	if n > limit {
		k.fail(i.Pos, what, fmt.Sprintf("%d elements are more than %d", n, limit))
	}
	return n
}

func (k *compiler) register(r *instance, i *ir.Instance) {
	what := "extern " + i.Type.Name + " " + i.Name
	r.size = k.size(i, maxCells)
	if len(i.Type.Args) < 1 {
		k.fail(i.Pos, what, "its element type is not known")
	}
	t := i.Type.Args[0]
	var ok bool
	if r.leaves, ok = ir.Leaves(t); !ok {
		k.fail(i.Pos, what, "elements of type "+t.String()+" have no fixed size")
	}
	r.n = k.lay.slots(t)
	if r.size*uint64(r.n) > maxCells {
		k.fail(i.Pos, what, fmt.Sprintf("its elements take more than %d bytes", maxCells*8))
	}
	r.regs = make([]uint64, r.size*uint64(r.n))
	if first := i.InitialValue(); first != nil {
		for at := 0; at < len(r.regs); at += r.n {
			r.unpack(r.regs[at:at+r.n], first)
		}
	}
}

// pack gives the limbs of an element's leaves as ir.PackLeaves takes them; unpack
// is its inverse. Slots have the least significant limb first.
func (i *instance) pack(slots []uint64) []uint64 {
	var out []uint64
	for _, l := range i.leaves {
		for k := (l.Width+63)/64 - 1; k >= 0; k-- {
			out = append(out, slots[k])
		}
		slots = slots[limbs(l.Width):]
	}
	return out
}

func (i *instance) unpack(slots, packed []uint64) {
	for _, l := range i.leaves {
		n := (l.Width + 63) / 64
		for k := range n {
			slots[k] = packed[n-1-k]
		}
		packed, slots = packed[n:], slots[limbs(l.Width):]
	}
}

// enumName is the member of an enum that the constant x is, "" for others.
func enumName(x ir.Expr) string {
	e, ok := x.Type().(*ir.Enum)
	v := constVal(x)
	if ok && v != nil {
		for _, m := range e.Members {
			if m.Value.Cmp(v) == 0 {
				return m.Name
			}
		}
	}
	return ""
}

func (m *Machine) instanceByName(name, kind string) (*instance, error) {
	for _, i := range m.prog.Instances {
		if i.Name == name {
			if r := m.insts[i]; r.kind == kind {
				return r, nil
			}
			return nil, fmt.Errorf("%s is a %s, not a %s", name, i.Type.Name, kind)
		}
	}
	return nil, fmt.Errorf("there is no %s %s", kind, name)
}

// InstanceCounter reads element index of the counter with that control-plane name.
// A CounterArray has no bytes.
func (m *Machine) InstanceCounter(name string, index uint32) (Counter, error) {
	if _, err := m.instanceByName(name, "CounterArray"); err == nil {
		n, err := m.CounterArray(name, index)
		return Counter{Packets: uint64(n)}, err
	}
	i, err := m.instanceByName(name, "counter")
	if err != nil {
		return Counter{}, err
	}
	if uint64(index) >= i.size {
		return Counter{}, fmt.Errorf("%s has %d elements, there is no %d", name, i.size, index)
	}
	return Counter{i.cells[index].packets.Load(), i.cells[index].bytes.Load()}, nil
}

// SetInstanceCounter writes element index of a counter.
func (m *Machine) SetInstanceCounter(name string, index uint32, v Counter) error {
	i, err := m.instanceByName(name, "counter")
	if err != nil {
		return err
	}
	if uint64(index) >= i.size {
		return fmt.Errorf("%s has %d elements, there is no %d", name, i.size, index)
	}
	i.cells[index].packets.Store(v.Packets)
	i.cells[index].bytes.Store(v.Bytes)
	return nil
}

// Register reads element index of a register, in machine form (see ir.Leaves).
func (m *Machine) Register(name string, index uint32) ([]byte, error) {
	i, err := m.instanceByName(name, "register")
	if err != nil {
		return nil, err
	}
	if uint64(index) >= i.size {
		return nil, fmt.Errorf("%s has %d elements, there is no %d", name, i.size, index)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return ir.PackLeaves(i.leaves, i.pack(i.regs[int(index)*i.n:(int(index)+1)*i.n])), nil
}

// SetRegister writes element index of a register.
func (m *Machine) SetRegister(name string, index uint32, value []byte) error {
	i, err := m.instanceByName(name, "register")
	if err != nil {
		return err
	}
	if uint64(index) >= i.size {
		return fmt.Errorf("%s has %d elements, there is no %d", name, i.size, index)
	}
	v, err := ir.UnpackLeaves(i.leaves, value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.unpack(i.regs[int(index)*i.n:(int(index)+1)*i.n], v)
	return nil
}

// valueSet is a parser value set: members, each a list of fields.
type valueSet struct {
	name    string
	widths  []int
	size    int
	members atomic.Pointer[[]vsMember]
}

type vsMember []vsField

type vsField struct{ val, mask []uint64 }

func (k *compiler) valueSet(v *ir.ValueSet) *valueSet {
	r := &valueSet{name: v.Name, size: v.Size}
	var types []ir.Type
	switch t := v.Type.(type) {
	case *ir.Tuple:
		types = t.Elems
	case *ir.Struct:
		for _, f := range t.Fields {
			types = append(types, f.Type)
		}
	default:
		types = []ir.Type{t}
	}
	for _, t := range types {
		w := ir.Width(t)
		if w < 0 {
			k.fail(v.Pos, "value set "+v.Name, "a field of type "+t.String()+" is no scalar")
		}
		r.widths = append(r.widths, w)
	}
	return r
}

// match tests keys against fields first, first+1, ... of every member.
func (v *valueSet) match(c *ctx, first int, keys []span) bool {
	ms := v.members.Load()
	return ms != nil && slices.ContainsFunc(*ms, func(m vsMember) bool {
		for i, s := range keys {
			f := &m[first+i]
			for j, x := range c.mem[s.from:s.to] {
				if (x^f.val[j])&f.mask[j] != 0 {
					return false
				}
			}
		}
		return true
	})
}

// SetValueSet replaces the members of a value set, index in Program.ValueSets.
// A member has one match a field: Value, and Mask where bits do not count (nil:
// all count).
func (m *Machine) SetValueSet(index int, members [][]ir.Match) error {
	if index < 0 || index >= len(m.prog.ValueSets) {
		return fmt.Errorf("value set %d of %d", index, len(m.prog.ValueSets))
	}
	v := m.vsets[m.prog.ValueSets[index]]
	if len(members) > v.size {
		return fmt.Errorf("value set %s has room for %d members, not %d", v.name, v.size, len(members))
	}
	ms := make([]vsMember, 0, len(members))
	for _, in := range members {
		if len(in) != len(v.widths) {
			return fmt.Errorf("value set %s: member has %d fields, not %d", v.name, len(in), len(v.widths))
		}
		var mem vsMember
		for i, w := range v.widths {
			f := vsField{val: make([]uint64, limbs(w)), mask: make([]uint64, limbs(w))}
			mask := in[i].Mask
			if mask == nil {
				fillWide(f.mask, 0, w)
			} else {
				fromBytes(f.mask, mask)
			}
			if len(in[i].Value) != ir.ByteWidth(w) || mask != nil && len(mask) != ir.ByteWidth(w) {
				return fmt.Errorf("value set %s: field %d has not %d bytes", v.name, i+1, ir.ByteWidth(w))
			}
			fromBytes(f.val, in[i].Value)
			mem = append(mem, f)
		}
		ms = append(ms, mem)
	}
	v.members.Store(&ms)
	return nil
}
