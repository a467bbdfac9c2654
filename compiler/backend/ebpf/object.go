package ebpf

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ssa"
)

// Hook is where a program runs.
type Hook uint8

const (
	XDP Hook = iota // attach type XDP, frags
	TC              // SCHED_CLS at ingress, tcx or clsact
)

func (h Hook) String() string { return [...]string{"xdp", "tc"}[h] }

// Options of Compile.
type Options struct {
	Hook Hook
	// StartOffset is the number of bytes in front of the packet that parser,
	// deparser and length leave out (D20); 0 but for test harnesses.
	StartOffset int
	// Harness: take the ingress port from MapResult, write the outcome there and
	// return, instead of redirecting and counting.
	Harness bool
	// CPUPort is the number of the CPU port; 0 means 510 (D8).
	CPUPort uint32
	// Off names optimisations that are not done (see Optimisations).
	Off map[string]bool
}

// Optimisations lists the names that Options.Off knows.
func Optimisations() []string {
	return []string{"coalesce", "empty", "fuse", "opaque", "sink-loads", "slots", "straighten"}
}

// Object is a compiled program: instructions that refer to maps by name.
type Object struct {
	Insns      asm.Instructions
	Maps       []*MapSpec // the maps it refers to, in order of first use
	License    string
	Type       ebpf.ProgramType
	AttachType ebpf.AttachType
	Flags      uint32 // of BPF_PROG_LOAD
	// Machine is the program that a packet with copies goes on in, always for tc, at
	// StageMachine of its generation; nil when no packet has copies.
	Machine *Object
	// StackSlots and MapSlots say how much the register allocator could not keep in registers,
	// for reports: stack slots and slots of the scratch map.
	StackSlots, MapSlots int
}

const (
	flagXDPHasFrags = 1 << 5
	license         = "GPL"
)

func newObject(h Hook) *Object {
	if h == TC {
		return &Object{License: license, Type: ebpf.SchedCLS, AttachType: ebpf.AttachNone}
	}
	return &Object{License: license, Type: ebpf.XDP, AttachType: ebpf.AttachXDP, Flags: flagXDPHasFrags}
}

// Link gives a copy of the instructions that refers to the given maps, by
// MapSpec.Name.
func (o *Object) Link(maps map[string]*ebpf.Map) (asm.Instructions, error) {
	insns := append(asm.Instructions(nil), o.Insns...)
	for _, m := range o.Maps {
		km, ok := maps[m.Name]
		if !ok || km == nil {
			return nil, fmt.Errorf("program refers to map %q, which is not given", m.Name)
		}
		if err := insns.AssociateMap(m.Name, km); err != nil {
			return nil, fmt.Errorf("map %q: %w", m.Name, err)
		}
	}
	return insns, nil
}

// Spec gives the program in the form that loads it.
func (o *Object) Spec(name string, maps map[string]*ebpf.Map) (*ebpf.ProgramSpec, error) {
	insns, err := o.Link(maps)
	if err != nil {
		return nil, err
	}
	return &ebpf.ProgramSpec{Name: name, Type: o.Type, AttachType: o.AttachType, Flags: o.Flags,
		License: o.License, Instructions: insns}, nil
}

// Compile translates f, lowered from l.Prog, for one hook. Errors are
// *Unsupported where a construct of the program is the reason.
func Compile(f *ssa.Func, l *Layout, o Options) (*Object, error) {
	m, err := newMachine(f, l)
	if err != nil {
		return nil, err
	}
	obj, err := compileOnce(f, m, l, o, false)
	if err == errStackFull {
		obj, err = compileOnce(f, m, l, o, true)
	}
	if err != nil || m == nil {
		return obj, err
	}
	obj.Machine, err = machineObject(m, o)
	return obj, err
}
