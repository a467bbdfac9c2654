package bench

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Names of the yardsticks in results.
const (
	NameEmpty = "empty program"
	NameArray = "array look-up"
	NameHash  = "hash look-up"
)

// arrayLookups is how many look-ups the array yardstick does for a packet: one
// alone costs a third of a nanosecond, which no clock tells from nothing.
const arrayLookups = 16

// okCode is what programs that do nothing return: XDP_PASS, TC_ACT_OK.
func (h Hook) okCode() int32 {
	if h == TC {
		return 0
	}
	return 2
}

func (h Hook) load(name string, ins asm.Instructions) (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{Name: name, Type: h.progType(), AttachType: h.attachType(), Flags: h.flags(),
		License: "GPL", Instructions: ins})
}

func (h Hook) empty() (*ebpf.Program, error) {
	return h.load("bench_empty", asm.Instructions{asm.Mov.Imm(asm.R0, h.okCode()), asm.Return()})
}

// resize is a program that makes the packet longer by n bytes in front (on tc:
// behind the MAC header) or shorter by -n and does nothing else. The driver
// undoes it by the same means, so half of its net time is the driver's.
func (h Hook) resize(n int) (*ebpf.Program, error) {
	ins := asm.Instructions{asm.Mov.Imm(asm.R2, int32(-n)), asm.FnXdpAdjustHead.Call()}
	if h == TC {
		ins = asm.Instructions{asm.Mov.Imm(asm.R2, int32(n)), asm.Mov.Imm(asm.R3, adjRoomMAC), asm.Mov.Imm(asm.R4, 0), asm.FnSkbAdjustRoom.Call()}
	}
	return h.load("bench_resize", append(ins, asm.Mov.Imm(asm.R0, h.okCode()), asm.Return()))
}

// index loads a number in [0, n) that jumps about from packet to packet and from
// salt to salt into R1.
func index(state *ebpf.Map, n uint32, salt uint32) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapValue(asm.R1, state.FD(), stCount),
		asm.LoadMem(asm.R1, asm.R1, 0, asm.Word),
		asm.Add.Imm32(asm.R1, int32(salt*0x3c6ef372)),
		asm.Mul.Imm32(asm.R1, -0x61c88647), // 2^32 over the golden ratio
		asm.Mov.Imm32(asm.R2, int32(n)),
		asm.Mul.Reg(asm.R1, asm.R2),
		asm.RSh.Imm(asm.R1, 32),
	}
}

// yardsticks are the array and the hash look-up. The keys of the hash table are
// numbers in its first bytes; the kernel hashes all of the key.
func yardsticks(h Hook, state *ebpf.Map, keySize, entries int) ([]*Candidate, func(), error) {
	if keySize < 4 || keySize > 256 || entries < 1 {
		return nil, nil, fmt.Errorf("hash yardstick with keys of %d bytes and %d entries", keySize, entries)
	}
	n := uint32(entries)
	array, err := ebpf.NewMap(&ebpf.MapSpec{Name: "bench_array", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: n})
	if err != nil {
		return nil, nil, err
	}
	hash, err := ebpf.NewMap(&ebpf.MapSpec{Name: "bench_hash", Type: ebpf.Hash, KeySize: uint32(keySize), ValueSize: 4, MaxEntries: n})
	if err != nil {
		array.Close()
		return nil, nil, err
	}
	closeMaps := func() { array.Close(); hash.Close() }
	key := make([]byte, keySize)
	for i := range n {
		binary.NativeEndian.PutUint32(key, i)
		if err := hash.Put(key, i+1); err != nil {
			closeMaps()
			return nil, nil, fmt.Errorf("fill the hash yardstick: %w", err)
		}
	}

	look := func(m *ebpf.Map) asm.Instructions {
		return asm.Instructions{asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -int32((keySize+7)&^7)),
			asm.LoadMapPtr(asm.R1, m.FD()), asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "miss")}
	}
	end := asm.Instructions{
		asm.Mov.Imm(asm.R0, h.okCode()), asm.Return(),
		asm.Mov.Imm(asm.R0, h.okCode()+1).WithSymbol("miss"), asm.Return(),
	}
	var ai asm.Instructions
	for i := range arrayLookups {
		ai = append(ai, index(state, n, uint32(i))...)
		ai = append(ai, asm.StoreMem(asm.RFP, -4, asm.R1, asm.Word),
			asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
			asm.LoadMapPtr(asm.R1, array.FD()), asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "miss"),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord))
	}
	base := -int16((keySize + 7) &^ 7)
	var hi asm.Instructions
	for off := base; off < 0; off += 4 {
		hi = append(hi, asm.StoreImm(asm.RFP, off, 0, asm.Word))
	}
	hi = append(hi, index(state, n, 0)...)
	hi = append(hi, asm.StoreMem(asm.RFP, base, asm.R1, asm.Word))
	hi = append(hi, look(hash)...)
	hi = append(hi, asm.LoadMem(asm.R1, asm.R0, 0, asm.Word))

	loadArray := func() (*ebpf.Program, error) { return h.load("bench_array", slices.Concat(ai, end)) }
	loadHash := func() (*ebpf.Program, error) { return h.load("bench_hash", slices.Concat(hi, end)) }
	ap, err := loadArray()
	if err != nil {
		closeMaps()
		return nil, nil, err
	}
	hp, err := loadHash()
	if err != nil {
		closeMaps()
		ap.Close()
		return nil, nil, err
	}
	verdict := uint32(h.okCode())
	return []*Candidate{
		{Name: NameArray, Note: fmt.Sprintf("%d entries of 8 bytes; one of %d", entries, arrayLookups), Prog: ap, Again: loadArray, Per: arrayLookups, Verdict: verdict, yardstick: true},
		{Name: NameHash, Note: fmt.Sprintf("%d keys of %d bytes", entries, keySize), Prog: hp, Again: loadHash, Verdict: verdict, yardstick: true},
	}, closeMaps, nil
}
