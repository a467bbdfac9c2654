package ssa

import (
	"errors"
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Verify checks what the back end and the interpreter rely on: types of
// operands, uses dominated by definitions, edges that fit their targets,
// reachability, and that the packet is not read after it was changed.
func Verify(f *Func) error {
	if err := verifyFunc(f, f); err != nil {
		return err
	}
	for _, s := range f.Stages {
		if err := verifyFunc(f, s); err != nil {
			return err
		}
	}
	return verifyFrames(f)
}

// verifyFunc checks g, which is f or one of its stages.
func verifyFunc(f, g *Func) error {
	c := &checker{f: g, whole: f}
	f = g
	if len(f.Blocks) == 0 {
		return errors.New("ssa: function without blocks")
	}
	if len(f.Blocks[0].Params) > 0 {
		return errors.New("ssa: the entry block has parameters")
	}
	// Shapes first: what follows walks along them.
	for _, b := range f.Blocks {
		if err := c.edges(b); err != nil {
			return err
		}
	}
	for _, check := range []func() error{c.reachable, c.values, c.dominance, c.reads, c.jobs} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

type checker struct {
	f           *Func
	whole       *Func // whose stages jobs are for
	dom         *domTree
	digestTypes []ir.DigestType
}

func (c *checker) errorf(b *Block, format string, args ...any) error {
	return fmt.Errorf("ssa: %s: b%d: %s", c.f.Name, b.ID, fmt.Sprintf(format, args...))
}

func (c *checker) edges(b *Block) error {
	t := &b.Term
	want, cond := 0, Type(0)
	switch t.Kind {
	case TermJump:
		want = 1
	case TermBranch:
		want, cond = 2, 1
	case TermSwitch:
		want = len(t.Labels) + 1
		if t.Cond != nil {
			cond = t.Cond.Type
		}
		seen := map[uint64]bool{}
		for _, l := range t.Labels {
			if seen[l] || l > Mask(cond) {
				return c.errorf(b, "switch label %d occurs twice or does not fit", l)
			}
			seen[l] = true
		}
	case TermCheck:
		want, cond = 2, 32
		if t.N <= 0 {
			return c.errorf(b, "check of %d bytes", t.N)
		}
	case TermLoop:
		want, cond = 2, 32
		if t.N <= 0 {
			return c.errorf(b, "loop of %d rounds", t.N)
		}
	case TermOutput:
		cond = 32
	case TermDrop, TermNext:
	default:
		return c.errorf(b, "no terminator")
	}
	if len(t.Succs) != want {
		return c.errorf(b, "%s with %d successors, not %d", termNames[t.Kind], len(t.Succs), want)
	}
	switch {
	case t.Kind == TermJump || t.Kind == TermDrop || t.Kind == TermNext:
		if t.Cond != nil {
			return c.errorf(b, "%s with an operand", termNames[t.Kind])
		}
	case t.Cond == nil:
		return c.errorf(b, "%s without operand", termNames[t.Kind])
	case t.Cond.Type != cond || cond == Ptr:
		return c.errorf(b, "%s on a value of type %s", termNames[t.Kind], t.Cond.Type)
	}
	for i, e := range t.Succs {
		if e.To == nil {
			return c.errorf(b, "an edge leads nowhere")
		}
		params := e.To.Params
		if t.ptrEdge(i) {
			if len(params) == 0 || params[0].Type != Ptr {
				return c.errorf(b, "b%d takes no pointer from the check", e.To.ID)
			}
			params = params[1:]
		}
		if len(params) != len(e.Args) {
			return c.errorf(b, "edge to b%d has %d arguments, not %d", e.To.ID, len(e.Args), len(params))
		}
		for j, a := range e.Args {
			if a == nil || a.Type != params[j].Type {
				return c.errorf(b, "argument %d of the edge to b%d has another type", j, e.To.ID)
			}
		}
	}
	return nil
}

func (c *checker) reachable() error {
	seen := map[*Block]bool{}
	in := map[*Block]bool{}
	for _, b := range c.f.Blocks {
		if in[b] {
			return c.errorf(b, "block is listed twice")
		}
		in[b] = true
	}
	work := []*Block{c.f.Blocks[0]}
	for len(work) > 0 {
		b := work[len(work)-1]
		work = work[:len(work)-1]
		if seen[b] {
			continue
		}
		seen[b] = true
		if !in[b] {
			return c.errorf(b, "block is not listed")
		}
		for _, e := range b.Term.Succs {
			if e.To == c.f.Blocks[0] {
				return c.errorf(b, "an edge leads to the entry block")
			}
			work = append(work, e.To)
		}
	}
	for _, b := range c.f.Blocks {
		if !seen[b] {
			return c.errorf(b, "block cannot be reached")
		}
	}
	return nil
}

// values checks blocks' parameters and instructions. A pointer is a parameter
// only as the first of a block that one check alone leads to.
func (c *checker) values() error {
	ins, fromCheck := map[*Block]int{}, map[*Block]bool{}
	for _, b := range c.f.Blocks {
		for i, e := range b.Term.Succs {
			ins[e.To]++
			if b.Term.ptrEdge(i) {
				fromCheck[e.To] = true
			}
		}
	}
	for _, b := range c.f.Blocks {
		if fromCheck[b] && ins[b] != 1 {
			return c.errorf(b, "a check and other edges lead here")
		}
		for i, p := range b.Params {
			if p.Op != OpParam || p.Type == Ptr && !(i == 0 && fromCheck[b]) {
				return c.errorf(b, "v%d cannot be a parameter here", p.ID)
			}
		}
		for _, v := range b.Instrs {
			if err := c.value(v); err != nil {
				return c.errorf(b, "%v: %s", err, v)
			}
		}
	}
	return nil
}

// value checks one instruction's operands.
func (c *checker) value(v *Value) error {
	for _, a := range v.Args {
		if a == nil {
			return errors.New("missing operand")
		}
		if !a.HasResult() {
			return errors.New("operand without a result")
		}
	}
	is := func(i int, t Type) bool { return v.Args[i].Type == t }
	count := func(n int) error {
		if len(v.Args) != n {
			return fmt.Errorf("%d operands, not %d", len(v.Args), n)
		}
		for _, a := range v.Args {
			if a.Type == Ptr && v.Op != OpLoad && v.Op != OpStore {
				return errors.New("arithmetic on a pointer")
			}
		}
		return nil
	}
	want := func(ok bool) error {
		if !ok {
			return errors.New("operand or result of a wrong type")
		}
		return nil
	}
	if v.HasResult() && (v.Type < 1 || v.Type > 64) {
		return errors.New("result without a type")
	}
	table, _ := v.Sym.(*ir.Table)
	object, _ := v.Sym.(*ir.Instance)
	switch v.Op {
	case OpConst:
		return errors.Join(count(0), want(v.Aux <= Mask(v.Type)))
	case OpAdd, OpSub, OpMul, OpDiv, OpMod, OpAnd, OpOr, OpXor:
		if err := count(2); err != nil {
			return err
		}
		return want(is(0, v.Type) && is(1, v.Type))
	case OpNot:
		if err := count(1); err != nil {
			return err
		}
		return want(is(0, v.Type))
	case OpShl, OpShr, OpSar:
		if err := count(2); err != nil {
			return err
		}
		return want(is(0, v.Type))
	case OpEq, OpNe, OpUlt, OpUle, OpSlt, OpSle:
		if err := count(2); err != nil {
			return err
		}
		return want(v.Type == 1 && v.Args[0].Type == v.Args[1].Type)
	case OpZext, OpSext, OpTrunc:
		if err := count(1); err != nil {
			return err
		}
		from := v.Args[0].Type
		return want(v.Op == OpTrunc && from > v.Type || v.Op != OpTrunc && from < v.Type)
	case OpSelect:
		if err := count(3); err != nil {
			return err
		}
		return want(is(0, 1) && is(1, v.Type) && is(2, v.Type))
	case OpLoad:
		if err := count(1); err != nil {
			return err
		}
		return want(is(0, Ptr) && v.N >= 1 && v.N <= 8 && v.Type == Type(8*v.N))
	case OpPktLen, OpIngressPort, OpWireLen, OpRand:
		return errors.Join(count(0), want(v.Type == 32))
	case OpNow:
		return errors.Join(count(0), want(v.Type == 64))
	case OpLookup:
		if table == nil {
			return errors.New("no table")
		}
		var ts []Type
		for _, k := range table.Keys {
			if k.Kind == ir.MatchSelector {
				continue
			}
			ts = append(ts, Limbs(ir.Width(k.Expr.Type()))...)
		}
		if err := count(len(ts)); err != nil {
			return err
		}
		for i, t := range ts {
			if !is(i, t) {
				return errors.New("key limb of a wrong type")
			}
		}
		return want(v.Type == 32)
	case OpEntry:
		return errors.Join(c.one(v, 32, 64), needTable(table))
	case OpActionID:
		return errors.Join(c.one(v, 64, 8), needActions(v))
	case OpActionArg:
		if err := errors.Join(c.one(v, 64, v.Type), needActions(v)); err != nil {
			return err
		}
		as := actionsOf(c.f.Prog, v.Sym)
		if v.Action >= len(as) {
			return errors.New("no such action")
		}
		ps := as[v.Action].DataParams()
		if v.Param >= len(ps) {
			return errors.New("no such parameter")
		}
		ts := Limbs(ir.Width(ps[v.Param].Type))
		return want(v.Limb < len(ts) && ts[v.Limb] == v.Type)
	case OpCountHit, OpCounterInc:
		if len(v.Args) < 1 || len(v.Args) > 2 || !is(0, 32) || len(v.Args) == 2 && !is(1, 64) {
			return errors.New("counter with operands of a wrong type")
		}
		if v.Op == OpCountHit {
			return needTable(table)
		}
		return needObject(object)
	case OpCellAdd:
		return errors.Join(count(2), want(is(0, 32) && is(1, 32)), needObject(object))
	case OpRegRead:
		return errors.Join(c.one(v, 32, v.Type), needObject(object))
	case OpRegWrite:
		if len(v.Args) < 1 || !is(0, 32) {
			return errors.New("register write without index")
		}
		return needObject(object)
	case OpLearned, OpLearnedAction, OpLearnedArg, OpLearnedCount, OpLearn, OpTimer, OpFlowID:
		return c.learn(v)
	case OpMember, OpBucket, OpMeter, OpDigest, OpTouch:
		return c.state(v)
	case OpCRC16, OpCRC32:
		for _, a := range v.Args {
			if a.Type%8 != 0 || a.Type == Ptr {
				return errors.New("hash of a value that is not whole bytes")
			}
		}
		return want(v.Op == OpCRC16 && v.Type == 16 || v.Op == OpCRC32 && v.Type == 32)
	case OpInSet:
		return c.inSet(v)
	case OpLoadBits, OpSliceEq, OpSliceSum, OpSliceCRC, OpScratchCopy, OpScratchMove, OpScratchBits:
		return c.slice(v)
	case OpStore, OpScratch:
		if err := count(2); err != nil {
			return err
		}
		at := Ptr
		if v.Op == OpScratch {
			at = 32
		}
		return want(is(0, at) && v.N >= 1 && v.N <= 8 && is(1, Type(8*v.N)))
	case OpSplice:
		if err := count(2); err != nil {
			return err
		}
		return want(v.Type == 1 && is(0, 32) && is(1, 32))
	case OpTrim:
		return c.one(v, 32, 1)
	case OpJob, OpJobStore, OpReplicate, OpFrame:
		return c.job(v)
	}
	return errors.New("unknown operation")
}

// one checks for a single operand of type arg and a result of type res.
func (c *checker) one(v *Value, arg, res Type) error {
	if len(v.Args) != 1 || v.Args[0].Type != arg || v.Type != res {
		return errors.New("operand or result of a wrong type")
	}
	return nil
}

func needTable(t *ir.Table) error {
	if t == nil {
		return errors.New("no table")
	}
	return nil
}

func needObject(i *ir.Instance) error {
	if i == nil {
		return errors.New("no extern object")
	}
	return nil
}

func (c *checker) dominance() error {
	c.dom = newDomTree(c.f)
	where := map[*Value]*Block{}
	index := map[*Value]int{}
	for _, b := range c.f.Blocks {
		for _, p := range b.Params {
			if where[p] != nil {
				return c.errorf(b, "v%d is defined twice", p.ID)
			}
			where[p], index[p] = b, -1
		}
		for i, v := range b.Instrs {
			if where[v] != nil {
				return c.errorf(b, "v%d is defined twice", v.ID)
			}
			where[v], index[v] = b, i
		}
	}
	use := func(v *Value, b *Block, at int) error {
		d := where[v]
		if d == nil {
			return c.errorf(b, "v%d is used and not defined", v.ID)
		}
		if d == b && index[v] < at || d != b && c.dom.dominates(d, b) {
			return nil
		}
		return c.errorf(b, "v%d is used where it is not defined", v.ID)
	}
	for _, b := range c.f.Blocks {
		for i, v := range b.Instrs {
			for _, a := range v.Args {
				if err := use(a, b, i); err != nil {
					return err
				}
			}
		}
		end := len(b.Instrs)
		if b.Term.Cond != nil {
			if err := use(b.Term.Cond, b, end); err != nil {
				return err
			}
		}
		for _, e := range b.Term.Succs {
			for _, a := range e.Args {
				if err := use(a, b, end); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// reads checks that no way leads from a change of the packet to a load, nor
// from a change of its length to a check or store.
func (c *checker) reads() error {
	const stored, resized = 1, 2
	state := map[*Block]int{}
	for changed := true; changed; {
		changed = false
		for _, b := range c.f.Blocks {
			s := state[b]
			for _, v := range b.Instrs {
				switch v.Op {
				case OpLoad, OpPktLen, OpLoadBits, OpSliceEq, OpSliceSum, OpSliceCRC, OpScratchCopy, OpScratchMove:
					if s != 0 {
						return c.errorf(b, "the packet is read after it was changed: %s", v)
					}
				case OpStore:
					if s&resized != 0 {
						return c.errorf(b, "store after the packet was resized: %s", v)
					}
					s |= stored
				case OpSplice, OpTrim:
					s |= resized
				}
			}
			if b.Term.Kind == TermCheck && s&resized != 0 {
				return c.errorf(b, "check after the packet was resized")
			}
			for _, e := range b.Term.Succs {
				if state[e.To]|s != state[e.To] {
					state[e.To] |= s
					changed = true
				}
			}
		}
	}
	return nil
}
