package ebpf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// errStackFull asks Compile to try again with room in the scratch map.
var errStackFull = errors.New("stack full")

// gen selects instructions for one function.
type gen struct {
	*builder
	f *ssa.Func
	l *Layout
	o Options

	vals     map[*ssa.Value]vreg
	ptrs     map[*ssa.Value]ptrForm
	joined   map[*ssa.Value]bool // pointer parameters with several ways in: a register of their own
	nuses    map[*ssa.Value]int
	sunk     map[*ssa.Value]bool // loads evaluated where they are used
	fused    map[*ssa.Value]bool // comparisons evaluated by the branch
	offsets  map[*ssa.Value]bool // what offsets in the packet are made of
	counters map[*ssa.Value]bool // what counts the rounds of loops
	blocks   map[*ssa.Block]*mblock
	ways     map[*ssa.Block]int  // edges into the block
	cache    map[*ssa.Value]vreg // sunk loads and constants at hand in this block
	slots    map[*ssa.Value]vreg // entry word -> address of its action data, in this block
	maps     []*MapSpec
	byName   map[string]*MapSpec
	subs     []*subprog          // functions of tables, in order of first use
	mach     *machine            // nil: no copies
	stage    int                 // 0: of packets that came in, else of jobs
	jobs     map[*ssa.Value]vreg // records of jobs
	need     needs
	err      error

	// What the prologue sets up; noReg where nothing needs it.
	ctx, data, end    vreg
	scratch           vreg // address of the scratch map's value
	zero              vreg // 0, unknown to the verifier; see opaque.go
	ingress           vreg
	pktLen            vreg // bytes from StartOffset on
	wireLen           vreg // bytes that programs see as packet_length
	segs, bytes       vreg // what counters add (D9); segs noReg: 1
	now, cpu          vreg
	coarse            vreg // time of hits, rounded
	stats             vreg // the ingress port's PortStats
	outPort, reason   vreg
	outBlock, dropBlk *mblock
	passBlk, abortBlk *mblock
	imageArea         int // bytes of the header image in the scratch map
	spillOff          int // where the spill slots start there, behind a key too large for the stack
	imageMask         int
	launderOff        int // see launder
	compareOff        int // see isel_slice.go
	sliceOff          int
	resized           bool     // the program contains OpSplice or OpTrim
	curLen            vreg     // pktLen as it is now, where resized
	ctl, frame        vreg     // of a stage: the machine's control block, the running job's record
	nextBlk           *mblock  // without an output
	grown             vreg     // tc: not 0 when bytes were added in front
	todo              []func() // endings generated later
}

// ptrForm is a packet pointer as a base register and a constant offset.
type ptrForm struct {
	base vreg
	off  int
}

// needs tells what of the surroundings the function reads.
type needs struct {
	ingress, pktLen, wireLen, counts, now, coarse, cpu, scratch bool
	headBytes                                                   int // bytes of the packet that checks can reach
	maxScratchAux                                               int
	bigKey                                                      int  // bytes of the largest key that does not go on the stack
	compare                                                     int  // bytes of the largest slice that is compared
	chunks                                                      bool // slices are summed
}

// newGen prepares a function; spillMap gives it the scratch map.
func newGen(f *ssa.Func, l *Layout, o Options, spillMap bool) *gen {
	g := &gen{builder: newBuilder(), f: f, l: l, o: o,
		vals: map[*ssa.Value]vreg{}, joined: map[*ssa.Value]bool{}, ptrs: map[*ssa.Value]ptrForm{}, nuses: map[*ssa.Value]int{},
		sunk: map[*ssa.Value]bool{}, fused: map[*ssa.Value]bool{}, offsets: map[*ssa.Value]bool{}, blocks: map[*ssa.Block]*mblock{},
		byName: map[string]*MapSpec{}, jobs: map[*ssa.Value]vreg{}}
	for _, m := range l.Maps() {
		g.byName[m.Name] = m
	}
	for _, m := range DeviceMaps() {
		g.byName[m.Name] = m
	}
	g.byName[MapResult] = resultMap()
	g.need.scratch = spillMap
	return g
}

