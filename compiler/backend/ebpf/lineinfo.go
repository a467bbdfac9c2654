package ebpf

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/p4nic/p4nic/compiler/ir"
)

// lineTable holds the P4 lines of a program as BTF line information, which the
// kernel shows in its disassembly and in the verifier's log.
//
// cilium/ebpf has no constructor for lines with a file and a number; it reads
// them from BTF. So a BTF blob that holds strings only is made and read back.
type lineTable struct {
	lines map[ir.Pos]*btf.Line
}

// Limits of a line record: 22 bits of line, 10 of column.
const (
	maxLine = 1<<22 - 1
	maxCol  = 1<<10 - 1
)

// newLineTable collects the positions of all instructions. The zero position
// stands for code that no P4 line asked for.
func newLineTable(p *ir.Program, blocks []*mblock, subs []*subprog) (*lineTable, error) {
	var order []ir.Pos
	seen := map[ir.Pos]bool{}
	note := func(pos ir.Pos) {
		if !seen[pos] {
			seen[pos] = true
			order = append(order, pos)
		}
	}
	note(ir.Pos{})
	for _, s := range subs {
		note(s.pos)
	}
	for _, b := range blocks {
		for i := range b.ins {
			note(b.ins[i].pos)
		}
	}
	strs := []byte{0}
	offs := map[string]uint32{"": 0}
	str := func(s string) uint32 {
		if o, ok := offs[s]; ok {
			return o
		}
		o := uint32(len(strs))
		offs[s] = o
		strs = append(append(strs, s...), 0)
		return o
	}
	le := binary.LittleEndian
	var recs []byte
	for i, pos := range order {
		file, text := "", "(p4nic: around the program)"
		var lineCol uint32
		if pos.IsValid() && pos.File >= 0 && int(pos.File) < len(p.Files) {
			f := &p.Files[pos.File]
			file, text = f.Path, f.Lines[pos.Line]
			lineCol = min(uint32(pos.Line), maxLine)<<10 | min(uint32(max(pos.Col, 0)), maxCol)
		}
		recs = le.AppendUint32(recs, uint32(i))
		recs = le.AppendUint32(recs, str(file))
		recs = le.AppendUint32(recs, str(printable(text)))
		recs = le.AppendUint32(recs, lineCol)
	}
	// struct btf_header: magic, version, flags, header length, types, strings.
	blob := le.AppendUint16(nil, 0xeb9f)
	blob = append(blob, 1, 0)
	for _, x := range []uint32{24, 0, 0, 0, uint32(len(strs))} {
		blob = le.AppendUint32(blob, x)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(append(blob, strs...)))
	if err != nil {
		return nil, fmt.Errorf("line information: %w", err)
	}
	infos, err := btf.LoadLineInfos(bytes.NewReader(recs), le, uint32(len(order)), spec)
	if err != nil {
		return nil, fmt.Errorf("line information: %w", err)
	}
	t := &lineTable{lines: make(map[ir.Pos]*btf.Line, len(order))}
	for i, pos := range order {
		t.lines[pos] = infos[i].Line
	}
	return t, nil
}

// printable replaces what the kernel does not take in a BTF string.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = ' '
		}
	}
	return string(bytes.TrimSpace(b))
}

func (l *lineTable) source(pos ir.Pos) *btf.Line { return l.lines[pos] }

// function makes the instructions one BTF function, so that disassemblies name
// it and its argument.
func function(insns asm.Instructions, name string, h Hook) asm.Instructions {
	fn := &btf.Func{
		Name: name,
		Type: &btf.FuncProto{
			Return: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed},
			Params: []btf.FuncParam{{Name: "ctx", Type: contextType(h)}},
		},
		Linkage: btf.GlobalFunc,
	}
	insns[0] = btf.WithFuncMetadata(insns[0].WithSymbol(name), fn)
	return insns
}
