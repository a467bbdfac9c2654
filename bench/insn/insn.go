// Package insn counts the instructions that a BPF program executes for a packet:
// an interpreter of instructions as they are loaded, on the program's own maps.
//
// In: instructions with associated maps, a packet. Out: counts by kind, the
// verdict and the packet. Helpers are carried out in Go and count as one
// instruction each; what the kernel adds when it inlines some of them is not
// counted. Values of maps are copies: the kernel's maps are read, never written.
// Must not import: compiler, runtime.
package insn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Counts of executed instructions.
type Counts struct {
	All    int `json:"all"`
	Stack  int `json:"stack"`  // loads and stores of the stack
	Moves  int `json:"moves"`  // register to register, constants
	Memory int `json:"memory"` // loads and stores of packet, context and map values
	ALU    int `json:"alu"`
	Jumps  int `json:"jumps"`
	Calls  int `json:"calls"`
	// Lookups are the look-ups among the calls, by type of map.
	Lookups map[string]int `json:"lookups"`
}

// Add adds another run's counts.
func (c *Counts) Add(o Counts) {
	for _, p := range c.fields(&o) {
		*p[0] += *p[1]
	}
	if c.Lookups == nil {
		c.Lookups = map[string]int{}
	}
	for k, n := range o.Lookups {
		c.Lookups[k] += n
	}
}

// Divide divides all by n, rounding to the nearest.
func (c *Counts) Divide(n int) {
	for _, p := range c.fields(c) {
		*p[0] = (*p[0] + n/2) / n
	}
	for k, v := range c.Lookups {
		c.Lookups[k] = (v + n/2) / n
	}
}

func (c *Counts) fields(o *Counts) [][2]*int {
	return [][2]*int{{&c.All, &o.All}, {&c.Stack, &o.Stack}, {&c.Moves, &o.Moves}, {&c.Memory, &o.Memory},
		{&c.ALU, &o.ALU}, {&c.Jumps, &o.Jumps}, {&c.Calls, &o.Calls}}
}

// Program is a program to interpret.
type Program struct {
	Type  ebpf.ProgramType // XDP or SchedCLS
	Insns asm.Instructions
	// Maps are the maps that the instructions name.
	Maps map[string]*ebpf.Map
	// Visit, if not nil, is told every instruction before it is executed.
	Visit func(ins *asm.Instruction)
}

// Result of a run.
type Result struct {
	Counts
	Verdict uint32
	Packet  []byte
}

// limit bounds the instructions of a run.
const limit = 1 << 20

const headroom = 256

// machine is the state of one run. An address is an object's number in the upper
// 32 bits, from 1 on, and an offset below; map pointers are objects too.
type machine struct {
	p       *Program
	code    []asm.Instruction // nil entries stand for the second half of wide ones
	valid   []bool
	target  map[string]int
	objects [][]byte
	stack   uint64 // object of the innermost frame's stack
	maps    map[uint64]string
	values  map[string]uint64
	packet  uint64
	start   int // offset of the packet's first byte in its object
	end     int
	regs    [11]uint64
	res     Result
	calls   []frame
}

type frame struct {
	pc    int
	stack uint64
	saved [5]uint64
}

// Run interprets the program for a packet that came in on lo.
func (p *Program) Run(packet []byte) (*Result, error) {
	m := &machine{p: p, target: map[string]int{}, objects: [][]byte{nil}, maps: map[uint64]string{}, values: map[string]uint64{}}
	m.res.Lookups = map[string]int{}
	for _, ins := range p.Insns {
		if s := ins.Symbol(); s != "" {
			m.target[s] = len(m.code)
		}
		m.code, m.valid = append(m.code, ins), append(m.valid, true)
		if ins.OpCode.IsDWordLoad() {
			m.code, m.valid = append(m.code, asm.Instruction{}), append(m.valid, false)
		}
	}
	m.packet = m.object(append(make([]byte, headroom, headroom+len(packet)+64), packet...))
	m.start, m.end = headroom, headroom+len(packet)
	m.regs[1] = m.object(make([]byte, 256))
	m.context(m.regs[1])
	m.enter()
	if err := m.run(); err != nil {
		return nil, err
	}
	m.res.Verdict = uint32(m.regs[0])
	m.res.Packet = m.objects[m.packet>>32][m.start:m.end]
	return &m.res, nil
}

func (m *machine) object(b []byte) uint64 {
	m.objects = append(m.objects, b)
	return uint64(len(m.objects)-1) << 32
}

func (m *machine) enter() {
	m.stack = m.object(make([]byte, 512))
	m.regs[10] = m.stack + 512
}

// context writes the fields that programs read; pointers are read by field.
func (m *machine) context(ctx uint64) {
	b := m.objects[ctx>>32]
	put := func(off int, v uint32) { binary.NativeEndian.PutUint32(b[off:], v) }
	if m.p.Type == ebpf.SchedCLS {
		put(0, uint32(m.end-m.start))
		put(16, 0x0008)
		put(40, 1)
		put(164, 1)
		return
	}
	put(12, 1)
}

