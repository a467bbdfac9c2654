package bmv2tests

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// Control is an Engine with what a control plane programs besides tables, and with
// a clock. Profiles, meters and registers go by their control-plane names.
type Control interface {
	Engine
	SetNow(ns uint64)
	// Insert adds an entry; members and groups that it names are there.
	Insert(table int, e ir.Entry) error
	SetMember(profile string, m ir.ProfileMember) error
	SetGroup(profile string, g ir.ProfileGroup) error
	SetMeter(name string, cell uint32, r *ir.MeterRates) error
	SetDirectMeter(table int, handle uint32, r *ir.MeterRates) error
	Register(name string, index uint32) ([]byte, error)
	SetRegister(name string, index uint32, value []byte) error
	// LastHits are the times at which entries were hit, without those that were
	// not, of tables with idle timeouts.
	LastHits(table int) (map[uint32]uint64, error)
	// Digests are the messages since the last call, as "NAME FIELDS".
	Digests() ([]string, error)
}

var (
	_ Control = (*execEngine)(nil)
	_ Control = (*ssaEngine)(nil)
	_ Control = (*kernelEngine)(nil)
)

func digestText(d ir.Digest) string { return fmt.Sprintf("%s %x", d.Name, d.Fields) }

// On ir/exec.

func (e *execEngine) SetNow(ns uint64) { e.now = ns }

func (e *execEngine) Insert(t int, en ir.Entry) error {
	e.content[t].Entries = append(e.content[t].Entries, en)
	return e.m.Insert(t, en)
}

func (e *execEngine) SetMember(n string, m ir.ProfileMember) error { return e.m.SetMember(n, m) }
func (e *execEngine) SetGroup(n string, g ir.ProfileGroup) error   { return e.m.SetGroup(n, g) }
func (e *execEngine) SetMeter(n string, c uint32, r *ir.MeterRates) error {
	return e.m.SetMeter(n, c, r)
}
func (e *execEngine) SetDirectMeter(t int, h uint32, r *ir.MeterRates) error {
	return e.m.SetDirectMeter(t, h, r)
}
func (e *execEngine) Register(n string, i uint32) ([]byte, error) { return e.m.Register(n, i) }
func (e *execEngine) SetRegister(n string, i uint32, v []byte) error {
	return e.m.SetRegister(n, i, v)
}

func (e *execEngine) LastHits(t int) (map[uint32]uint64, error) {
	out := map[uint32]uint64{}
	for _, en := range e.content[t].Entries {
		at, err := e.m.LastHit(t, en.Handle)
		if err != nil {
			return nil, err
		}
		if at != fixedNow { // when they were inserted
			out[en.Handle] = at
		}
	}
	return out, nil
}

func (e *execEngine) Digests() ([]string, error) {
	defer func() { e.messages = nil }()
	return e.messages, nil
}

// On the SSA interpreter.

func (e *ssaEngine) SetNow(ns uint64) { e.now = ns }

func (e *ssaEngine) Insert(t int, en ir.Entry) error {
	e.content[t].Entries = append(e.content[t].Entries, en)
	return e.in.Insert(t, en)
}

func (e *ssaEngine) instance(name string) *ir.Instance {
	for _, i := range e.p.Instances {
		if i.Name == name {
			return i
		}
	}
	return &ir.Instance{Name: name, Type: &ir.ExternType{}}
}

func (e *ssaEngine) SetMember(n string, m ir.ProfileMember) error {
	return e.in.SetMember(e.instance(n), m)
}
func (e *ssaEngine) SetGroup(n string, g ir.ProfileGroup) error {
	return e.in.SetGroup(e.instance(n), g)
}
func (e *ssaEngine) SetMeter(n string, c uint32, r *ir.MeterRates) error {
	return e.in.SetMeter(e.instance(n), c, r)
}
func (e *ssaEngine) SetDirectMeter(t int, h uint32, r *ir.MeterRates) error {
	return e.in.SetDirectMeter(t, h, r)
}
func (e *ssaEngine) Register(n string, i uint32) ([]byte, error) {
	return e.in.ReadRegister(e.instance(n), uint64(i))
}
func (e *ssaEngine) SetRegister(n string, i uint32, v []byte) error {
	return e.in.WriteRegister(e.instance(n), uint64(i), v)
}
func (e *ssaEngine) LastHits(t int) (map[uint32]uint64, error) { return e.in.LastHits(t), nil }

