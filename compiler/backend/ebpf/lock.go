package ebpf

import "github.com/cilium/ebpf/btf"

// lockedTypes describes the key and the value of an array whose values begin with
// a lock of 4 bytes; the rest are u64 words from byte 8 on.
func lockedTypes(m *MapSpec) (key, value btf.Type) {
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	u64 := &btf.Int{Name: "unsigned long long", Size: 8}
	lock := &btf.Struct{Name: "bpf_spin_lock", Size: 4, Members: []btf.Member{{Name: "val", Type: u32}}}
	words := (m.ValueSize - 8) / 8
	return u32, &btf.Struct{Name: "locked_" + m.KernelName(), Size: m.ValueSize, Members: []btf.Member{
		{Name: "lock", Type: lock},
		{Name: "pad", Type: u32, Offset: 32},
		{Name: "word", Type: &btf.Array{Index: u32, Type: u64, Nelems: words}, Offset: 64},
	}}
}
