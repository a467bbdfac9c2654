package ebpf

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// TableContent is what a table holds.
type TableContent struct {
	Default ir.Entry
	Entries []ir.Entry
}

// ExportELF makes a relocatable object for libbpf, bpftool and ip: a program in
// section xdp and one in tc, for machines without nicd. See docs/ebpf-object.md for
// the maps and what they hold. content has one element a table. Programs that make
// copies of packets are refused: they need nicd's machine.
//
// The program itself fills the maps, with the first packet: loaders cannot write
// hash tables, and the default actions must be right from the start.
func ExportELF(p *ir.Program, content []TableContent) ([]byte, error) {
	f, err := ssa.Lower(p, ssa.Options{})
	if err != nil {
		return nil, err
	}
	if len(f.Stages) > 0 {
		return nil, unsupported(p, ir.Pos{}, "program "+p.Name, "it makes copies of packets or sends them back ("+f.Stages[0].Name+"), which takes nicd: an object file has no place for them", "load it with nicctl load")
	}
	l, err := PlanLayoutFor(p, 1, LayoutOptions{Plain: true})
	if err != nil {
		return nil, err
	}
	l.oneCopy()
	x := &elfExport{l: l, names: map[string]string{}, data: map[string][]byte{}, used: map[string]*MapSpec{}}
	if err := x.fill(content); err != nil {
		return nil, err
	}
	for _, h := range []Hook{XDP, TC} {
		obj, err := Compile(f, l, Options{Hook: h})
		if err != nil {
			return nil, err
		}
		x.program(h, obj)
	}
	return x.file()
}

// oneCopy makes all counters one copy, added to atomically: how many CPUs the
// machine has that loads the object is not known.
func (l *Layout) oneCopy() {
	one := func(c *CounterLayout) {
		if c != nil {
			c.Stride, c.Map.MaxEntries = 0, c.Cells
		}
	}
	for _, t := range l.Tables {
		one(t.Counter)
	}
	for _, in := range l.Instances {
		if in != nil {
			one(in.Counter)
		}
	}
}

// elfExport collects what goes into the object.
type elfExport struct {
	l     *Layout
	names map[string]string   // of maps in the object, by MapSpec.Name
	data  map[string][]byte   // contents of maps that are data sections
	used  map[string]*MapSpec // that instructions refer to
	order []*MapSpec
	init  []elfPut
	progs []elfProg
}

// elfPut is an element that a map begins with.
type elfPut struct {
	m          *MapSpec
	key, value []byte
}

type elfProg struct {
	hook  Hook
	insns asm.Instructions // of all its functions
}

// fill notes what the tables hold.
func (x *elfExport) fill(content []TableContent) error {
	for i, t := range x.l.Tables {
		if len(t.IR.Actions) == 0 {
			continue
		}
		if t.IR.Implementation != nil {
			return unsupported(x.l.Prog, t.IR.Pos, "table "+t.IR.Name, "its action profile is filled by nicd: an object file has no place for members and groups", "load it with nicctl load")
		}
		c := content[i]
		if len(c.Entries) > int(t.Size) {
			return unsupported(x.l.Prog, t.IR.Pos, "table "+t.IR.Name, fmt.Sprintf("%d entries for a table of %d", len(c.Entries), t.Size), "")
		}
		c.Default.Handle = 0
		c.Entries = slices.Clone(c.Entries)
		for n := range c.Entries {
			c.Entries[n].Handle = uint32(n + 1)
		}
		for _, e := range append([]ir.Entry{c.Default}, c.Entries...) {
			word, slot := t.EncodeWord(&e, e.Handle)
			if slot {
				x.put(t.Data, u32(e.Handle), t.EncodeData(&e))
			}
			x.put(t.Entry, u32(e.Handle), nativeEndian.AppendUint64(nil, word))
			if k, ok := t.Engine.(Keyed); ok && e.Handle != 0 {
				key, err := k.EncodeKey(&e)
				if err != nil {
					return err
				}
				x.put(k.Map(), key, u32(e.Handle))
			}
		}
		switch e := t.Engine.(type) {
		case *Linear:
			rows, err := e.EncodeRows(c.Entries)
			if err != nil {
				return err
			}
			all := make([]byte, e.Rows.ValueSize)
			copy(all[e.HalfOffset(0):], rows)
			x.data[e.Rows.Name] = all
			x.data[e.Control.Name] = nativeEndian.AppendUint64(nil, e.ControlWord(0, len(c.Entries)))
		case Packed:
			return fmt.Errorf("internal fault in backend/ebpf: table %s has engine %s in an object file", t.IR.Name, e.Kind())
		}
	}
	return nil
}