func (e *ssaEngine) Digests() ([]string, error) {
	defer func() { e.messages = nil }()
	return e.messages, nil
}

// controlled is what the kernel's engine keeps for Control.
type controlled struct {
	now      uint64
	nonce    uint64
	groups   map[string]map[uint32]uint32
	shares   map[string]uint32
	members  map[string]map[uint32]uint32
	ring     *ringbuf.Reader
	messages []string
}

func (k *kernelEngine) SetNow(ns uint64) { k.now = ns }

func (k *kernelEngine) Insert(t int, e ir.Entry) error {
	k.content[t].Entries = append(k.content[t].Entries, e)
	return k.fill(t)
}

func (k *kernelEngine) put(m *backend.MapSpec, key uint32, v any) error {
	if err := k.maps[m.Name].Put(key, v); err != nil {
		return fmt.Errorf("%s[%d]: %w", m.Name, key, err)
	}
	return nil
}

func (k *kernelEngine) instance(name string) (*backend.Instance, error) {
	for _, in := range k.l.Instances {
		if in != nil && in.IR.Name == name {
			return in, nil
		}
	}
	return nil, fmt.Errorf("there is no %s", name)
}

// entryWord is the word of an entry; its data are written. Entries with actions of
// their own in a table with a profile become members without a name.
func (k *kernelEngine) entryWord(i int, e ir.Entry) (uint64, error) {
	t := k.l.Tables[i]
	if t.IR.Implementation == nil {
		return k.dataWord(t, e)
	}
	in, err := k.instance(t.IR.Implementation.Name)
	if err != nil {
		return 0, err
	}
	switch e.Ref {
	case ir.RefMember:
		return backend.MemberRef(k.members[in.IR.Name][e.Target]), nil
	case ir.RefGroup:
		return backend.GroupRef(k.groups[in.IR.Name][e.Target]), nil
	}
	a := t.IR.Actions[e.Action].Action
	e.Action = slices.IndexFunc(in.Profile.Members.IR.Actions, func(r ir.ActionRef) bool { return r.Action == a })
	return k.member(in, 1<<31|uint32(i)<<16|e.Handle, e)
}

// member gives the member called id an action.
func (k *kernelEngine) member(in *backend.Instance, id uint32, e ir.Entry) (uint64, error) {
	slots := k.members[in.IR.Name]
	if slots == nil {
		slots = map[uint32]uint32{}
		k.members[in.IR.Name] = slots
	}
	slot, ok := slots[id]
	if !ok {
		slot = uint32(len(slots))
		slots[id] = slot
	}
	e.Handle = slot
	w, err := k.dataWord(in.Profile.Members, e)
	if err != nil {
		return 0, err
	}
	return backend.MemberRef(slot), k.put(in.Profile.Members.Entry, slot, w)
}

func (k *kernelEngine) dataWord(t *backend.Table, e ir.Entry) (uint64, error) {
	word, needsSlot := t.EncodeWord(&e, e.Handle)
	if needsSlot {
		return word, k.put(t.Data, t.DataBase+e.Handle, t.EncodeData(&e))
	}
	return word, nil
}

func (k *kernelEngine) SetMember(name string, m ir.ProfileMember) error {
	in, err := k.instance(name)
	if err != nil {
		return err
	}
	_, err = k.member(in, m.ID, ir.Entry{Action: m.Action, Args: m.Args})
	return err
}

func (k *kernelEngine) SetGroup(name string, g ir.ProfileGroup) error {
	in, err := k.instance(name)
	if err != nil {
		return err
	}
	slots := k.groups[name]
	if slots == nil {
		slots = map[uint32]uint32{}
		k.groups[name] = slots
	}
	slot, ok := slots[g.ID]
	if !ok {
		slot = uint32(len(slots))
		slots[g.ID] = slot
	}
	base, size := k.shares[name], uint32(0)
	for _, m := range slices.SortedStableFunc(slices.Values(g.Members), func(a, b ir.GroupMember) int { return cmp.Compare(a.Member, b.Member) }) {
		for range max(1, m.Weight) {
			if err := k.put(in.Profile.Shares, base+size, uint64(k.members[name][m.Member])); err != nil {
				return err
			}
			size++
		}
	}
	k.shares[name] += size
	return k.put(in.Profile.Group, slot, backend.GroupWord(base, size))
}

