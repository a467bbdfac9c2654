package ssa

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// lowerer turns the blocks of a core program into SSA by running them
// symbolically: the environment holds the current SSA value of every leaf of
// every variable, is copied where control forks and joined where it meets.
// There are no loops at run time, so every block is complete when control
// leaves it.
type lowerer struct {
	p   *ir.Program
	opt Options
	f   *Func

	stages *stageSet
	fused  *virtual // what a second parser has read, for the second deparser
	sums   map[*ir.Instance]*sumState

	nextID     int
	consts     map[constKey]*Value
	constOrder []*Value

	vars      map[*ir.Var]*variable
	leafType  []Type
	leafName  []string
	offLeaf   map[int]int // off leaf -> slot leaf of the same header
	joins     map[*Value]*joined
	joinCount int

	cur    *flow // nil: unreachable
	pos    ir.Pos
	labels []*label

	dry, dryFailed bool
	dryEnv         []*Value
	dryFacts       *fact

	slots    int // extracts so far
	loadTag  map[*Value]loadTag
	emitted  []*emission
	parser   *parserState
	inParser bool
	faults   **Value // within tryEval: where a stack was read beyond its end
	split    bool    // parser states are split by the headers parsed before
	arch     archHooks
	taught   *learning // nil outside of tables' actions
	objects  objects
	retry    *retry
	// loopLeaves is the number of leaves that there were where the innermost loop
	// begins.
	loopLeaves int
}

// archHooks are the places where an architecture sees what blocks do.
type archHooks interface {
	// extern lowers a call of an extern that the architecture defines; false
	// when it has none of that name.
	extern(l *lowerer, s *ir.ExternCall) bool
}

// label is an enclosing Labelled or Loop.
type label struct {
	name  string
	leave []exit
	again []exit
}

// bail carries a refusal to Lower.
type bail struct{ err *Unsupported }

func (l *lowerer) refuse(pos ir.Pos, construct, reason string) {
	u := &Unsupported{Construct: construct, Pos: pos, Reason: reason}
	if pos.IsValid() && int(pos.File) < len(l.p.Files) {
		u.File = l.p.Files[pos.File].Path
	}
	panic(bail{u})
}

func (l *lowerer) setPos(p ir.Pos) {
	if p.IsValid() {
		l.pos = p
	}
}

// Lower makes the SSA form of a core program, verified and, unless told
// otherwise, optimised. Errors are *Unsupported.
func Lower(p *ir.Program, opt Options) (*Func, error) {
	f, err := lowerProgram(p, opt, &stageSet{})
	for set := (stageSet{}); err == errNotFused && !set.apart || err == errBitGranular && !set.bits; {
		set = stageSet{apart: set.apart || err == errNotFused, bits: set.bits || err == errBitGranular}
		try := set
		f, err = lowerProgram(p, opt, &try)
	}
	if err != nil {
		return nil, err
	}
	if err := Verify(f); err != nil {
		return nil, fmt.Errorf("ssa: lowering %s: %w", p.Name, err)
	}
	if !opt.NoOptimize {
		if err := Optimize(f, opt); err != nil {
			return nil, err
		}
	}
	f.Renumber()
	return f, nil
}

func lowerProgram(p *ir.Program, opt Options, set *stageSet) (*Func, error) {
	f, err := lowerFunc(p, p.Name, opt, set, (*lowerer).program)
	if err != nil {
		return nil, err
	}
	return f, lowerStages(f, opt, set)
}

// lowerFunc makes one Func, the whole program's or a stage's: what build lowers.
func lowerFunc(p *ir.Program, name string, opt Options, set *stageSet, build func(l *lowerer)) (*Func, error) {
	r := &retry{real: map[any]bool{}, carried: map[int]bool{}}
	for {
		f, again, err := lowerOnce(p, name, opt, set, r, build)
		if !again {
			return f, err
		}
	}
}

// retry is what was found to be needed by lowering without it.
type retry struct {
	joined  bool         // parser states are not split
	real    map[any]bool // loops that are not unrolled, see realLoop
	carried map[int]bool // leaves that loops carry although no statement names them, see carry
	tries   int          // for carried
}

func lowerOnce(p *ir.Program, name string, opt Options, set *stageSet, r *retry, build func(l *lowerer)) (f *Func, again bool, err error) {
	l := &lowerer{
		p: p, opt: opt, split: !r.joined, retry: r, stages: set,
		f:       &Func{Name: name, Prog: p},
		consts:  map[constKey]*Value{},
		vars:    map[*ir.Var]*variable{},
		offLeaf: map[int]int{},
		joins:   map[*Value]*joined{},
		loadTag: map[*Value]loadTag{},
	}
	defer func() {
		if x := recover(); x != nil {
			switch x := x.(type) {
			case bail:
				f, err = nil, x.err
			case joinStates:
				r.joined, again = true, true
			case realLoop:
				r.real[x.loop], again = true, true
			case carry:
				r.carried[x.leaf], again = true, true
				r.tries++
			case notFused:
				f, err = nil, errNotFused
			case bitGranular:
				f, err = nil, errBitGranular
			default:
				panic(x)
			}
		}
	}()
	l.cur = &flow{blk: l.newBlock("entry")}
	build(l)
	entry := l.f.Blocks[0]
	entry.Instrs = append(append([]*Value(nil), l.constOrder...), entry.Instrs...)
	prune(l.f)
	return l.f, false, nil
}

// program lowers the whole program's Func.
func (l *lowerer) program() {
	if l.p.Level == ir.Typed {
		l.refuse(ir.Pos{}, "program at level "+l.p.Level.String(), "only core programs are lowered")
	}
	switch l.p.Arch {
	case "v1model":
		l.v1model()
	case "pna":
		l.pna()
	case "psa":
		l.psa()
	case "p4nic":
		l.p4nic()
	case "ebpf":
		l.ebpfFilter()
	case "xdp":
		l.xdpSwitch()
	default:
		l.refuse(ir.Pos{}, "architecture "+l.p.Arch, "there is no lowering for it")
	}
}

// Renumber gives blocks and values consecutive numbers in order, so that equal
// functions have equal text.
func (f *Func) Renumber() {
	for _, s := range f.Stages {
		s.Renumber()
	}
	n := 0
	for i, b := range f.Blocks {
		b.ID = i
		for _, v := range b.Params {
			n++
			v.ID = n
		}
		for _, v := range b.Instrs {
			n++
			v.ID = n
		}
	}
}

// prune drops unreachable blocks and orders the others in reverse postorder.
func prune(f *Func) {
	seen := map[*Block]bool{}
	var post []*Block
	var walk func(b *Block)
	walk = func(b *Block) {
		seen[b] = true
		for i := len(b.Term.Succs) - 1; i >= 0; i-- {
			if t := b.Term.Succs[i].To; !seen[t] {
				walk(t)
			}
		}
		post = append(post, b)
	}
	walk(f.Blocks[0])
	f.Blocks = f.Blocks[:0]
	for i := len(post) - 1; i >= 0; i-- {
		post[i].ID = len(f.Blocks)
		f.Blocks = append(f.Blocks, post[i])
	}
}