func u32(n uint32) []byte { return nativeEndian.AppendUint32(nil, n) }

func (x *elfExport) put(m *MapSpec, key, value []byte) {
	x.init = append(x.init, elfPut{m, key, value})
}

// program notes a compiled program and the maps that it refers to.
func (x *elfExport) program(h Hook, obj *Object) {
	x.progs = append(x.progs, elfProg{h, obj.Insns})
	for _, m := range obj.Maps {
		x.use(m)
	}
	for i := range obj.Insns {
		if ins := &obj.Insns[i]; ins.OpCode.IsDWordLoad() && ins.Src == asm.PseudoMapValue {
			if name := ins.Reference(); x.data[name] == nil {
				m := x.used[name]
				x.data[name] = make([]byte, m.ValueSize)
				copy(x.data[name], m.Contents)
			}
		}
	}
}

func (x *elfExport) use(m *MapSpec) {
	if old := x.used[m.Name]; old != nil {
		old.ValueSize = max(old.ValueSize, m.ValueSize) // the scratch map
		return
	}
	c := *m
	x.used[m.Name] = &c
	x.order = append(x.order, &c)
}

// objectName is a map's name in the object: of a table's match structure that of the
// table, of others with what they are behind it.
func objectName(m *MapSpec) string {
	kind, name, ok := strings.Cut(m.Name, ":")
	if !ok {
		name = m.Name
	}
	b := []byte(name)
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			b[i] = '_'
		}
	}
	if !ok || kind == "match" {
		return string(b)
	}
	return string(b) + "_" + kind
}

// section is the data section of a map that programs address directly, "" for others.
func (x *elfExport) section(m *MapSpec) string {
	switch {
	case x.data[m.Name] == nil:
		return ""
	case m.Role == Const:
		return ".rodata." + objectName(m)
	}
	return ".data." + objectName(m)
}

// initName is the function that fills the maps; readyName the cell that says that
// it has.
const (
	initName  = "p4_fill"
	readyName = "p4_ready"
)

// initFunction fills the maps: one call an element.
func (x *elfExport) initFunction() asm.Instructions {
	var out asm.Instructions
	words := func(at int16, b []byte) {
		for len(b) >= 4 {
			out = append(out, storeImm(asm.RFP, at, int64(int32(nativeEndian.Uint32(b))), asm.Word))
			at, b = at+4, b[4:]
		}
		for _, c := range b {
			out = append(out, storeImm(asm.RFP, at, int64(c), asm.Byte))
			at++
		}
	}
	for _, p := range x.init {
		if x.used[p.m.Name] == nil {
			continue // no program reads it
		}
		key := -int16((len(p.key) + 7) &^ 7)
		value := key - int16((len(p.value)+7)&^7)
		words(key, p.key)
		words(value, p.value)
		out = append(out,
			asm.LoadMapPtr(asm.R1, 0).WithReference(p.m.Name),
			asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, int32(key)),
			asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, int32(value)),
			asm.Mov.Imm(asm.R4, 0), asm.FnMapUpdateElem.Call())
	}
	out = append(out,
		asm.LoadMapValue(asm.R1, 0, 0).WithReference(readyName),
		storeImm(asm.R1, 0, 1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0), asm.Return())
	out[0] = out[0].WithSymbol(initName)
	return out
}

