package ebpf

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// The ELF file itself: a relocatable object for eBPF, little endian, with the
// relocations of libbpf.

const (
	elfProgbits = uint32(elf.SHT_PROGBITS)
	elfAlloc    = uint64(elf.SHF_ALLOC)
	elfWrite    = uint64(elf.SHF_WRITE)
	elfExec     = uint64(elf.SHF_EXECINSTR)
	elfObject   = elf.STT_OBJECT
	elfLocal    = elf.STB_LOCAL
	elfGlobal   = elf.STB_GLOBAL

	relocMap  = 1  // R_BPF_64_64
	relocCall = 10 // R_BPF_64_32
)

type elfSection struct {
	name  string
	head  elf.Section64
	data  []byte
	rel   []elfReloc
	index int
}

type elfReloc struct {
	off  uint64
	kind uint32
	ref  string
}

type elfSymbol struct {
	name string
	sym  elf.Sym64
}

// elfRef is the symbol that a reference means, an index in elfFile.symbols.
type elfRef struct{ symbol int }

type elfFile struct {
	sections []*elfSection
	symbols  []elfSymbol
	refs     map[string]elfRef
}

func newELF() *elfFile {
	return &elfFile{sections: []*elfSection{{}}, symbols: []elfSymbol{{}}, refs: map[string]elfRef{}}
}

// section appends a section and gives its index.
func (w *elfFile) section(name string, kind uint32, flags, align uint64, data []byte) int {
	s := &elfSection{name: name, data: data, index: len(w.sections)}
	s.head.Type, s.head.Flags, s.head.Addralign = kind, flags, align
	w.sections = append(w.sections, s)
	return s.index
}

func (w *elfFile) symbol(name string, typ elf.SymType, bind elf.SymBind, section int, value, size uint64) int {
	w.symbols = append(w.symbols, elfSymbol{name, elf.Sym64{Info: elf.ST_INFO(bind, typ), Shndx: uint16(section), Value: value, Size: size}})
	return len(w.symbols) - 1
}

func (w *elfFile) sectionSymbol(section int) int {
	return w.symbol("", elf.STT_SECTION, elfLocal, section, 0, 0)
}

// code writes functions into a section. Those in .text are for the object alone;
// loaders want their symbols global, and hidden ones are verified in place.
func (w *elfFile) code(name string, insns asm.Instructions) error {
	var buf bytes.Buffer
	at := w.section(name, elfProgbits, elfAlloc|elfExec, 8, nil)
	s := w.sections[at]
	start, open := uint64(0), ""
	end := func() {
		if open != "" {
			n := w.symbol(open, elf.STT_FUNC, elfGlobal, at, start, uint64(buf.Len())-start)
			if name == ".text" {
				w.symbols[n].sym.Other = byte(elf.STV_HIDDEN)
			}
			w.refs[open] = elfRef{n}
		}
	}
	for i := range insns {
		ins := insns[i]
		if sym := ins.Symbol(); sym != "" {
			end()
			start, open = uint64(buf.Len()), sym
		}
		ref := ins.Reference()
		switch {
		case ref == "":
		case ins.IsFunctionReference():
			s.rel = append(s.rel, elfReloc{uint64(buf.Len()), relocCall, ref})
			ins.Constant = -1
		case ins.IsLoadFromMap():
			s.rel = append(s.rel, elfReloc{uint64(buf.Len()), relocMap, ref})
			off := int64(0)
			if ins.Src == asm.PseudoMapValue {
				off = int64(uint64(ins.Constant) >> 32)
			}
			ins = asm.Instruction{OpCode: ins.OpCode, Dst: ins.Dst, Constant: off}
		default:
			return fmt.Errorf("internal fault in backend/ebpf: a reference to %s in an object file", ref)
		}
		if _, err := ins.Marshal(&buf, binary.LittleEndian); err != nil {
			return fmt.Errorf("internal fault in backend/ebpf: %v: %w", ins, err)
		}
	}
	end()
	s.data = buf.Bytes()
	return nil
}

// bytes lays the file out: header, sections, symbols (local ones first), headers.
func (w *elfFile) bytes() ([]byte, error) {
	order := make([]int, 0, len(w.symbols)) // new place -> old
	for _, local := range []bool{true, false} {
		for i, s := range w.symbols {
			if (elf.ST_BIND(s.sym.Info) == elfLocal) == local {
				order = append(order, i)
			}
		}
	}
	place := make([]uint64, len(w.symbols))
	locals := 0
	for i, old := range order {
		place[old] = uint64(i)
		if elf.ST_BIND(w.symbols[old].sym.Info) == elfLocal {
			locals = i + 1
		}
	}
	symtab := len(w.sections)
	for _, s := range w.sections[:symtab] { // the new ones are appended
		if len(s.rel) == 0 {
			continue
		}
		symtab++
	}
	for _, s := range append([]*elfSection(nil), w.sections...) {
		if len(s.rel) == 0 {
			continue
		}
		var b bytes.Buffer
		for _, r := range s.rel {
			ref, ok := w.refs[r.ref]
			if !ok {
				return nil, fmt.Errorf("internal fault in backend/ebpf: nothing called %s in an object file", r.ref)
			}
			if err := binary.Write(&b, binary.LittleEndian, elf.Rel64{Off: r.off, Info: elf.R_INFO(uint32(place[ref.symbol]), r.kind)}); err != nil {
				return nil, err
			}
		}
		n := w.section(".rel"+s.name, uint32(elf.SHT_REL), 0, 8, b.Bytes())
		h := &w.sections[n].head
		h.Link, h.Info, h.Entsize = uint32(symtab), uint32(s.index), 16
	}
	names := []byte{0}
	name := func(s string) uint32 {
		if s == "" {
			return 0
		}
		at := len(names)
		names = append(append(names, s...), 0)
		return uint32(at)
	}
	var syms bytes.Buffer
	for _, old := range order {
		s := w.symbols[old]
		s.sym.Name = name(s.name)
		if err := binary.Write(&syms, binary.LittleEndian, s.sym); err != nil {
			return nil, err
		}
	}
	n := w.section(".symtab", uint32(elf.SHT_SYMTAB), 0, 8, syms.Bytes())
	w.sections[n].head.Link, w.sections[n].head.Info, w.sections[n].head.Entsize = uint32(n+1), uint32(locals), 24
	str := w.section(".strtab", uint32(elf.SHT_STRTAB), 0, 1, nil)
	for _, s := range w.sections {
		s.head.Name = name(s.name)
	}
	w.sections[str].data = names

	const header, entry = 64, 64
	out := make([]byte, header)
	for _, s := range w.sections[1:] {
		for uint64(len(out))%max(s.head.Addralign, 1) != 0 {
			out = append(out, 0)
		}
		s.head.Off, s.head.Size = uint64(len(out)), uint64(len(s.data))
		out = append(out, s.data...)
	}
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	h := elf.Header64{Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_BPF), Version: 1, Shoff: uint64(len(out)),
		Ehsize: header, Shentsize: entry, Shnum: uint16(len(w.sections)), Shstrndx: uint16(str)}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	var b bytes.Buffer
	for _, s := range w.sections {
		if err := binary.Write(&b, binary.LittleEndian, s.head); err != nil {
			return nil, err
		}
	}
	out = append(out, b.Bytes()...)
	b.Reset()
	if err := binary.Write(&b, binary.LittleEndian, h); err != nil {
		return nil, err
	}
	copy(out, b.Bytes())
	return out, nil
}
