package insn

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// helper carries a helper out; end says that the program ends with it.
func (m *machine) helper(f asm.BuiltinFunc) (end bool, err error) {
	r := &m.regs
	var ret uint64
	switch f {
	case asm.FnMapLookupElem:
		ret, err = m.lookup(r[1], r[2])
	case asm.FnMapUpdateElem, asm.FnMapDeleteElem:
	case asm.FnKtimeGetNs, asm.FnJiffies64, asm.FnGetPrandomU32, asm.FnGetSmpProcessorId:
	case asm.FnXdpGetBuffLen:
		ret = uint64(m.end - m.start)
	case asm.FnXdpAdjustHead:
		if m.start += int(int32(r[2])); m.start < 0 || m.start+14 > m.end {
			err = errors.New("the packet's start leaves its buffer")
		}
	case asm.FnSkbAdjustRoom:
		err = m.adjustRoom(int(int32(r[2])))
	case asm.FnXdpAdjustTail:
		b := &m.objects[m.packet>>32]
		m.end += int(int32(r[2]))
		for len(*b) < m.end {
			*b = append(*b, 0)
		}
	case asm.FnXdpStoreBytes, asm.FnSkbStoreBytes:
		err = m.copy(m.packet+uint64(m.start)+uint64(uint32(r[2])), r[3], int(uint32(r[4])))
	case asm.FnXdpLoadBytes, asm.FnSkbLoadBytes:
		err = m.copy(r[3], m.packet+uint64(m.start)+uint64(uint32(r[2])), int(uint32(r[4])))
	case asm.FnSkbPullData:
	case asm.FnRedirectMap:
		ret = 4 // XDP_REDIRECT
	case asm.FnRedirect:
		if ret = 4; m.p.Type == ebpf.SchedCLS {
			ret = 7 // TC_ACT_REDIRECT
		}
	default:
		err = fmt.Errorf("helper %v is not known here", f)
	}
	r[0] = ret
	return false, err
}

// adjustRoom makes room of n bytes behind the MAC header, or takes -n bytes away.
func (m *machine) adjustRoom(n int) error {
	b := m.objects[m.packet>>32]
	from, to := m.start, m.start-n
	if to < 0 || to+14 > m.end {
		return errors.New("the packet's start leaves its buffer")
	}
	copy(b[to:to+14], append([]byte(nil), b[from:from+14]...))
	clear(b[to+14 : max(from+14, to+14)])
	m.start = to
	return m.store(2<<32, 4, uint64(m.end-m.start)) // __sk_buff.len; the context is the second object
}

// copy copies n bytes between two addresses.
func (m *machine) copy(to, from uint64, n int) error {
	src, err := m.bytes(from, n)
	if err != nil {
		return err
	}
	dst, err := m.bytes(to, n)
	if err != nil {
		return err
	}
	copy(dst, src)
	return nil
}

// lookup reads the kernel's map; of values for each CPU it takes the first.
func (m *machine) lookup(mp, key uint64) (uint64, error) {
	name, ok := m.maps[mp]
	km := m.p.Maps[name]
	if !ok || km == nil {
		return 0, fmt.Errorf("look-up in no map (%q)", name)
	}
	m.res.Lookups[km.Type().String()]++
	k, err := m.bytes(key, int(km.KeySize()))
	if err != nil {
		return 0, err
	}
	var v []byte
	if km.Type() == ebpf.PerCPUArray || km.Type() == ebpf.PerCPUHash {
		var all [][]byte
		if err = km.Lookup(k, &all); err == nil {
			v = all[0]
		}
	} else {
		v, err = km.LookupBytes(k)
	}
	if errors.Is(err, ebpf.ErrKeyNotExist) || err == nil && v == nil {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("map %s: %w", name, err)
	}
	return m.object(v), nil
}
