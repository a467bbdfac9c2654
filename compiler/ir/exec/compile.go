package exec

import (
	"fmt"
	"sync"

	"github.com/p4nic/p4nic/compiler/ir"
)

// compiler turns a program into closures. It stops at the first construct that
// is not supported by panicking with *Unsupported, which compile catches.
type compiler struct {
	m       *Machine
	p       *ir.Program
	lay     layouts
	next    int // next free slot
	maxVar  int // slots of the largest variable: the zero area has as many
	addr    map[*ir.Var]int
	funcs   map[*ir.Function]*routine
	actions map[*ir.Action]*routine
	blocks  map[*ir.Block]*routine
	tables  map[*ir.Table]*table
	labels  map[string]status // labels in scope
	label   status
	parser  bool // compiling a parser
	result  int  // address of the result of the function being compiled
	std     int  // address of the architecture's metadata, -1 before it is known
	stdType ir.Type
	// fieldLists of v1model; nil for other architectures.
	fieldLists *fieldLists
	sums       sums
	inEgress   bool // compiling an egress control of p4nic
}

// status tells how a statement ended: next, one of the negative ones, or a jump
// to label n as 2n (leave) or 2n+1 (continue).
type status int

const (
	next     status = 0
	stReturn status = -1
	stExit   status = -2
	stReject status = -3 // the parser ends in reject; ctx.perr says why
	stAbort  status = -4 // too many steps in a control
)

type stmt func(*ctx) status

// routine is a compiled function, action or block.
type routine struct {
	params []*ir.Var
	result int // address of a function's result
	body   stmt
}

func compile(m *Machine) (err error) {
	defer func() {
		if x := recover(); x != nil {
			u, ok := x.(*Unsupported)
			if !ok {
				panic(x)
			}
			err = u
		}
	}()
	p := m.prog
	k := &compiler{
		m: m, p: p, lay: layouts{size: map[ir.Type]int{}}, addr: map[*ir.Var]int{}, std: -1,
		funcs: map[*ir.Function]*routine{}, actions: map[*ir.Action]*routine{}, blocks: map[*ir.Block]*routine{},
		tables: map[*ir.Table]*table{}, labels: map[string]status{},
		sums: sums{index: map[*ir.Instance]int{}, slots: map[*ir.Instance]int{}},
	}
	m.errs = newParserErrors(p)
	m.insts = map[*ir.Instance]*instance{}
	for _, i := range p.Instances {
		m.insts[i] = k.instance(i)
	}
	m.vsets = map[*ir.ValueSet]*valueSet{}
	for _, v := range p.ValueSets {
		m.vsets[v] = k.valueSet(v)
	}
	switch p.Arch {
	case "v1model":
		m.arch = k.v1model()
	case "psa":
		m.arch = k.psa()
	case "pna":
		m.arch = k.pna()
	case "p4nic":
		m.arch = k.nic()
	case "ebpf":
		m.arch = k.ebpfFilter()
	case "xdp":
		m.arch = k.xdp()
	case "ubpf":
		m.arch = k.ubpf()
	default:
		k.fail(ir.Pos{}, "architecture "+p.Arch, "only v1model, psa, pna, p4nic, ebpf_model, xdp_model and ubpf_model run here")
	}
	for _, t := range p.Tables { // also those that nothing applies: they can be written
		k.table(t)
	}
	for _, t := range p.Tables {
		m.tables = append(m.tables, k.tables[t])
	}
	k.profileActions()
	m.watch = sync.OnceValue(k.watches)
	m.zero = k.next
	m.size = k.next + k.maxVar + 1
	if m.size > maxSlots {
		k.fail(ir.Pos{}, "the program's variables", fmt.Sprintf("they take more than %d slots", maxSlots))
	}
	return nil
}

func (k *compiler) fail(p ir.Pos, construct, reason string) {
	u := &Unsupported{Construct: construct, Line: int(p.Line), Reason: reason}
	if p.IsValid() && int(p.File) < len(k.p.Files) && p.File >= 0 {
		u.File = k.p.Files[p.File].Path
	}
	panic(u)
}

// alloc reserves n slots of the packet's memory.
func (k *compiler) alloc(n int) int {
	a := k.next
	k.next += n
	if k.next > maxSlots {
		k.fail(ir.Pos{}, "the program's variables", fmt.Sprintf("they take more than %d slots", maxSlots))
	}
	return a
}

// varAddr is the variable's address; the first use reserves it.
func (k *compiler) varAddr(v *ir.Var) int {
	a, ok := k.addr[v]
	if !ok {
		n := k.lay.slots(v.Type)
		k.maxVar = max(k.maxVar, n)
		a = k.alloc(n)
		k.addr[v] = a
	}
	return a
}

