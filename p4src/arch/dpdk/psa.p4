// The Portable Switch Architecture with what the DPDK software switch adds:
// counters and meters that are told the length of the packet.

#define P4NIC_DPDK
#include "../bmv2/psa.p4"
#undef P4NIC_DPDK
