package kernel

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"testing"

	"github.com/cilium/ebpf/asm"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// Tables of tablesProgram, one for each kind of match structure.
const (
	tNone = iota
	tArray
	tHash
	tLPM
	tLinear
	tClasses
	tVRF
	tables
)

// Actions of its tables.
const (
	aNone = iota // no parameters
	aPack        // bit<9>: in the word
	aSlot        // bit<48>, bit<48>: in a slot
)

const tableSize = 8

func tableNames() []string {
	return []string{"none", "array", "hash", "lpm", "linear", "classes", "vrf"}
}

// rebuilt tells that each batch writes the whole match structure anew, in turns
// into one of two places.
func rebuilt(table int) bool { return table == tLinear || table == tClasses }

// sizeOf is a table's size: classes begin where scanning ends.
func sizeOf(table int) int {
	if table == tClasses {
		return 64
	}
	return tableSize
}

func tablesProgram() *ir.Program {
	bits := func(w int) ir.Type { return &ir.Bit{W: w} }
	param := func(name string, w int) *ir.Var { return &ir.Var{Name: name, Type: bits(w)} }
	actions := []*ir.Action{
		{Name: "none"},
		{Name: "pack", Params: []*ir.Var{param("port", 9)}},
		{Name: "slot", Params: []*ir.Var{param("dst", 48), param("src", 48)}},
	}
	direct := &ir.Instance{Name: "direct", Type: &ir.ExternType{Name: "direct_counter"}}
	indirect := &ir.Instance{Name: "indirect", Type: &ir.ExternType{Name: "counter"},
		Args: []ir.Expr{&ir.Const{Meta: ir.Meta{T: bits(32)}, Val: big.NewInt(4)}}}
	p := &ir.Program{Level: ir.Core, Arch: "v1model", Name: "tables", Actions: actions, Instances: []*ir.Instance{direct, indirect}}
	key := func(name string, w int, k ir.MatchKind) ir.Key {
		return ir.Key{Name: name, Kind: k, Expr: &ir.VarRef{Meta: ir.Meta{T: bits(w)}, Var: param(name, w)}}
	}
	for i, keys := range [][]ir.Key{
		nil,
		{key("k", 8, ir.MatchExact)},
		{key("a", 32, ir.MatchExact), key("b", 9, ir.MatchExact)},
		{key("p", 32, ir.MatchLPM)},
		{key("m", 16, ir.MatchTernary)},
		{key("m", 16, ir.MatchTernary), key("r", 8, ir.MatchRange)},
		{key("v", 32, ir.MatchExact), key("p", 32, ir.MatchLPM)},
	} {
		t := &ir.Table{Name: tableNames()[i], Keys: keys, Size: sizeOf(i), Counters: direct}
		for _, a := range actions {
			t.Actions = append(t.Actions, ir.ActionRef{Action: a})
		}
		p.Tables = append(p.Tables, t)
	}
	return p
}

// passing compiles any program to one that passes every packet.
func passing(prog *ir.Program, to planTarget, hooks [2]bool) (*compiled, error) {
	c := &compiled{}
	var err error
	if c.layout, err = to.plan(prog); err != nil {
		return nil, err
	}
	for k, wanted := range hooks {
		if wanted {
			c.objects[k] = object(hookKind(k), asm.Instructions{asm.Mov.Imm(asm.R0, []int32{2, 0}[k]), asm.Return()})
		}
	}
	return c, nil
}

// entry is an entry of a table with key n, action data n.
func entry(table int, handle uint32, n byte, action int) ir.Entry {
	e := ir.Entry{Handle: handle, Action: action}
	switch table {
	case tArray:
		e.Match = []ir.Match{{Value: []byte{n}}}
	case tHash:
		e.Match = []ir.Match{{Value: []byte{10, 0, 0, n}}, {Value: []byte{1, n}}}
	case tLPM:
		e.Match = []ir.Match{{Value: []byte{10, n, 0, 0}, PrefixLen: 16}}
	case tLinear:
		e.Match = []ir.Match{{Value: []byte{0, n}, Mask: []byte{0, 0xff}}}
		e.Priority = int32(n) + 1
	case tClasses:
		e.Match = []ir.Match{{Value: []byte{0, n}, Mask: []byte{0, 0xff}}, {Value: []byte{n}, Mask: []byte{n}}}
		e.Priority = int32(n) + 1
	case tVRF:
		e.Match = []ir.Match{{Value: []byte{0, 0, 0, n % 5}}, {Value: []byte{10, n, 0, 0}, PrefixLen: 16}}
	}
	switch action {
	case aPack:
		e.Args = [][]byte{{1, n}}
	case aSlot:
		e.Args = [][]byte{{2, 0, 0, 0, 0, n}, {4, 0, 0, 0, 0, n}}
	}
	return e
}