func (k *kernelEngine) setMeter(m *backend.MeterLayout, cell uint32, r *ir.MeterRates) error {
	if r == nil {
		return k.put(m.Word, cell, uint64(0))
	}
	var word uint64
	if err := k.maps[m.Word.Name].Lookup(cell, &word); err != nil {
		return err
	}
	if word != 0 {
		_, at := backend.MeterWordParts(word)
		b := make([]byte, backend.MeterRatesSize)
		if err := k.maps[m.Rates.Name].Lookup(at, b); err != nil || backend.MeterRatesOf(b) == *r {
			return err // no change
		}
	}
	at := cell // every cell has rates of its own here
	k.nonce++
	b := make([]byte, backend.MeterRatesSize)
	backend.PutMeterRates(b, r)
	return errors.Join(k.put(m.Rates, at, b), k.put(m.Word, cell, backend.MeterWord(k.nonce, at)))
}

func (k *kernelEngine) SetMeter(name string, cell uint32, r *ir.MeterRates) error {
	in, err := k.instance(name)
	if err != nil {
		return err
	}
	return k.setMeter(in.Meter, cell, r)
}

func (k *kernelEngine) SetDirectMeter(t int, handle uint32, r *ir.MeterRates) error {
	return k.setMeter(k.l.Tables[t].Meter, handle, r)
}

func (k *kernelEngine) Register(name string, index uint32) ([]byte, error) {
	in, err := k.instance(name)
	if err != nil {
		return nil, err
	}
	limbs := make([]uint64, in.Register.ValueSize/8)
	if err := k.maps[in.Register.Name].Lookup(index, limbs); err != nil {
		return nil, err
	}
	return ir.PackLeaves(in.Leaves, limbs), nil
}

func (k *kernelEngine) SetRegister(name string, index uint32, value []byte) error {
	in, err := k.instance(name)
	if err != nil {
		return err
	}
	limbs, err := ir.UnpackLeaves(in.Leaves, value)
	if err != nil {
		return err
	}
	return k.put(in.Register, index, limbs)
}

func (k *kernelEngine) LastHits(t int) (map[uint32]uint64, error) {
	out := map[uint32]uint64{}
	for _, e := range k.content[t].Entries {
		var at uint64
		if err := k.maps[k.l.Tables[t].Hits.Name].Lookup(e.Handle, &at); err != nil {
			return nil, err
		}
		if at != 0 {
			out[e.Handle] = at
		}
	}
	return out, nil
}

// openState prepares what lies behind extern objects.
func (k *kernelEngine) openState() (err error) {
	k.now = fixedNow
	k.members, k.groups, k.shares = map[string]map[uint32]uint32{}, map[string]map[uint32]uint32{}, map[string]uint32{}
	for _, in := range k.l.Instances {
		if in == nil || in.Initial == nil {
			continue
		}
		for c := range in.Cells {
			if err := k.put(in.Register, c, in.Initial); err != nil {
				return err
			}
		}
	}
	if k.l.Digests != nil {
		k.ring, err = ringbuf.NewReader(k.maps[k.l.Digests.Ring.Name])
	}
	return err
}

func (k *kernelEngine) closeState() error {
	if k.ring == nil {
		return nil
	}
	return k.ring.Close()
}

// drain reads the messages that are there.
func (k *kernelEngine) drain() error {
	if k.ring == nil {
		return nil
	}
	k.ring.SetDeadline(time.Unix(1, 0))
	for {
		r, err := k.ring.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		d, err := k.l.Digests.Decode(r.RawSample)
		if err != nil {
			return err
		}
		k.messages = append(k.messages, digestText(d))
	}
}

func (k *kernelEngine) Digests() ([]string, error) {
	err := k.drain()
	defer func() { k.messages = nil }()
	return k.messages, err
}

// optionsOf are the options of the SSA interpreter for an engine.
func optionsOf(e *ssaEngine) ssa.InterpOptions {
	return ssa.InterpOptions{
		Now: func() uint64 { return e.now }, Rand: fixedRand,
		Digest: func(d ir.Digest) { e.messages = append(e.messages, digestText(d)) },
	}
}