// pointerField gives what a 32-bit context field that holds a pointer stands for.
func (m *machine) pointerField(addr uint64) (uint64, bool) {
	if addr>>32 != 2 { // the context is the second object
		return 0, false
	}
	data, end := uint32(0), uint32(4)
	if m.p.Type == ebpf.SchedCLS {
		data, end = 76, 80
	}
	switch uint32(addr) {
	case data:
		return m.packet + uint64(m.start), true
	case end:
		return m.packet + uint64(m.end), true
	}
	return 0, false
}

func (m *machine) bytes(addr uint64, n int) ([]byte, error) {
	o, off := int(addr>>32), int(uint32(addr))
	if o <= 0 || o >= len(m.objects) || off+n > len(m.objects[o]) {
		return nil, fmt.Errorf("access to %#x, %d bytes", addr, n)
	}
	return m.objects[o][off : off+n], nil
}

func (m *machine) load(addr uint64, n int) (uint64, error) {
	if v, ok := m.pointerField(addr); ok {
		return v, nil
	}
	b, err := m.bytes(addr, n)
	if err != nil {
		return 0, err
	}
	switch n {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(binary.NativeEndian.Uint16(b)), nil
	case 4:
		return uint64(binary.NativeEndian.Uint32(b)), nil
	}
	return binary.NativeEndian.Uint64(b), nil
}

func (m *machine) store(addr uint64, n int, v uint64) error {
	b, err := m.bytes(addr, n)
	if err != nil {
		return err
	}
	switch n {
	case 1:
		b[0] = byte(v)
	case 2:
		binary.NativeEndian.PutUint16(b, uint16(v))
	case 4:
		binary.NativeEndian.PutUint32(b, uint32(v))
	default:
		binary.NativeEndian.PutUint64(b, v)
	}
	return nil
}

func (m *machine) run() error {
	for pc := 0; ; {
		if pc < 0 || pc >= len(m.code) || !m.valid[pc] {
			return fmt.Errorf("jump to %d", pc)
		}
		if m.res.All++; m.res.All > limit {
			return errors.New("no end")
		}
		ins := &m.code[pc]
		if m.p.Visit != nil {
			m.p.Visit(ins)
		}
		next := pc + 1
		var err error
		switch class := ins.OpCode.Class(); {
		case ins.OpCode.IsDWordLoad():
			m.res.Moves++
			next++
			err = m.wide(ins)
		case class == asm.LdXClass:
			addr := m.regs[ins.Src] + uint64(int64(ins.Offset))
			m.touched(addr)
			m.regs[ins.Dst], err = m.load(addr, ins.OpCode.Size().Sizeof())
		case class == asm.StXClass, class == asm.StClass:
			addr, v := m.regs[ins.Dst]+uint64(int64(ins.Offset)), uint64(ins.Constant)
			m.touched(addr)
			n := ins.OpCode.Size().Sizeof()
			if class == asm.StXClass {
				v = m.regs[ins.Src]
			}
			if ins.OpCode.Mode() != asm.MemMode { // atomic addition, the only one compilers here use
				var old uint64
				if old, err = m.load(addr, n); err == nil {
					v += old
				}
			}
			if err == nil {
				err = m.store(addr, n, v)
			}
		case class.IsALU():
			err = m.alu(ins)
		case class.IsJump():
			var done bool
			if next, done, err = m.jump(ins, pc); done && err == nil {
				return nil
			}
		default:
			err = errors.New("unknown instruction")
		}
		if err != nil {
			return fmt.Errorf("instruction %d (%v): %w", pc, ins, err)
		}
		pc = next
	}
}

// OnStack tells whether the instruction loads or stores the stack by its frame
// register, as compilers do for values that found no register.
func OnStack(ins *asm.Instruction) bool {
	switch ins.OpCode.Class() {
	case asm.LdXClass:
		return ins.Src == asm.RFP
	case asm.StXClass, asm.StClass:
		return ins.Dst == asm.RFP
	}
	return false
}

func (m *machine) touched(addr uint64) {
	if addr>>32 == m.stack>>32 {
		m.res.Stack++
	} else {
		m.res.Memory++
	}
}

// wide loads a constant, a map or the address of a map's first value.
func (m *machine) wide(ins *asm.Instruction) error {
	name := ins.Reference()
	if !ins.IsLoadFromMap() {
		m.regs[ins.Dst] = uint64(ins.Constant)
		return nil
	}
	if ins.Src == asm.PseudoMapFD {
		for o, n := range m.maps {
			if n == name {
				m.regs[ins.Dst] = o
				return nil
			}
		}
		o := m.object(nil)
		m.maps[o] = name
		m.regs[ins.Dst] = o
		return nil
	}
	o, ok := m.values[name]
	if !ok {
		km := m.p.Maps[name]
		if km == nil {
			return fmt.Errorf("there is no map %q", name)
		}
		v, err := km.LookupBytes(make([]byte, km.KeySize()))
		if err != nil || v == nil {
			return fmt.Errorf("value of map %s: %w", name, err)
		}
		o = m.object(v)
		m.values[name] = o
	}
	m.regs[ins.Dst] = o + uint64(ins.Constant)>>32
	return nil
}

