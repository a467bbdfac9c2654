// Package kernel is the datapath in the Linux kernel: it carries out
// dataplane.Plane with eBPF programs at XDP and tc.
//
// In: core programs, entries in machine form, ports by name of netdev. Out:
// programs, maps and links of the kernel, all pinned under
// BPFFS/p4nic/INSTANCE, so that they outlive this process:
//
//	device/MAP-DIGEST       the maps that exist once a device: generation cell,
//	                        program arrays, ports, port and drop counters
//	device/dispatch_HOOK-DIGEST   the fixed program that netdevs run
//	device/applied-DIGEST   the applied sequence of the journal (D6)
//	links/HOOK_IFINDEX      what attaches a dispatcher to a netdev; HOOK is xdp, tc
//	                        or handover, the second dispatcher of a netdev with XDP
//	gen0 .. gen3/MAP-DIGEST the maps of a generation. State maps (counters,
//	                        registers) that a generation shares with the one
//	                        before it are pinned in both directories
//
// The generation cell alone says which generation is live: everything a
// generation needs is complete before one store of the cell (D3), and a
// directory that the cell does not name is rubbish that the next Open removes.
//
// Attach points: XDP for physical ports, tc (tcx, clsact where the kernel has
// no tcx) for veth and tap. The third dispatcher of D3, XDP/devmap, has no use:
// copies are made at tc (handover.go), and no program array is made for it.
//
// The files: plane.go opens and closes, remove.go cleans up after other versions, bpffs.go and mapped.go hold pins and
// shared memory, attach.go, link.go and foreign.go the ports, generation.go and
// load.go the programs, table.go and apply.go the entries, counters.go what is
// read back, cpuport.go packets of controllers, grace.go the waiting, entities.go,
// replication.go and handover.go what copies of packets need.
//
// Must not import: store, adapters, protobuf, sim.
package kernel
