package bench

import (
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Hook is the kind of the programs under test.
type Hook uint8

const (
	XDP Hook = iota
	TC
)

func (h Hook) String() string { return [...]string{"xdp", "tc"}[h] }

func (h Hook) progType() ebpf.ProgramType {
	if h == TC {
		return ebpf.SchedCLS
	}
	return ebpf.XDP
}

func (h Hook) attachType() ebpf.AttachType {
	if h == TC {
		return ebpf.AttachNone
	}
	return ebpf.AttachXDP
}

// flags are those of all programs in the driver's program array, which the
// kernel does not let differ.
func (h Hook) flags() uint32 {
	if h == TC {
		return 0
	}
	return xdpHasFrags
}

const xdpHasFrags = 1 << 5

// The state map: one value that driver and user space share.
const (
	stCount    = 0  // u64: packets so far
	stAddr     = 8  // u64: address of the packet, as a number
	stAddr0    = 16 // u64: the same of the first packet; 0 = none yet
	stMissed   = 24 // u64: 1 when a tail call found nothing
	stFailed   = 32 // u64: 1 when a packet could not be put back
	stFirst    = 40 // u64: frame of the first packet
	stTimes    = 64 // u64 each: the clock at the start of each chunk
	maxChunks  = 1024
	stateSize  = stTimes + 8*maxChunks
	skbLen     = 0
	skbVLAN    = 20 // vlan_present
	skbData    = 76
	skbDataEnd = 80
)

// driverMaps are what the driver's instructions refer to.
type driverMaps struct {
	state, template, records, progs *ebpf.Map
}

// driver writes the driver program. A packet's way through it:
//
//	count; at the start of a chunk store the clock
//	move the start of the packet back to where it was, then its end
//	write the segments, from the template or the frame's record
//	with barrier: wait until the stores are in the cache
//	tail-call slot 0
//
// It costs the same whatever program it calls, but for moving the packet's ends
// back, which only those that move them cause; Rig measures that by itself.
func driver(h Hook, m driverMaps, f *Frames, segs []segment, stride, chunk int, barrier bool) (asm.Instructions, error) {
	if chunk < 1 || chunk&(chunk-1) != 0 {
		return nil, fmt.Errorf("chunks of %d packets: it takes a power of two", chunk)
	}
	const ctx, state, count = asm.R6, asm.R7, asm.R8
	data, end := int16(0), int16(4)
	if h == TC {
		data, end = skbData, skbDataEnd
	}
	ins := asm.Instructions{
		asm.Mov.Reg(ctx, asm.R1),
		asm.LoadMapValue(state, m.state.FD(), 0),
		asm.LoadMem(count, state, stCount, asm.DWord),
		asm.Mov.Reg(asm.R1, count),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(state, stCount, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, count),
		asm.And.Imm(asm.R1, int32(chunk-1)),
		asm.JNE.Imm(asm.R1, 0, "restore"),
		asm.FnKtimeGetNs.Call(),
		asm.Mov.Reg(asm.R1, count),
		asm.RSh.Imm(asm.R1, int32(bits.TrailingZeros(uint(chunk)))),
		asm.And.Imm(asm.R1, maxChunks-1),
		asm.LSh.Imm(asm.R1, 3),
		asm.Mov.Reg(asm.R2, state),
		asm.Add.Reg(asm.R2, asm.R1),
		asm.StoreMem(asm.R2, stTimes, asm.R0, asm.DWord),
	}
	if h == XDP {
		ins = append(ins, xdpRestore(ctx, state, f.Len)...)
	} else {
		ins = append(ins, tcRestore(ctx, f.Len)...)
	}
	ins = append(ins,
		asm.LoadMem(asm.R2, ctx, data, asm.Word).WithSymbol("write"),
		asm.LoadMem(asm.R3, ctx, end, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, int32(f.Len)),
		asm.JGT.Reg(asm.R4, asm.R3, "failed"),
	)
	var static, varying bool
	for _, s := range segs {
		static, varying = static || !s.varies, varying || s.varies
	}
	if static {
		ins = append(ins, asm.LoadMapValue(asm.R5, m.template.FD(), 0))
		for _, s := range segs {
			if !s.varies {
				ins = append(ins, copyBytes(asm.R2, s.off, asm.R5, s.off, s.len)...)
			}
		}
	}
	if varying {
		ins = append(ins,
			asm.LoadMem(asm.R1, state, stFirst, asm.DWord),
			asm.Add.Reg(asm.R1, count),
			asm.And.Imm(asm.R1, int32(f.N-1)),
			asm.LSh.Imm(asm.R1, int32(bits.TrailingZeros(uint(stride)))),
			asm.LoadMapValue(asm.R5, m.records.FD(), 0),
			asm.Add.Reg(asm.R5, asm.R1),
		)
		at := 0
		for _, s := range segs {
			if s.varies {
				ins = append(ins, copyBytes(asm.R2, s.off, asm.R5, at, s.len)...)
				at += s.len
			}
		}
	}
	if barrier {
		// A locked addition: loads behind it wait until it is done, and it until
		// the stores in front of it are.
		ins = append(ins,
			asm.Mov.Imm(asm.R1, 0),
			asm.StoreXAdd(state, asm.R1, asm.DWord),
		)
	}
	return append(ins,
		asm.Mov.Reg(asm.R1, ctx),
		asm.LoadMapPtr(asm.R2, m.progs.FD()),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnTailCall.Call(),
		asm.StoreImm(state, stMissed, 1, asm.Word),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
		asm.StoreImm(state, stFailed, 1, asm.Word).WithSymbol("failed"),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
	), nil
}

// xdpRestore moves start and end of the packet back.
func xdpRestore(ctx, state asm.Register, size int) asm.Instructions {
	return asm.Instructions{
		// A packet pointer becomes a number by going through memory.
		asm.LoadMem(asm.R2, ctx, 0, asm.Word).WithSymbol("restore"),
		asm.StoreMem(state, stAddr, asm.R2, asm.DWord),
		asm.LoadMem(asm.R1, state, stAddr, asm.DWord),
		asm.LoadMem(asm.R3, state, stAddr0, asm.DWord),
		asm.JEq.Reg(asm.R3, asm.R1, "tail"),
		asm.JNE.Imm(asm.R3, 0, "head"),
		asm.StoreMem(state, stAddr0, asm.R1, asm.DWord),
		asm.Ja.Label("tail"),
		asm.Sub.Reg(asm.R3, asm.R1).WithSymbol("head"),
		asm.Mov.Reg(asm.R1, ctx),
		asm.Mov.Reg(asm.R2, asm.R3),
		asm.FnXdpAdjustHead.Call(),
		asm.JNE.Imm(asm.R0, 0, "failed"),
		asm.LoadMem(asm.R2, ctx, 0, asm.Word).WithSymbol("tail"),
		asm.LoadMem(asm.R3, ctx, 4, asm.Word),
		asm.Sub.Reg(asm.R3, asm.R2),
		asm.JEq.Imm(asm.R3, int32(size), "write"),
		asm.Mov.Imm(asm.R2, int32(size)),
		asm.Sub.Reg(asm.R2, asm.R3),
		asm.Mov.Reg(asm.R1, ctx),
		asm.FnXdpAdjustTail.Call(),
		asm.JNE.Imm(asm.R0, 0, "failed"),
	}
}

// tcRestore takes a VLAN tag in metadata off and makes the packet as long as it
// was, by adding or cutting behind the MAC header: what lies there is written
// anew.
func tcRestore(ctx asm.Register, size int) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R1, ctx, skbVLAN, asm.Word).WithSymbol("restore"),
		asm.JEq.Imm(asm.R1, 0, "room"),
		asm.Mov.Reg(asm.R1, ctx),
		asm.FnSkbVlanPop.Call(),
		asm.LoadMem(asm.R3, ctx, skbLen, asm.Word).WithSymbol("room"),
		asm.JEq.Imm(asm.R3, int32(size), "write"),
		asm.Mov.Imm(asm.R2, int32(size)),
		asm.Sub.Reg(asm.R2, asm.R3),
		asm.Mov.Reg(asm.R1, ctx),
		asm.Mov.Imm(asm.R3, adjRoomMAC),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnSkbAdjustRoom.Call(),
		asm.JNE.Imm(asm.R0, 0, "failed"),
	}
}

const adjRoomMAC = 1

// copyBytes copies n bytes by the largest pieces.
func copyBytes(dst asm.Register, doff int, src asm.Register, soff, n int) asm.Instructions {
	var ins asm.Instructions
	for n > 0 {
		size, k := asm.DWord, 8
		switch {
		case n >= 8:
		case n >= 4:
			size, k = asm.Word, 4
		case n >= 2:
			size, k = asm.Half, 2
		default:
			size, k = asm.Byte, 1
		}
		ins = append(ins, asm.LoadMem(asm.R1, src, int16(soff), size), asm.StoreMem(dst, int16(doff), asm.R1, size))
		doff, soff, n = doff+k, soff+k, n-k
	}
	return ins
}

// Loopback is the ifindex of lo in every network namespace: TEST_RUN's packets
// come from there, and redirections in a benchmark lead there.
const Loopback = 1