// parserErrors are the values of the errors that the machine itself raises.
type parserErrors struct {
	noError, noMatch, tooShort, outOfBounds, headerTooShort, timeout, invalidArgument uint64
}

func newParserErrors(p *ir.Program) parserErrors {
	n := uint64(len(p.Errors))
	find := func(name string) uint64 {
		for i, e := range p.Errors {
			if e == name {
				return uint64(i)
			}
		}
		n++ // a program without core.p4's errors: a value that no name has
		return n - 1
	}
	e := parserErrors{}
	if len(p.Errors) > 0 {
		e.noError = find("NoError")
	}
	e.noMatch = find("NoMatch")
	e.tooShort = find("PacketTooShort")
	e.outOfBounds = find("StackOutOfBounds")
	e.headerTooShort = find("HeaderTooShort")
	e.timeout = find("ParserTimeout")
	e.invalidArgument = find("ParserInvalidArgument")
	return e
}

// zeroVars clears variables at the start of their scope.
func (k *compiler) zeroVars(vs []*ir.Var) stmt {
	type span struct{ from, to int }
	var spans []span
	for _, v := range vs {
		a, n := k.varAddr(v), k.lay.slots(v.Type)
		if l := len(spans); l > 0 && spans[l-1].to == a {
			spans[l-1].to += n
		} else if n > 0 {
			spans = append(spans, span{a, a + n})
		}
	}
	if len(spans) == 0 {
		return nil
	}
	return func(c *ctx) status {
		for _, s := range spans {
			clear(c.mem[s.from:s.to])
		}
		return next
	}
}

func (k *compiler) seq(ss ...stmt) stmt {
	var l []stmt
	for _, s := range ss {
		if s != nil {
			l = append(l, s)
		}
	}
	switch len(l) {
	case 0:
		return func(*ctx) status { return next }
	case 1:
		return l[0]
	case 2:
		a, b := l[0], l[1]
		return func(c *ctx) status {
			if st := a(c); st != next {
				return st
			}
			return b(c)
		}
	}
	return func(c *ctx) status {
		for _, s := range l {
			if st := s(c); st != next {
				return st
			}
		}
		return next
	}
}

// scoped compiles a body with labels of its own.
func (k *compiler) scoped(parser bool, f func()) {
	labels, was := k.labels, k.parser
	k.labels, k.parser = map[string]status{}, parser
	f()
	k.labels, k.parser = labels, was
}

func (k *compiler) action(a *ir.Action) *routine {
	if r, ok := k.actions[a]; ok {
		if r == nil {
			k.fail(a.Pos, "action "+a.Name, "it calls itself")
		}
		return r
	}
	k.actions[a] = nil
	r := &routine{params: a.Params}
	k.scoped(false, func() {
		n := k.point("action", a.Name, a.Pos)
		body := k.seq(k.count(n), k.zeroVars(a.Locals), k.stmts(a.Body))
		r.body = func(c *ctx) status {
			if st := body(c); st != stReturn {
				return st
			}
			return next
		}
	})
	k.actions[a] = r
	return r
}

func (k *compiler) function(f *ir.Function) *routine {
	if r, ok := k.funcs[f]; ok {
		if r == nil {
			k.fail(f.Pos, "function "+f.Name, "it calls itself")
		}
		return r
	}
	k.funcs[f] = nil
	n := k.lay.slots(f.Result)
	r := &routine{params: f.Params, result: k.alloc(n)}
	k.scoped(false, func() {
		was := k.result
		k.result = r.result
		body := k.seq(k.zeroVars(f.Locals), k.stmts(f.Body))
		k.result = was
		r.body = func(c *ctx) status {
			clear(c.mem[r.result : r.result+n])
			if st := body(c); st != stReturn {
				return st
			}
			return next
		}
	})
	k.funcs[f] = r
	return r
}

func (k *compiler) block(b *ir.Block) *routine {
	if r, ok := k.blocks[b]; ok {
		if r == nil {
			k.fail(b.Pos, "block "+b.Name, "it calls itself")
		}
		return r
	}
	k.blocks[b] = nil
	r := &routine{params: b.Params}
	k.scoped(b.Kind == ir.Parser, func() {
		var body stmt
		if b.Kind == ir.Parser {
			body = k.states(b)
		} else {
			body = k.stmts(b.Body)
		}
		body = k.seq(k.zeroVars(b.Locals), body)
		r.body = func(c *ctx) status {
			if st := body(c); st != stReturn {
				return st
			}
			return next
		}
	})
	k.blocks[b] = r
	return r
}