// selectCode generates the function over virtual registers.
func (g *gen) selectCode() error {
	f, l := g.f, g.l
	if g.mach != nil {
		for _, m := range g.mach.specs() {
			g.byName[m.Name] = m
		}
	}
	g.scan()
	if f.HeaderImage > maxHeaderImage {
		return unsupported(l.Prog, ir.Pos{}, "deparser", fmt.Sprintf("the new headers can take %d bytes, the limit is %d", f.HeaderImage, maxHeaderImage), "")
	}
	g.imageMask = 15
	for g.imageMask < f.HeaderImage {
		g.imageMask = g.imageMask*2 + 1
	}
	g.imageArea = (g.imageMask + 1 + g.need.maxScratchAux + 8 + 7) &^ 7
	g.placeSlices()
	if len(g.counters) > 0 {
		g.launderOff = g.imageArea
		g.imageArea += 8
	}
	g.spillOff = (g.imageArea + g.need.bigKey + 7) &^ 7
	g.function()
	return g.err
}

// registers allocates registers where callers have taken some of the stack;
// errStackFull asks for the scratch map.
func (g *gen) registers(taken int) (*assignment, []*mblock, error) {
	f, l, o := g.f, g.l, &g.o
	blocks := reachable(g.builder.blocks)
	for _, b := range blocks {
		if b.next == nil && (len(b.ins) == 0 || b.ins[len(b.ins)-1].op != mJa && b.ins[len(b.ins)-1].op != mExit) {
			return nil, nil, fmt.Errorf("internal fault in backend/ebpf: a block of %s has no end", f.Name)
		}
	}
	if !o.Off["straighten"] {
		blocks = straighten(blocks)
	}
	removeDead(blocks, len(g.vregs), g.scratch)
	// The frames of a function and of what it calls share the stack.
	room := stackBytes - taken
	for _, s := range g.subs {
		if s.as == nil && !s.allocate(!o.Off["coalesce"]) {
			return nil, nil, unsupported(l.Prog, s.pos, s.what, "its key does not fit the 512 bytes of eBPF stack", "use fewer or narrower keys")
		}
		room = min(room, stackBytes-taken-s.depth())
	}
	if g.stage > 0 {
		// p4nic_job and p4nic_save.
		room = min(room, stackBytes-taken-jobStack)
	}
	as, ok := allocate(g.builder, blocks, (room-(g.keyMax+7)&^7)/8, g.scratch, !o.Off["coalesce"])
	if !ok {
		if g.scratch == noReg {
			return nil, nil, errStackFull
		}
		return nil, nil, unsupported(l.Prog, ir.Pos{}, "program "+f.Name, "its pointers alone do not fit the 512 bytes of eBPF stack", "use fewer headers at a time")
	}
	return as, blocks, nil
}

func compileOnce(f *ssa.Func, m *machine, l *Layout, o Options, spillMap bool) (*Object, error) {
	g := newGen(f, l, o, spillMap)
	g.mach = m
	if err := g.selectCode(); err != nil {
		return nil, err
	}
	as, blocks, err := g.registers(0)
	if err != nil {
		return nil, err
	}
	keyArea := (g.keyMax + 7) &^ 7
	e := &emitter{as: as, keyBase: -keyArea, spillOff: g.spillOff, slots: !o.Off["slots"]}
	lines, err := newLineTable(l.Prog, blocks, g.subs)
	if err != nil {
		return nil, err
	}
	e.source = lines.source
	if err := e.program(blocks); err != nil {
		return nil, unsupported(l.Prog, ir.Pos{}, "program "+f.Name, err.Error(), "")
	}
	obj := newObject(o.Hook)
	obj.Insns = function(e.out, identifier(f.Name), o.Hook)
	for _, s := range g.subs {
		insns, err := s.instructions(lines, !o.Off["slots"])
		if err != nil {
			return nil, unsupported(l.Prog, s.pos, s.what, err.Error(), "")
		}
		obj.Insns = append(obj.Insns, insns...)
	}
	obj.StackSlots, obj.MapSlots = as.stack, as.mapSlots
	for _, m := range g.maps {
		if m.Name == MapScratch {
			m.ValueSize = uint32(g.spillOff + 8*as.mapSlots)
		}
	}
	obj.Maps = referenced(g.maps, obj.Insns)
	if n := len(obj.Maps); n > maxMaps {
		return nil, unsupported(l.Prog, ir.Pos{}, "program "+f.Name, fmt.Sprintf("its %d tables, its counters and its registers need %d kernel maps, a program can use %d", len(l.Prog.Tables), n, maxMaps),
			"merge tables, or leave out direct counters")
	}
	return obj, nil
}

// identifier makes a C identifier, which is what BTF takes as a name.
func identifier(s string) string {
	b := []byte("p4_" + s)
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9') {
			b[i] = '_'
		}
	}
	return string(b[:min(len(b), 100)])
}

// maxHeaderImage bounds the deparser's image; it shares the kernel's limit of
// 32 KiB for a per-CPU value with the spill slots, and offsets have 16 bits.
const maxHeaderImage = 4096