func text(e ir.Entry) string { return fmt.Sprintf("%d%x", e.Action, e.Args) }

// content is what a table holds for the programs: key -> handle and entry,
// read from the maps.
func content(t *testing.T, tab *table) map[string]string {
	t.Helper()
	out := map[string]string{}
	put := func(m []ir.Match, handle uint32) {
		action, args, err := tab.l.DecodeWord(tab.entry.load(handle, 0), func(slot uint32) ([]byte, error) { return tab.data.value(slot), nil })
		netnstest.Check(t, err)
		key := ""
		for _, x := range m {
			key += fmt.Sprintf("%x/%x/%d ", x.Value, x.Mask, x.PrefixLen)
		}
		out[key] = fmt.Sprintf("%d:%s", handle, text(ir.Entry{Action: action, Args: args}))
	}
	switch {
	case tab.writer != nil:
		for n := range 256 {
			e := entry(tab.l.Index, 0, byte(n), aNone)
			var key [][]byte
			for _, m := range e.Match {
				key = append(key, m.Value)
			}
			if h := tab.writer.Lookup(key); h != 0 {
				put(e.Match, h)
			}
		}
	case tab.engine != nil:
		half, n := tab.engine.Active(tab.control.load(0, 0))
		from := tab.engine.HalfOffset(half)
		rows, err := tab.engine.DecodeRows(tab.rows.value(0)[from : from+n*tab.engine.RowSize])
		netnstest.Check(t, err)
		for _, r := range rows {
			put(r.Match, r.Handle)
		}
	case tab.keyed != nil:
		it := tab.match.Iterate()
		key, handle := make([]byte, tab.match.KeySize()), uint32(0)
		for it.Next(&key, &handle) {
			if handle == 0 && tab.array != nil {
				continue
			}
			m, err := tab.keyed.DecodeKey(key)
			netnstest.Check(t, err)
			put(m, handle)
		}
		netnstest.Check(t, it.Err())
	}
	put(nil, 0)
	return out
}

// model is what the tables should hold.
type model [tables]map[uint32]ir.Entry

func (m *model) content(table int) map[string]string {
	out := map[string]string{}
	for h, e := range m[table] {
		key := ""
		for _, x := range e.Match {
			key += fmt.Sprintf("%x/%x/%d ", x.Value, x.Mask, x.PrefixLen)
		}
		out[key] = fmt.Sprintf("%d:%s", h, text(e))
	}
	return out
}

func (m *model) apply(op dataplane.Op) {
	switch op.Kind {
	case dataplane.Delete:
		delete(m[op.Table], op.Entry.Handle)
	case dataplane.Modify:
		e := op.Entry
		e.Match = m[op.Table][e.Handle].Match
		m[op.Table][e.Handle] = e
	default:
		m[op.Table][op.Entry.Handle] = op.Entry
	}
}

type tablesBench struct {
	*bench
	t *testing.T
	p *Plane
	m model
}

func newTables(t *testing.T) *tablesBench {
	t.Helper()
	b := newBench(t)
	tb := &tablesBench{bench: b, t: t, p: b.mustOpen()}
	tb.p.codegen = passing
	tb.commit(1, false)
	return tb
}

// load commits a generation whose tables hold only their default.
func (b *tablesBench) commit(seq uint64, keep bool) {
	b.t.Helper()
	c := dataplane.Config{Program: tablesProgram(), Sequence: seq, KeepState: keep}
	for i := range b.m {
		if b.m[i] == nil {
			b.m[i] = map[uint32]ir.Entry{0: entry(tNone, 0, byte(i), aPack)}
		}
		in := dataplane.Content{Default: b.m[i][0]}
		for _, h := range slices.Sorted(maps.Keys(b.m[i]))[1:] {
			in.Entries = append(in.Entries, b.m[i][h])
		}
		c.Content = append(c.Content, in)
	}
	g, err := b.p.Prepare(c)
	netnstest.Check(b.t, err)
	netnstest.Check(b.t, g.Commit())
}