// entryFunction is what the kernel calls: it fills the maps if that was not done, and
// runs the program.
func entryFunction(h Hook, main string) asm.Instructions {
	skip := asm.JNE.Imm(asm.R1, 0, "").WithReference("")
	skip.Offset = 1
	return asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1).WithSymbol("p4_" + h.String()),
		asm.LoadMapValue(asm.R1, 0, 0).WithReference(readyName),
		asm.LoadMem(asm.R1, asm.R1, 0, asm.DWord),
		skip,
		asm.Call.Label(initName),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Call.Label(main),
		asm.Return(),
	}
}

// mapBTF describes the maps as libbpf wants them.
func (x *elfExport) mapBTF(maps []*MapSpec) ([]byte, error) {
	num := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	index := &btf.Int{Name: "__ARRAY_SIZE_TYPE__", Size: 4}
	value := func(n uint32) btf.Type {
		return &btf.Pointer{Target: &btf.Array{Index: index, Type: num, Nelems: n}}
	}
	b, err := btf.NewBuilder(nil, nil)
	if err != nil {
		return nil, err
	}
	sec := &btf.Datasec{Name: ".maps"}
	for i, m := range maps {
		st := &btf.Struct{}
		add := func(name string, n uint32) {
			st.Members = append(st.Members, btf.Member{Name: name, Type: value(n), Offset: btf.Bits(64 * len(st.Members))})
			st.Size += 8
		}
		add("type", uint32(m.Type))
		if m.KeySize > 0 {
			add("key_size", m.KeySize)
		}
		add("value_size", m.ValueSize)
		add("max_entries", m.MaxEntries)
		if m.Flags != 0 {
			add("map_flags", m.Flags)
		}
		v := &btf.Var{Name: objectName(m), Type: st, Linkage: btf.GlobalVar}
		sec.Vars = append(sec.Vars, btf.VarSecinfo{Type: v, Offset: uint32(elfMapSize * i), Size: st.Size})
	}
	sec.Size = uint32(elfMapSize * len(maps))
	if _, err := b.Add(sec); err != nil {
		return nil, err
	}
	return b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
}

// elfMapSize is the room of a map's variable in .maps.
const elfMapSize = 48

// file writes the object.
func (x *elfExport) file() ([]byte, error) {
	x.used[readyName] = &MapSpec{Name: readyName, Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Role: State}
	x.order = append(x.order, x.used[readyName])
	x.data[readyName] = make([]byte, 8)
	w := newELF()
	var maps []*MapSpec
	for _, m := range x.order {
		if s := x.section(m); s != "" {
			flags := uint64(elfAlloc | elfWrite)
			if m.Role == Const {
				flags = elfAlloc
			}
			w.refs[m.Name] = elfRef{symbol: w.sectionSymbol(w.section(s, elfProgbits, flags, 8, x.data[m.Name]))}
			continue
		}
		maps = append(maps, m)
	}
	at := w.section(".maps", elfProgbits, elfAlloc|elfWrite, 8, make([]byte, elfMapSize*len(maps)))
	for i, m := range maps {
		w.refs[m.Name] = elfRef{symbol: w.symbol(objectName(m), elfObject, elfGlobal, at, uint64(elfMapSize*i), elfMapSize)}
	}
	text := x.initFunction()
	for i, p := range x.progs {
		// Functions of the two programs may have one name.
		prefix := p.hook.String() + "_"
		fns := slices.Clone(p.insns)
		for j := range fns {
			if s := fns[j].Symbol(); s != "" {
				fns[j] = fns[j].WithSymbol(prefix + s)
			}
			if fns[j].IsFunctionReference() {
				fns[j] = fns[j].WithReference(prefix + fns[j].Reference())
			}
		}
		text = append(text, fns...)
		x.progs[i].insns = entryFunction(p.hook, fns[0].Symbol())
	}
	if err := w.code(".text", text); err != nil {
		return nil, err
	}
	for _, p := range x.progs {
		if err := w.code(p.hook.String(), p.insns); err != nil {
			return nil, err
		}
	}
	w.section("license", elfProgbits, elfAlloc|elfWrite, 1, []byte(license+"\x00"))
	types, err := x.mapBTF(maps)
	if err != nil {
		return nil, err
	}
	w.section(".BTF", elfProgbits, 0, 4, types)
	return w.bytes()
}
