package ssa

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
)

var opNames = [...]string{
	OpInvalid: "invalid", OpParam: "param", OpConst: "const",
	OpAdd: "add", OpSub: "sub", OpMul: "mul", OpDiv: "div", OpMod: "mod",
	OpAnd: "and", OpOr: "or", OpXor: "xor", OpNot: "not",
	OpShl: "shl", OpShr: "shr", OpSar: "sar",
	OpEq: "eq", OpNe: "ne", OpUlt: "ult", OpUle: "ule", OpSlt: "slt", OpSle: "sle",
	OpZext: "zext", OpSext: "sext", OpTrunc: "trunc", OpSelect: "select",
	OpLoad: "load", OpPktLen: "pktlen",
	OpIngressPort: "ingressport", OpWireLen: "wirelen", OpNow: "now", OpRand: "rand",
	OpLookup: "lookup", OpEntry: "entry", OpActionID: "actionid", OpActionArg: "actionarg", OpCountHit: "counthit",
	OpCounterInc: "counterinc", OpRegRead: "regread", OpRegWrite: "regwrite", OpCellAdd: "celladd",
	OpLearned: "learned", OpLearnedAction: "learnedaction", OpLearnedArg: "learnedarg", OpLearnedCount: "learnedcount",
	OpLearn: "learn", OpTimer: "timer", OpFlowID: "flowid",
	OpMember: "member", OpBucket: "bucket", OpMeter: "meter", OpDigest: "digest", OpTouch: "touch",
	OpCRC16: "crc16", OpCRC32: "crc32",
	OpInSet: "inset", OpLoadBits: "loadbits", OpSliceEq: "sliceeq", OpSliceSum: "slicesum", OpSliceCRC: "slicecrc",
	OpScratchCopy: "scratchcopy", OpScratchMove: "scratchmove", OpScratchBits: "scratchbits",
	OpStore: "store", OpScratch: "scratch", OpSplice: "splice", OpTrim: "trim",
	OpJob: "job", OpJobStore: "jobstore", OpReplicate: "replicate", OpFrame: "frame",
}

func (op Op) String() string {
	if int(op) < len(opNames) {
		return opNames[op]
	}
	return fmt.Sprintf("op%d", op)
}

func (t Type) String() string {
	if t == Ptr {
		return "ptr"
	}
	return strconv.Itoa(int(t))
}

var reasonNames = [...]string{DropProgram: "program", DropParser: "parser", DropResize: "resize", DropPort: "port", DropSteps: "steps"}

func (r DropReason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason%d", r)
}

// String prints f in the form that Parse reads:
//
//	func "router" image=18
//	b0 "entry":
//	  v1 = const.32 aux=14
//	  check v1 n=20 -> b1, b2(v1)
//	b1(v2:ptr "ipv4", v3:32):
//	  v4 = load.8 v2 aux=8 n=1 "hdr.ipv4.ttl" @0:12:5
//	  branch v5 likely=1 -> b2(v3), b3
//
// A terminator is the last line of a block. A table or extern object is named
// as the control plane names it: table="MyIngress.t", object="r". Stages follow
// their Func in the same form, with numbers of their own:
//
//	stage "egress" image=18 frame=40
//	b0 "entry":
func (f *Func) String() string {
	var b strings.Builder
	f.print(&b, "func")
	for _, s := range f.Stages {
		s.print(&b, "stage")
	}
	return b.String()
}

func (f *Func) print(b *strings.Builder, word string) {
	fmt.Fprintf(b, "%s %q", word, f.Name)
	if f.HeaderImage != 0 {
		fmt.Fprintf(b, " image=%d", f.HeaderImage)
	}
	if f.FrameSize != 0 {
		fmt.Fprintf(b, " frame=%d", f.FrameSize)
	}
	b.WriteByte('\n')
	for _, blk := range f.Blocks {
		fmt.Fprintf(b, "b%d", blk.ID)
		if len(blk.Params) > 0 {
			b.WriteByte('(')
			for i, p := range blk.Params {
				if i > 0 {
					b.WriteString(", ")
				}
				fmt.Fprintf(b, "v%d:%s", p.ID, p.Type)
				if p.Name != "" {
					fmt.Fprintf(b, " %q", p.Name)
				}
			}
			b.WriteByte(')')
		}
		if blk.Name != "" {
			fmt.Fprintf(b, " %q", blk.Name)
		}
		b.WriteString(":\n")
		for _, v := range blk.Instrs {
			b.WriteString("  ")
			v.print(b)
			b.WriteByte('\n')
		}
		b.WriteString("  ")
		blk.Term.print(b)
		b.WriteByte('\n')
	}
}

// String prints v's line.
func (v *Value) String() string {
	var b strings.Builder
	v.print(&b)
	return b.String()
}

func (v *Value) print(b *strings.Builder) {
	if v.HasResult() {
		fmt.Fprintf(b, "v%d = %s.%s", v.ID, v.Op, v.Type)
	} else {
		b.WriteString(v.Op.String())
	}
	for i, a := range v.Args {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, " v%d", a.ID)
	}
	if v.Aux != 0 || v.Op == OpConst {
		fmt.Fprintf(b, " aux=%d", v.Aux)
	}
	attr := func(name string, n int) {
		if n != 0 {
			fmt.Fprintf(b, " %s=%d", name, n)
		}
	}
	attr("n", v.N)
	switch s := v.Sym.(type) {
	case *ir.Table:
		fmt.Fprintf(b, " table=%q", s.Name)
	case *ir.Instance:
		fmt.Fprintf(b, " object=%q", s.Name)
	case *ir.ValueSet:
		fmt.Fprintf(b, " set=%q", s.Name)
	}
	attr("action", v.Action)
	attr("param", v.Param)
	attr("limb", v.Limb)
	if v.Name != "" {
		fmt.Fprintf(b, " %q", v.Name)
	}
	printPos(b, v.Pos)
}

func printPos(b *strings.Builder, p ir.Pos) {
	if p.IsValid() {
		fmt.Fprintf(b, " @%d:%d:%d", p.File, p.Line, p.Col)
	}
}

var termNames = [...]string{
	TermInvalid: "none", TermJump: "jump", TermBranch: "branch", TermSwitch: "switch",
	TermCheck: "check", TermOutput: "output", TermDrop: "drop", TermNext: "next", TermLoop: "loop",
}

func (t *Term) print(b *strings.Builder) {
	b.WriteString(termNames[t.Kind])
	if t.Kind == TermDrop {
		b.WriteByte(' ')
		b.WriteString(t.Reason.String())
	}
	if t.Cond != nil {
		fmt.Fprintf(b, " v%d", t.Cond.ID)
	}
	if t.N != 0 {
		fmt.Fprintf(b, " n=%d", t.N)
	}
	if t.Likely != 0 {
		fmt.Fprintf(b, " likely=%d", t.Likely)
	}
	printPos(b, t.Pos)
	for i, e := range t.Succs {
		if i == 0 {
			b.WriteString(" -> ")
		} else {
			b.WriteString(", ")
		}
		if i < len(t.Labels) {
			fmt.Fprintf(b, "%d: ", t.Labels[i])
		}
		fmt.Fprintf(b, "b%d", e.To.ID)
		if len(e.Args) > 0 {
			b.WriteByte('(')
			for j, a := range e.Args {
				if j > 0 {
					b.WriteString(", ")
				}
				fmt.Fprintf(b, "v%d", a.ID)
			}
			b.WriteByte(')')
		}
	}
}