// apply makes changes that must succeed, and compares.
func (b *tablesBench) apply(ops ...dataplane.Op) {
	b.t.Helper()
	if errs := b.p.Apply(ops); errs != nil {
		b.t.Fatalf("errors: %v", errs)
	}
	for _, op := range ops {
		b.m.apply(op)
	}
	b.compare()
}

// fails makes one change that must fail and change nothing.
func (b *tablesBench) fails(op dataplane.Op, want error) {
	b.t.Helper()
	errs := b.p.Apply([]dataplane.Op{op})
	if len(errs) != 1 || errs[0] == nil || want != nil && !errors.Is(errs[0], want) {
		b.t.Errorf("%+v: got %v, want %v", op, errs, want)
	}
	b.compare()
}

func (b *tablesBench) compare() {
	b.t.Helper()
	for i, tab := range b.p.live.tables {
		got, want := content(b.t, tab), b.m.content(i)
		if !maps.Equal(got, want) {
			b.t.Fatalf("table %s:\n got %v\nwant %v", tab.l.IR.Name, got, want)
		}
	}
}

func op(kind dataplane.OpKind, table int, e ir.Entry) dataplane.Op {
	return dataplane.Op{Kind: kind, Table: table, Entry: e}
}

// D2: entries of every kind of table, one change at a time and in batches.
func TestApply(t *testing.T) {
	for table := tArray; table < tables; table++ {
		t.Run(tableNames()[table], func(t *testing.T) {
			b := newTables(t)
			b.apply(op(dataplane.Insert, table, entry(table, 1, 1, aPack)))
			b.apply(op(dataplane.Insert, table, entry(table, 8, 2, aSlot)), op(dataplane.Insert, table, entry(table, 3, 3, aNone)))
			b.apply(op(dataplane.Modify, table, entry(table, 1, 1, aSlot)))  // word -> slot
			b.apply(op(dataplane.Modify, table, entry(table, 8, 99, aSlot))) // slot -> slot
			b.apply(op(dataplane.Modify, table, entry(table, 8, 2, aPack)))  // slot -> word
			b.apply(op(dataplane.SetDefault, table, entry(tNone, 0, 7, aSlot)))
			b.apply(op(dataplane.Delete, table, entry(table, 8, 2, 0)))
			b.apply(op(dataplane.Insert, table, entry(table, 8, 4, aSlot))) // the handle again
			b.apply(op(dataplane.Delete, table, entry(table, 1, 1, 0)), op(dataplane.Delete, table, entry(table, 3, 3, 0)))

			b.fails(op(dataplane.Delete, table, entry(table, 3, 3, 0)), dataplane.ErrNoEntry)
			b.fails(op(dataplane.Modify, table, entry(table, 3, 3, aNone)), dataplane.ErrNoEntry)
			b.fails(op(dataplane.Modify, table, entry(table, 0, 3, aNone)), dataplane.ErrNoEntry)
			b.fails(op(dataplane.Delete, table, entry(table, 0, 3, aNone)), dataplane.ErrNoEntry)
			b.fails(op(dataplane.Insert, table, entry(table, 8, 9, aNone)), nil) // handle in use
			b.fails(op(dataplane.Insert, table, entry(table, 0, 9, aNone)), nil)
			b.fails(op(dataplane.Insert, table, entry(table, uint32(sizeOf(table)+1), 9, aNone)), dataplane.ErrFull)
			b.fails(op(dataplane.Insert, table, ir.Entry{Handle: 2, Match: entry(table, 2, 9, 0).Match, Action: 3}), nil)
			b.fails(op(dataplane.Insert, table, ir.Entry{Handle: 2, Match: entry(table, 2, 9, 0).Match, Action: aPack}), nil)
			b.fails(op(dataplane.Insert, table, ir.Entry{Handle: 2}), nil) // no match
			b.fails(op(dataplane.SetDefault, table, entry(tNone, 5, 7, aNone)), nil)
			b.fails(op(dataplane.OpKind(9), table, entry(tNone, 5, 7, aNone)), nil)
			b.fails(op(dataplane.Insert, 99, entry(tNone, 5, 7, aNone)), nil)
			if !rebuilt(table) {
				b.fails(op(dataplane.Delete, table, entry(table, 8, 77, 0)), dataplane.ErrNoEntry) // another key
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		b := newTables(t)
		b.apply(op(dataplane.SetDefault, tNone, entry(tNone, 0, 7, aSlot)))
		b.fails(op(dataplane.Insert, tNone, entry(tNone, 1, 7, aNone)), nil)
	})
}

// One batch that deletes and inserts: a key changes hands, a full table makes
// room, a handle is used again.
func TestApplyMixedBatch(t *testing.T) {
	for table := tArray; table < tables; table++ {
		t.Run(tableNames()[table], func(t *testing.T) {
			b := newTables(t)
			var fill []dataplane.Op
			for h := uint32(1); h <= tableSize; h++ {
				fill = append(fill, op(dataplane.Insert, table, entry(table, h, byte(h), aSlot)))
			}
			b.apply(fill...)
			for range 3 { // slots and halves must come back
				b.apply(
					op(dataplane.Delete, table, entry(table, 1, 1, 0)),
					op(dataplane.Delete, table, entry(table, 2, 2, 0)),
					op(dataplane.Insert, table, entry(table, 1, 2, aSlot)), // old handle, key of another
					op(dataplane.Insert, table, entry(table, 2, 1, aSlot)),
					op(dataplane.Modify, table, entry(table, 2, 1, aPack)),
				)
				b.apply(
					op(dataplane.Delete, table, entry(table, 1, 2, 0)),
					op(dataplane.Delete, table, entry(table, 2, 1, 0)),
					op(dataplane.Insert, table, entry(table, 2, 200, aSlot)),
					op(dataplane.Delete, table, entry(table, 2, 200, 0)),
					op(dataplane.Insert, table, entry(table, 2, 2, aSlot)),
					op(dataplane.Insert, table, entry(table, 1, 1, aSlot)),
				)
			}
			// A key that changes hands in a table with room.
			b.apply(op(dataplane.Delete, table, entry(table, 3, 3, 0)))
			b.apply(op(dataplane.Delete, table, entry(table, 4, 4, 0)), op(dataplane.Insert, table, entry(table, 3, 4, aSlot)))
			b.apply(op(dataplane.Insert, table, entry(table, 4, 3, aPack)))

			// Each op has its own error; the others are made.
			errs := b.p.Apply([]dataplane.Op{
				op(dataplane.Modify, table, entry(table, 1, 1, aNone)),
				op(dataplane.Insert, table, entry(table, 1, 50, aNone)),
				op(dataplane.Delete, table, entry(table, 2, 2, 0)),
				op(dataplane.Delete, table, entry(table, 2, 2, 0)),
			})
			if len(errs) != 4 || errs[0] != nil || errs[1] == nil || errs[2] != nil || !errors.Is(errs[3], dataplane.ErrNoEntry) {
				t.Errorf("errors %v", errs)
			}
			b.m.apply(op(dataplane.Modify, table, entry(table, 1, 1, aNone)))
			b.m.apply(op(dataplane.Delete, table, entry(table, 2, 2, 0)))
			b.compare()
		})
	}
}

// D11: what a packet may still hold stays as it was until grace. The test looks
// at the tables when a grace period begins.
func TestGraceBeforeReuse(t *testing.T) {
	for table := tArray; table < tables; table++ {
		t.Run(tableNames()[table], func(t *testing.T) {
			b := newTables(t)
			b.apply(op(dataplane.Insert, table, entry(table, 1, 1, aSlot)))
			tab := b.p.live.tables[table]
			word, slot := tab.entry.load(1, 0), slices.Clone(tab.data.value(tab.slotOf[1]-1))
			old := tab.slotOf[1] - 1
			netnstest.Check(t, b.p.waitGrace()) // a scanned table has both halves again
			graces := 0
			b.p.wait = func() error {
				if graces++; graces == 1 {
					if tab.entry.load(1, 0) != word || !slices.Equal(tab.data.value(old), slot) {
						t.Error("the entry was changed while packets may hold its handle")
					}
					if got := content(t, tab); len(got) != 1 {
						t.Errorf("still matched after its deletion: %v", got)
					}
				}
				return b.p.grace.wait()
			}
			b.apply(op(dataplane.Delete, table, entry(table, 1, 1, 0)), op(dataplane.Insert, table, entry(table, 1, 2, aSlot)))
			if graces != 1 {
				t.Errorf("%d grace periods", graces)
			}
			// Many deletions, one grace period; modifications and inserts need none.
			b.apply(op(dataplane.Insert, table, entry(table, 2, 3, aSlot)), op(dataplane.Modify, table, entry(table, 2, 3, aPack)))
			if !rebuilt(table) && graces != 1 { // the scanned table waits for its second half
				t.Errorf("%d grace periods", graces)
			}
			graces = 1
			b.apply(op(dataplane.Delete, table, entry(table, 1, 2, 0)), op(dataplane.Delete, table, entry(table, 2, 3, 0)))
			if want := 2; !rebuilt(table) && graces != want {
				t.Errorf("%d grace periods, want %d", graces, want)
			}
			b.p.wait = func() error { return errors.New("no barrier") }
			b.m.apply(op(dataplane.Insert, table, entry(table, 4, 4, aSlot)))
			errs := b.p.Apply([]dataplane.Op{op(dataplane.Insert, table, entry(table, 4, 4, aSlot)), op(dataplane.Delete, table, entry(table, 4, 4, 0))})
			if len(errs) != 2 || errs[0] == nil || errs[1] == nil {
				t.Errorf("a failed grace period was acknowledged: %v", errs)
			}
		})
	}
	t.Run("scanned halves", func(t *testing.T) {
		b := newTables(t)
		tab := b.p.live.tables[tLinear]
		half, _ := tab.engine.Active(tab.control.load(0, 0))
		graces := 0
		b.p.wait = func() error { graces++; return b.p.grace.wait() }
		for n := range 4 {
			b.apply(op(dataplane.Insert, tLinear, entry(tLinear, uint32(n+1), byte(n), aPack)))
			now, _ := tab.engine.Active(tab.control.load(0, 0))
			if now == half || graces != n {
				t.Errorf("change %d: half %d after %d, %d grace periods", n, now, half, graces)
			}
			half = now
		}
	})
	t.Run("switch", func(t *testing.T) {
		b := newTables(t)
		live, graces := b.p.liveIndex(), 0
		b.p.wait = func() error {
			if graces++; b.p.liveIndex() != live {
				t.Error("switched before everything was seen")
			}
			return b.p.grace.wait()
		}
		b.commit(2, true)
		if graces != 1 || b.p.liveIndex() == live {
			t.Errorf("%d grace periods, generation %d after %d", graces, b.p.liveIndex(), live)
		}
	})
}

// The kernel's own limit, below what handles allow, is ErrFull for the one entry.
func TestApplyFull(t *testing.T) {
	for _, table := range []int{tHash} {
		b := newTables(t)
		var ops []dataplane.Op
		for h := uint32(1); h <= tableSize; h++ {
			ops = append(ops, op(dataplane.Insert, table, entry(table, h, byte(h), aSlot)))
		}
		b.apply(ops...)
		// Behind the plane's back: the map is full of keys that it does not know.
		b.apply(op(dataplane.Delete, table, entry(table, 1, 1, 0)))
		tab := b.p.live.tables[table]
		other := entry(table, 1, 250, 0)
		key, err := tab.keyed.EncodeKey(&other)
		netnstest.Check(t, err)
		netnstest.Check(t, tab.match.Update(key, uint32(5), 0))
		errs := b.p.Apply([]dataplane.Op{op(dataplane.Insert, table, entry(table, 1, 1, aSlot))})
		if len(errs) != 1 || !errors.Is(errs[0], dataplane.ErrFull) {
			t.Errorf("errors %v", errs)
		}
		netnstest.Check(t, tab.match.Delete(key))
		b.compare()
		b.apply(op(dataplane.Insert, table, entry(table, 1, 1, aSlot)))
		// Changes for ever: slots are not lost.
		for n := range 300 {
			b.apply(op(dataplane.Modify, table, entry(table, 1, byte(n), aSlot)))
			if n%100 == 0 {
				b.apply(op(dataplane.Delete, table, entry(table, 1, 1, 0)))
				b.apply(op(dataplane.Insert, table, entry(table, 1, 1, aSlot)))
			}
			b.m[table][1] = entry(table, 1, 1, aSlot)
			b.apply(op(dataplane.Modify, table, entry(table, 1, 1, aSlot)))
		}
	}
}

// D12, D7: counters are summed over the CPUs, kept or begun anew as asked, and
// a new generation holds what the store gives it.
func TestCountersAndState(t *testing.T) {
	b := newTables(t)
	b.apply(op(dataplane.Insert, tHash, entry(tHash, 3, 3, aSlot)), op(dataplane.Insert, tLinear, entry(tLinear, 2, 3, aSlot)))
	count := func() {
		for i, tab := range b.p.live.tables {
			for cpu := range b.p.ncpu {
				n := tab.l.Counter.Index(cpu, 3)
				tab.counter.store(n, 0, uint64(10*i+1))
				tab.counter.store(n, 1, uint64(100*i+60))
			}
		}
		in := b.p.live.layout.Instances[1]
		b.p.live.states[in.Counter.Map.Name].store(in.Counter.Index(b.p.ncpu-1, 2), 0, 5)
	}
	check := func(what string, times uint64) {
		t.Helper()
		for i := range b.p.live.tables {
			var out [2]dataplane.Counter
			netnstest.Check(t, b.p.Counters(i, []uint32{3, 0}, out[:]))
			n := uint64(b.p.ncpu) * times
			if want := (dataplane.Counter{Packets: n * uint64(10*i+1), Bytes: n * uint64(100*i+60)}); out[0] != want || out[1] != (dataplane.Counter{}) {
				t.Errorf("%s: table %d: %v, want %v", what, i, out, want)
			}
		}
		var out [4]dataplane.Counter
		netnstest.Check(t, b.p.InstanceCounters("indirect", []uint32{0, 1, 2, 3}, out[:]))
		if want := [4]dataplane.Counter{2: {Packets: 5 * times}}; out != want {
			t.Errorf("%s: indirect %v", what, out)
		}
	}
	count()
	check("first", 1)
	b.commit(2, true)
	check("kept", 1)
	b.compare()                     // the entries came with the content
	netnstest.Check(t, b.p.Close()) // a restart
	var err error
	b.p, err = b.bench.open("nic0")
	netnstest.Check(t, err)
	b.p.codegen = passing
	t.Cleanup(func() { netnstest.Check(t, b.p.Close()) })
	b.commit(3, true)
	check("after a restart", 1)
	b.compare()
	b.commit(4, false)
	check("anew", 0)
	b.compare()
	for _, err := range []error{
		b.p.Counters(77, nil, nil),
		b.p.Counters(0, []uint32{99}, make([]dataplane.Counter, 1)),
		b.p.Counters(0, []uint32{1, 2}, make([]dataplane.Counter, 1)),
		b.p.InstanceCounters("nothing", nil, nil),
		b.p.InstanceCounters("indirect", []uint32{4}, make([]dataplane.Counter, 1)),
	} {
		if err == nil {
			t.Error("a reading of what is not there")
		}
	}
	if drops, err := b.p.Drops(); err != nil || len(drops) != backend.DropReasons {
		t.Errorf("drops %v %v", drops, err)
	}
}

// Content that does not fit is refused, and the live generation stays.
func TestPrepareContentErrors(t *testing.T) {
	b := newTables(t)
	for _, c := range []struct {
		name   string
		change func(*dataplane.Content)
		want   string
	}{
		{"too many", func(c *dataplane.Content) {
			for h := uint32(1); h <= tableSize+1; h++ {
				c.Entries = append(c.Entries, entry(tHash, h, byte(h), aNone))
			}
		}, "table hash: entry 8 (handle 9): handle 9 of a table of 8 entries: table full"},
		{"default", func(c *dataplane.Content) { c.Default.Action = 7 }, "table hash: default action: there is no action 7"},
		{"default handle", func(c *dataplane.Content) { c.Default.Handle = 7 }, "table hash: the default action has handle 7, not 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := dataplane.Config{Program: tablesProgram(), Sequence: 2, Content: make([]dataplane.Content, tables)}
			c.change(&conf.Content[tHash])
			if _, err := b.p.Prepare(conf); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			b.compare()
		})
	}
}

// The fallback of grace works where the barrier does.
func TestGraceFallback(t *testing.T) {
	netnstest.NeedBPF(t)
	g, err := newGrace()
	netnstest.Check(t, err)
	netnstest.Check(t, g.wait())
	f, err := newMapGrace()
	netnstest.Check(t, err)
	netnstest.Check(t, f.wait())
	netnstest.Check(t, f.close())
	netnstest.Check(t, g.close())
}
