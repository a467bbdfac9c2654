// Package ebpf compiles an ssa.Func, the whole pipeline of one packet, into
// eBPF instructions for two hooks: XDP (with frags) and tc ingress (tcx or
// clsact). No C compiler and no kernel header takes part.
//
// In: the core ir.Program (PlanLayout) and the ssa.Func (Compile). Out: a
// *Layout, the kernel maps and how entries are written into them, and an
// *Object, instructions that name those maps.
//
// Must not import: ast, types, arch, runtime. It opens no map and loads no
// program; runtime/kernel does.
//
// The files: layout.go, maps.go, share.go and engine*.go say what lies in the maps;
// trie*.go and classes*.go are match structures that a Writer (writer.go) keeps;
// isel*.go turns SSA into eBPF instructions over virtual registers, regalloc.go
// gives them machine registers and stack slots, object.go the final form;
// hook_*.go holds what differs between XDP and tc; dispatch.go and handover.go the
// fixed programs in front of the generations (D3); machine*.go the program in
// which packets with copies go on; lineinfo.go the P4 lines.
package ebpf