func (g *gen) fail(pos ir.Pos, construct, format string, args ...any) {
	if g.err == nil {
		g.err = unsupported(g.l.Prog, pos, construct, fmt.Sprintf(format, args...), "")
	}
}

// useMap notes that the program refers to a map.
func (g *gen) useMap(name string) string {
	for _, m := range g.maps {
		if m.Name == name {
			return name
		}
	}
	m := g.byName[name]
	if m == nil {
		m = scratchMap(0)
	}
	g.maps = append(g.maps, m)
	return name
}

// maxMaps is MAX_USED_MAPS of the kernel's verifier.
const maxMaps = 64

// referenced are those of the maps that instructions refer to: what needed the
// others was removed as dead.
func referenced(maps []*MapSpec, insns asm.Instructions) []*MapSpec {
	used := map[string]bool{}
	for i := range insns {
		used[insns[i].Reference()] = true
	}
	return slices.DeleteFunc(maps, func(m *MapSpec) bool { return !used[m.Name] })
}

// scan counts uses and notes what the prologue must provide.
func (g *gen) scan() {
	use := func(v *ssa.Value) {
		if v != nil {
			g.nuses[v]++
		}
	}
	for _, b := range g.f.Blocks {
		for _, v := range b.Instrs {
			for _, a := range v.Args {
				use(a)
			}
			n := &g.need
			switch v.Op {
			case ssa.OpIngressPort:
				n.ingress = true
			case ssa.OpPktLen:
				n.pktLen = true
			case ssa.OpTrim:
				n.pktLen, g.resized = true, true
			case ssa.OpWireLen:
				n.wireLen = true
			case ssa.OpNow:
				n.now = true
			case ssa.OpCountHit, ssa.OpCounterInc:
				n.counts, n.cpu = true, true
			case ssa.OpLearned, ssa.OpLearn, ssa.OpTimer, ssa.OpLearnedCount:
				g.scanLearn(v)
			case ssa.OpMeter, ssa.OpDigest, ssa.OpTouch:
				g.scanState(v)
			case ssa.OpInSet:
				g.scanSet(v)
			case ssa.OpLoadBits, ssa.OpSliceEq, ssa.OpSliceSum, ssa.OpSliceCRC, ssa.OpScratchCopy, ssa.OpScratchMove, ssa.OpScratchBits:
				g.scanSlice(v)
			case ssa.OpLookup:
				if t := g.tableOf(v); t != nil {
					if size := keyBytes(t.Engine); size > maxStackKey {
						n.scratch = true
						n.bigKey = max(n.bigKey, size)
					}
				}
			case ssa.OpSplice:
				n.scratch, n.pktLen, g.resized = true, true, true
			case ssa.OpScratch:
				n.scratch = true
				n.maxScratchAux = max(n.maxScratchAux, int(v.Aux))
			}
		}
		use(b.Term.Cond)
		for i := range b.Term.Succs {
			for _, a := range b.Term.Succs[i].Args {
				use(a)
			}
		}
		if b.Term.Kind == ssa.TermCheck {
			reach := variableReach
			if b.Term.Cond.Op == ssa.OpConst {
				reach = int(min(b.Term.Cond.Aux, 4096)) + b.Term.N
			}
			g.need.headBytes = max(g.need.headBytes, reach)
		}
	}
	g.findCounters()
	if !g.o.Off["sink-loads"] {
		g.findSunkLoads()
	}
	if !g.o.Off["opaque"] {
		g.findOffsets()
	}
	if !g.o.Off["fuse"] {
		loops := inLoops(g.f)
		for _, b := range g.f.Blocks {
			if loops[b] {
				continue // a jump on two registers tells the verifier of both
			}
			if c := b.Term.Cond; b.Term.Kind == ssa.TermBranch && g.nuses[c] == 1 && isCompare(c.Op) {
				g.fused[c] = true
			}
		}
	}
}

func isCompare(op ssa.Op) bool {
	switch op {
	case ssa.OpEq, ssa.OpNe, ssa.OpUlt, ssa.OpUle, ssa.OpSlt, ssa.OpSle:
		return true
	}
	return false
}

