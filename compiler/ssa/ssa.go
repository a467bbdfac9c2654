// Package ssa is the control-flow graph that the eBPF back end compiles: basic
// blocks with arguments instead of phis, values of at most 64 bits.
//
// In: a core ir.Program (Lower). Out: *Func for the optimiser, the interpreter
// (Interp) and backend/ebpf; text that is printed and parsed back.
// Must not import: a back end, runtime, ast, types.
//
// What one Func is: the whole pipeline of one packet, parser to deparser,
// ingress and egress fused. Header fields live in SSA values from extract to
// the deparser; the packet itself is only read until then, so loads from it are
// pure and may be moved, duplicated or dropped.
//
// Copies of a packet, and packets sent back, are jobs for the Func's Stages: see
// jobs.go for what they are and in which order they run. A packet that makes none
// never sees them.
//
// Wide P4 values (over 64 bits) are split into limbs by Lower: the first limb
// holds the most significant bits (W mod 64 of them, or 64), all others 64.
package ssa

import "github.com/p4nic/p4nic/compiler/ir"

// Type of a value: a width of 1 to 64 bits, held zero-extended; or Ptr.
type Type int8

// Ptr is the type of packet pointers, made by Check terminators only. It is 0
// so that every other Type is its width in bits.
const Ptr Type = 0

// Op is the operation of a Value.
type Op uint8

const (
	OpInvalid Op = iota
	OpParam      // block parameter; in Block.Params only
	OpConst      // Aux

	// Arithmetic modulo 2^Type; operands have the result's type unless noted.
	OpAdd
	OpSub
	OpMul
	OpDiv // unsigned; x/0 = 0
	OpMod // unsigned; x%0 = 0
	OpAnd
	OpOr
	OpXor
	OpNot // one operand, inverts the Type low bits
	OpShl // Args[1] has any type; amounts >= 64 must not reach it
	OpShr // logical; amounts as OpShl
	OpSar // arithmetic on Type bits; amounts as OpShl

	// Comparisons: operands of one type, result Type 1.
	OpEq
	OpNe
	OpUlt
	OpUle
	OpSlt // two's complement of the operands' type
	OpSle

	OpZext   // widen; upper bits 0
	OpSext   // widen; copies the operand's top bit
	OpTrunc  // narrow
	OpSelect // Args: cond (Type 1), a, b

	// Packet reads (pure until the deparser's effects).
	OpLoad   // Args: Ptr. Aux = byte offset, N = bytes 1..8. Big-endian, Type 8*N
	OpPktLen // bytes of the packet as parsed here (Type 32)

	// What surrounds the packet (pure).
	OpIngressPort // Type 32
	OpWireLen     // Type 32: length of the packet as its headers describe it: of the whole frame for GSO
	OpNow         // Type 64: nanoseconds, one reading a packet
	OpRand        // Type 32; every evaluation is a new number (not pure)

	// Tables. Sym = *ir.Table.
	OpLookup    // Args: limbs of all keys in order; result handle, Type 32 (0 = miss)
	OpEntry     // Args: handle; result the entry's word, Type 64, opaque
	OpActionID  // Args: word; result Type 8: index in Table.Actions; see OpMember for tables with a profile
	OpActionArg // Args: word. Action = index in Table.Actions, Param = data parameter, Limb: value of that limb
	OpCountHit  // Args: handle [, n]. Effect: direct counter of the entry, one packet; with n (Type 64) no packet more, and n bytes in the place of those that were counted

	// Entries that packets add. Sym = *ir.Table with add_on_miss.
	OpLearned       // Args: limbs of all keys; result Type 32: an entry that packets added, 0 for none. Effect: one whose time is over is taken out
	OpLearnedAction // Args: the entry; result Type 8: index in Table.Actions
	OpLearnedArg    // Args: the entry. Action, Param, Limb as OpActionArg
	OpLearnedCount  // Args: the entry [, n]. As OpCountHit
	OpLearn         // Args: expire time profile (Type 32), limbs of all keys, limbs of the arguments of Action. Result Type 1: the entry was added
	OpTimer         // Args: the entry, restart (Type 1), change (Type 1), profile (Type 32): restarts its timer, changes its expire time
	OpFlowID        // Type 32: a number that no call before gave

	// Extern objects. Sym = *ir.Instance. Effects.
	OpCounterInc // Args: index [, n]. With n (Type 64) one packet of n bytes
	// Indices have Type 32.
	OpRegRead  // Args: index; Limb; result Type = limb width. Out of range: 0
	OpRegWrite // Args: index, limbs. Out of range: dropped
	OpCellAdd  // Args: index, value (Type 32): adds to a cell of a CounterArray

	// State; see lower_state.go.
	//
	// Action profiles: the word of an entry of a table with an implementation
	// refers to a member (OpActionID is 0) or a group (1). OpMember and OpBucket give
	// the word of the member; with that, OpActionID and OpActionArg have Sym = the
	// *ir.Instance, and Action is an index in Program.ProfileActions. Pure.
	OpMember // Args: word. Sym = *ir.Instance. Type 64
	OpBucket // Args: word, hash (Type 64). Sym = *ir.Instance. Type 64; OpActionID of it is NoMember where the group is empty
	OpMeter  // Args: index or handle, colour that the packet has (Type 8), optional amount (Type 64). Sym = *ir.Instance, or the *ir.Table of a direct meter. Effect; result Type 8, the colour. Without cell or rates: the packet's
	OpDigest // Args: limbs of the fields. Aux = index in Program.DigestTypes. Effect
	OpTouch  // Args: handle. Sym = *ir.Table: the entry was hit now. Effect

	// OpCRC16 and OpCRC32 (ARC and IEEE, both reflected, as bmv2's crc16 and
	// crc32) hash the bytes of Args, most significant byte first; the types of
	// Args are multiples of 8. Pure.
	OpCRC16
	OpCRC32

	OpInSet // Args: limbs of the fields. Sym = *ir.ValueSet: whether a member matches. Type 1, pure

	// Slices of the packet, see slices.go. Pure, but for OpScratchCopy and
	// OpScratchBits, which write the header image.
	OpLoadBits
	OpSliceEq
	OpSliceSum
	OpSliceCRC
	OpScratchCopy
	OpScratchMove
	OpScratchBits

	// Deparser effects. After the first Store, Splice or Trim no OpLoad and no
	// TermCheck may be evaluated on that path, but for checks that yield the
	// pointers of further stores (the packet keeps its length until Splice or
	// Trim). Scratch writes beside the packet: loads and checks may follow it.
	OpStore   // Args: Ptr, value (Type 8*N). Aux = byte offset, N bytes, big-endian
	OpScratch // Args: offset (Type 32), value (Type 8*N). Aux added to the offset: writes the new header image
	OpSplice  // Args: new length, old length (bytes, Type 32): the packet's first old bytes become the first new bytes of the image. Result Type 1: 0 when the packet could not be resized (then drop)
	OpTrim    // Args: length (Type 32): cut the packet to at most that many bytes. Result Type 1: 0 when it could not be cut (then drop)

	// Jobs, see jobs.go. All but OpFrame are effects.
	OpJob       // Aux = index in Stages of the whole program's Func; N = JobFound, JobNow or JobOwn. Result Type 32: handle, 0 when the packet has made too many
	OpJobStore  // Args: job (the OpJob itself), value. Aux = cell of the job's frame. Nothing for handle 0
	OpReplicate // Args: job (the OpJob itself), id (Type 32); N = ReplicateGroup or ReplicateSession. Result Type 1: 0 when there is no copy (the job is gone)
	OpFrame     // Aux = cell: reads the frame of the job that runs; in Stages only. Pure
)

