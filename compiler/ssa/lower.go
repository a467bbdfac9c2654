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
	split    bool // parser states are split by the headers parsed before
	arch     archHooks
	objects  objects
}

// archHooks are the places where an architecture sees what blocks do.
type archHooks interface {
	// extern lowers a call of an extern that the architecture defines; false
	// when it has none of that name.
	extern(l *lowerer, s *ir.ExternCall) bool
	// assigned is called before an assignment.
	assigned(l *lowerer, s *ir.Assign)
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
func Lower(p *ir.Program, opt Options) (f *Func, err error) {
	f, again, err := lower(p, opt, true)
	if again {
		f, _, err = lower(p, opt, false)
	}
	return f, err
}

func lower(p *ir.Program, opt Options, split bool) (f *Func, again bool, err error) {
	l := &lowerer{
		p: p, opt: opt, split: split,
		f:       &Func{Name: p.Name, Prog: p},
		consts:  map[constKey]*Value{},
		vars:    map[*ir.Var]*variable{},
		offLeaf: map[int]int{},
		joins:   map[*Value]*joined{},
		loadTag: map[*Value]loadTag{},
	}
	defer func() {
		if r := recover(); r != nil {
			switch r := r.(type) {
			case bail:
				f, err = nil, r.err
			case joinStates:
				again = true
			default:
				panic(r)
			}
		}
	}()
	if p.Level == ir.Typed {
		l.refuse(ir.Pos{}, "program at level "+p.Level.String(), "only core programs are lowered")
	}
	l.cur = &flow{blk: l.newBlock("entry")}
	switch p.Arch {
	case "v1model":
		l.v1model()
	default:
		l.refuse(ir.Pos{}, "architecture "+p.Arch, "there is no lowering for it")
	}
	entry := l.f.Blocks[0]
	entry.Instrs = append(append([]*Value(nil), l.constOrder...), entry.Instrs...)
	prune(l.f)
	if err := Verify(l.f); err != nil {
		return nil, false, fmt.Errorf("ssa: lowering %s: %w", p.Name, err)
	}
	if !opt.NoOptimize {
		if err := Optimize(l.f, opt); err != nil {
			return nil, false, err
		}
	}
	l.f.Renumber()
	return l.f, false, nil
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