// findSunkLoads picks the loads that are evaluated again at each use: those that
// nothing reads once the packet is written. They cost no register between
// definition and use.
func (g *gen) findSunkLoads() {
	dirty := map[*ssa.Block]bool{} // entered after a write
	var work []*ssa.Block
	mark := func(b *ssa.Block) {
		for i := range b.Term.Succs {
			if t := b.Term.Succs[i].To; !dirty[t] {
				dirty[t] = true
				work = append(work, t)
			}
		}
	}
	for _, b := range g.f.Blocks {
		for _, v := range b.Instrs {
			if writesPacket(v.Op) {
				mark(b)
				break
			}
		}
	}
	for len(work) > 0 {
		b := work[len(work)-1]
		work = work[:len(work)-1]
		mark(b)
	}
	late := map[*ssa.Value]bool{}
	for _, b := range g.f.Blocks {
		wrote := dirty[b]
		for _, v := range b.Instrs {
			// The write's own operands are read after its pointer, before it.
			if wrote {
				for _, a := range v.Args {
					late[a] = true
				}
			}
			wrote = wrote || writesPacket(v.Op)
		}
		if wrote {
			late[b.Term.Cond] = true
			for i := range b.Term.Succs {
				for _, a := range b.Term.Succs[i].Args {
					late[a] = true
				}
			}
		}
	}
	for _, b := range g.f.Blocks {
		for _, v := range b.Instrs {
			if v.Op == ssa.OpLoad && !late[v] {
				g.sunk[v] = true
			}
		}
		// A comparison fused into a branch reads its operands at the branch.
		if c := b.Term.Cond; c != nil && late[c] && isCompare(c.Op) {
			for _, a := range c.Args {
				delete(g.sunk, a)
			}
		}
	}
}

func writesPacket(op ssa.Op) bool {
	return op == ssa.OpStore || op == ssa.OpSplice || op == ssa.OpTrim
}

// function generates prologue, blocks and endings.
func (g *gen) function() {
	g.passBlk, g.abortBlk, g.nextBlk = g.newBlock(), g.newBlock(), g.newBlock()
	g.outBlock, g.dropBlk = g.newBlock(), g.newBlock()
	g.outPort, g.reason = g.scalar(), g.scalar()
	order := postOrder(g.f)
	g.ways = map[*ssa.Block]int{}
	for _, b := range order {
		for i := range b.Term.Succs {
			g.ways[b.Term.Succs[i].To]++
		}
	}
	for _, b := range order {
		g.blocks[b] = g.newBlock()
		for _, p := range b.Params {
			switch {
			case p.Type != ssa.Ptr:
				g.vals[p] = g.number(p)
			case g.ways[b] > 1:
				g.joined[p] = true
				g.ptrs[p] = ptrForm{base: g.ptr()}
			}
		}
	}
	g.place(g.newBlock())
	g.prologue()
	for _, b := range order {
		g.place(g.blocks[b])
		g.cache, g.slots = map[*ssa.Value]vreg{}, map[*ssa.Value]vreg{}
		for _, v := range b.Instrs {
			g.pos = v.Pos
			g.value(v)
		}
		if b.Term.Pos.IsValid() {
			g.pos = b.Term.Pos
		}
		g.term(b)
	}
	g.pos = ir.Pos{}
	g.epilogue()
}