// Value is one SSA value or effect. Identity is the pointer.
type Value struct {
	ID     int // unique in the Func
	Op     Op
	Type   Type // 0 (Ptr) also for effects without a result
	Args   []*Value
	Aux    uint64
	N      int
	Sym    any // *ir.Table or *ir.Instance
	Action int
	Param  int
	Limb   int
	Pos    ir.Pos
	Name   string // hint for dumps: "hdr.ipv4.ttl"
}

// TermKind tells how a block ends.
type TermKind uint8

const (
	TermInvalid TermKind = iota
	TermJump             // Succs[0]
	TermBranch           // Cond: Succs[0] when 1, Succs[1] when 0
	TermSwitch           // Cond equals Labels[i]: Succs[i]; else the last of Succs
	TermCheck            // Cond = byte offset (Type 32), N = bytes: Succs[0] when the packet has them (its first block parameter, of type Ptr, points at the offset and gets no argument), else Succs[1]
	TermOutput           // Cond = port (Type 32): DESIGN D8's meanings, or a port number
	TermDrop             // Reason
	TermNext             // this packet or job is done without an output of its own; jobs that it made follow
	TermLoop             // in the first block of a loop: Cond (Type 32) counts its rounds from 0. Below N: Succs[0], a round; else Succs[1]
)

// DropReason says why a TermDrop drops; engines count them.
type DropReason uint8

const (
	DropProgram DropReason = iota // the program asked for it (mark_to_drop, port 511)
	DropParser                    // parser reject where the architecture drops
	DropResize                    // Splice or Trim failed
	DropPort                      // no such port
	DropSteps                     // a loop did not end within ir.MaxSteps rounds
)

// Edge is a jump to a block with its arguments.
type Edge struct {
	To   *Block
	Args []*Value
}

// Term ends a block.
type Term struct {
	Kind   TermKind
	Cond   *Value
	N      int
	Labels []uint64
	Succs  []Edge
	Likely int // Branch: +1 when Succs[0] is likely, -1 unlikely
	Reason DropReason
	Pos    ir.Pos
}

// Block is a basic block.
type Block struct {
	ID     int
	Params []*Value
	Instrs []*Value
	Term   Term
	Name   string // hint: parser state, table, action
}

// Func is the whole pipeline. Blocks[0] is the entry, without parameters; every
// block is reachable. Every cycle passes a block that ends with TermLoop.
type Func struct {
	Name   string
	Prog   *ir.Program // tables and instances that values refer to
	Blocks []*Block
	// HeaderImage is the largest new length that OpSplice can see, in bytes.
	HeaderImage int
	// Stages run for jobs; Stages of a stage are nil, and OpJob counts in those of
	// the whole program's Func. All share Prog.
	Stages []*Func
	// FrameSize is the size in bytes of the frames that this stage reads; of the
	// whole program's Func, the largest of its Stages'. 0 without stages, else a
	// multiple of 8 and at least FrameCells.
	FrameSize int
}