func (m *machine) alu(ins *asm.Instruction) error {
	wide := ins.OpCode.Class() == asm.ALU64Class
	x := uint64(ins.Constant)
	if ins.OpCode.Source() == asm.RegSource && ins.OpCode.ALUOp() != asm.Swap {
		x = m.regs[ins.Src]
	}
	d := m.regs[ins.Dst]
	if !wide {
		d, x = uint64(uint32(d)), uint64(uint32(x))
	}
	size := uint64(32)
	if wide {
		size = 64
	}
	switch op := ins.OpCode.ALUOp(); op {
	case asm.Mov:
		m.res.Moves++
		m.res.ALU--
		d = x
	case asm.Add:
		d += x
	case asm.Sub:
		d -= x
	case asm.Mul:
		d *= x
	case asm.Div:
		if x == 0 {
			d = 0
		} else {
			d /= x
		}
	case asm.Mod:
		if x != 0 {
			d %= x
		}
	case asm.And:
		d &= x
	case asm.Or:
		d |= x
	case asm.Xor:
		d ^= x
	case asm.LSh:
		d <<= x & (size - 1)
	case asm.RSh:
		d >>= x & (size - 1)
	case asm.ArSh:
		if wide {
			d = uint64(int64(d) >> (x & 63))
		} else {
			d = uint64(uint32(int32(d) >> (x & 31)))
		}
	case asm.Neg:
		d = -d
	case asm.Swap:
		big := ins.OpCode.Endianness() == asm.BE
		d = m.regs[ins.Dst]
		switch {
		case ins.Constant == 16 && big:
			d = uint64(bits.ReverseBytes16(uint16(d)))
		case ins.Constant == 32 && big:
			d = uint64(bits.ReverseBytes32(uint32(d)))
		case big:
			d = bits.ReverseBytes64(d)
		case ins.Constant < 64:
			d &= 1<<ins.Constant - 1
		}
		wide = true
	default:
		return fmt.Errorf("unknown operation %v", op)
	}
	m.res.ALU++
	if !wide {
		d = uint64(uint32(d))
	}
	m.regs[ins.Dst] = d
	return nil
}

func (m *machine) jump(ins *asm.Instruction, pc int) (next int, done bool, err error) {
	op := ins.OpCode.JumpOp()
	goal := func() int {
		if at, ok := m.target[ins.Reference()]; ok && ins.Reference() != "" {
			return at
		}
		if ins.OpCode.Class() == asm.Jump32Class && op == asm.Ja {
			return pc + 1 + int(ins.Constant)
		}
		return pc + 1 + int(ins.Offset)
	}
	switch op {
	case asm.Exit:
		m.res.Jumps++
		if len(m.calls) == 0 {
			return 0, true, nil
		}
		f := m.calls[len(m.calls)-1]
		m.calls = m.calls[:len(m.calls)-1]
		m.stack = f.stack
		copy(m.regs[6:], f.saved[:])
		return f.pc, false, nil
	case asm.Call:
		m.res.Calls++
		if ins.IsFunctionCall() {
			f := frame{pc: pc + 1, stack: m.stack}
			copy(f.saved[:], m.regs[6:])
			m.calls = append(m.calls, f)
			m.enter()
			if at, ok := m.target[ins.Reference()]; ok {
				return at, false, nil
			}
			return pc + 1 + int(ins.Constant), false, nil
		}
		end, err := m.helper(asm.BuiltinFunc(ins.Constant))
		return pc + 1, end, err
	case asm.Ja:
		m.res.Jumps++
		return goal(), false, nil
	}
	m.res.Jumps++
	a, b := m.regs[ins.Dst], uint64(ins.Constant)
	if ins.OpCode.Source() == asm.RegSource {
		b = m.regs[ins.Src]
	}
	sa, sb := int64(a), int64(b)
	if ins.OpCode.Class() == asm.Jump32Class {
		a, b = uint64(uint32(a)), uint64(uint32(b))
		sa, sb = int64(int32(a)), int64(int32(b))
	}
	var take bool
	switch op {
	case asm.JEq:
		take = a == b
	case asm.JNE:
		take = a != b
	case asm.JGT:
		take = a > b
	case asm.JGE:
		take = a >= b
	case asm.JLT:
		take = a < b
	case asm.JLE:
		take = a <= b
	case asm.JSet:
		take = a&b != 0
	case asm.JSGT:
		take = sa > sb
	case asm.JSGE:
		take = sa >= sb
	case asm.JSLT:
		take = sa < sb
	case asm.JSLE:
		take = sa <= sb
	default:
		return 0, false, fmt.Errorf("unknown jump %v", op)
	}
	if take {
		return goal(), false, nil
	}
	return pc + 1, false, nil
}