// postOrder gives the blocks in reverse post order, so that a definition comes
// before its uses and fall-through follows the likely way.
func postOrder(f *ssa.Func) []*ssa.Block {
	seen := map[*ssa.Block]bool{f.Blocks[0]: true}
	type frame struct {
		b *ssa.Block
		i int
	}
	var out []*ssa.Block
	stack := []frame{{f.Blocks[0], 0}}
	for len(stack) > 0 {
		t := &stack[len(stack)-1]
		if n := len(t.b.Term.Succs); t.i < n {
			// The last successor visited comes first in the result: visit the
			// likely one last.
			k := n - 1 - t.i
			if t.b.Term.Kind == ssa.TermBranch && t.b.Term.Likely < 0 {
				k = t.i
			}
			to := t.b.Term.Succs[k].To
			t.i++
			if !seen[to] {
				seen[to] = true
				stack = append(stack, frame{to, 0})
			}
			continue
		}
		out = append(out, t.b)
		stack = stack[:len(stack)-1]
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// use gives a register that holds v here.
func (g *gen) use(v *ssa.Value) vreg {
	if r, ok := g.cache[v]; ok {
		return r
	}
	switch {
	case v.Op == ssa.OpConst:
		r := g.scalar()
		g.movImm(r, int64(v.Aux))
		return r
	case g.sunk[v]:
		r := g.scalar()
		g.loadBytes(r, v)
		g.cache[v] = r
		return r
	}
	r, ok := g.vals[v]
	if !ok {
		if g.err == nil {
			g.err = fmt.Errorf("internal fault in backend/ebpf: v%d (%s) is used before its definition", v.ID, v.Name)
		}
		r = g.scalar()
		g.movImm(r, 0)
		g.vals[v] = r
	}
	return r
}

// pointer gives v's base and offset.
func (g *gen) pointer(v *ssa.Value) ptrForm {
	p, ok := g.ptrs[v]
	if !ok && g.err == nil {
		g.err = fmt.Errorf("internal fault in backend/ebpf: packet pointer v%d does not come from a check", v.ID)
	}
	return p
}

// result makes the register for v's result.
func (g *gen) result(v *ssa.Value) vreg {
	r := g.scalar()
	g.vals[v] = r
	return r
}

// small tells whether v is a constant that fits an immediate operand.
func small(v *ssa.Value) (int64, bool) {
	if v.Op != ssa.OpConst {
		return 0, false
	}
	c := int64(v.Aux)
	return c, c == int64(int32(c))
}

func (g *gen) value(v *ssa.Value) {
	switch v.Op {
	case ssa.OpConst, ssa.OpParam:
	case ssa.OpLoad:
		if !g.sunk[v] {
			r := g.result(v)
			g.loadBytes(r, v)
		}
	case ssa.OpStore:
		g.storeBytes(v)
	case ssa.OpAdd, ssa.OpSub, ssa.OpMul, ssa.OpDiv, ssa.OpMod, ssa.OpAnd, ssa.OpOr, ssa.OpXor,
		ssa.OpNot, ssa.OpShl, ssa.OpShr, ssa.OpSar, ssa.OpZext, ssa.OpSext, ssa.OpTrunc, ssa.OpSelect:
		g.arith(v)
	case ssa.OpEq, ssa.OpNe, ssa.OpUlt, ssa.OpUle, ssa.OpSlt, ssa.OpSle:
		if !g.fused[v] {
			g.compare(v)
		}
	case ssa.OpPktLen:
		g.vals[v] = g.pktLen
	case ssa.OpIngressPort:
		g.vals[v] = g.ingress
	case ssa.OpWireLen:
		g.vals[v] = g.wireLen
	case ssa.OpNow:
		g.vals[v] = g.now
	case ssa.OpRand:
		g.call(g.result(v), asm.FnGetPrandomU32)
		g.mask(g.vals[v], 32)
	case ssa.OpLookup:
		g.lookup(v)
	case ssa.OpEntry:
		g.entryWord(v)
	case ssa.OpActionID:
		r := g.result(v)
		g.mov(r, g.use(v.Args[0]))
		g.aluImm(asm.RSh, r, actionShift)
	case ssa.OpActionArg:
		g.actionArg(v)
	case ssa.OpCountHit:
		g.countHit(v)
	case ssa.OpCounterInc:
		g.counterInc(v)
	case ssa.OpCellAdd:
		g.cellAdd(v)
	case ssa.OpLearned, ssa.OpLearnedAction, ssa.OpLearnedArg, ssa.OpLearnedCount, ssa.OpLearn, ssa.OpTimer, ssa.OpFlowID:
		g.learning(v)
	case ssa.OpRegRead:
		g.regRead(v)
	case ssa.OpRegWrite:
		g.regWrite(v)
	case ssa.OpCRC16, ssa.OpCRC32:
		g.crc(v)
	case ssa.OpMember, ssa.OpBucket, ssa.OpMeter, ssa.OpDigest, ssa.OpTouch:
		g.stateOp(v)
	case ssa.OpInSet:
		g.inSet(v)
	case ssa.OpLoadBits:
		g.loadBits(v)
	case ssa.OpSliceEq:
		g.sliceEq(v)
	case ssa.OpSliceSum, ssa.OpSliceCRC:
		g.sliceDigest(v)
	case ssa.OpScratchCopy:
		g.scratchCopy(v)
	case ssa.OpScratchBits:
		g.scratchBits(v)
	case ssa.OpScratchMove:
		g.scratchMove(v)
	case ssa.OpScratch:
		g.scratchStore(v)
	case ssa.OpSplice:
		g.splice(v)
	case ssa.OpTrim:
		if g.stage > 0 {
			g.stageTrim(v)
		} else {
			g.trim(v)
		}
	case ssa.OpJob:
		g.job(v)
	case ssa.OpJobStore:
		g.jobStore(v)
	case ssa.OpReplicate:
		g.replicate(v)
	case ssa.OpFrame:
		g.frameCell(v)
	default:
		g.fail(v.Pos, "operation "+v.Name, "SSA operation %d is not known to the eBPF back end", v.Op)
	}
}
