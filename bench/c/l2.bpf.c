// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Learning L2 switch. The source is looked up to see that it is known on this
// port, and written only when it is not (dp:BR2, dp:BR8); frames to unknown or
// group addresses go to the kernel, which floods.

#include "bpf.h"

struct mac_key {
	u64 mac; // in the order of the wire, two zero bytes above
};

#ifdef P4NIC_TABLES
MAP(macs, HASH, struct mac_key, u32, 1 << 18, 0);           // handle
MAP(mac_entries, ARRAY, u32, u64, (1 << 18) + 1, F_MMAPABLE); // action << 56 | port

INLINE u32 port_of(struct mac_key *k)
{
	u32 *h = lookup(&macs, k);
	if (!h)
		return ~0u;
	u64 *w = lookup(&mac_entries, h);
	return w && !(*w >> 56) ? (u32)*w : ~0u;
}
// Handles are given by user space: what is new goes there.
#define LEARN(key, port) return PASS
#else
MAP(macs, HASH, struct mac_key, u32, 1 << 18, 0); // port

INLINE u32 port_of(struct mac_key *k)
{
	u32 *p = lookup(&macs, k);
	return p ? *p : ~0u;
}
#define LEARN(key, port) update(&macs, &key, &port, 0)
#endif
MAP(ifindex, ARRAY, u32, u32, 1 << 15, 0); // port + 1

PROGRAM(l2)
{
	struct eth *eth = DATA(ctx);
	u32 index = INGRESS(ctx);
	if ((void *)(eth + 1) + 2 > END(ctx)) // so that 8 bytes can be read at the source, too
		return PASS;
	u32 *in = lookup(&ifindex, &index);
	if (!in || !*in)
		return PASS;
	struct mac_key src = { WORD64(eth->src) << 16 >> 16 }, dst = { WORD64(eth->dst) << 16 >> 16 };
	u32 port = *in - 1;
	if (unlikely(port_of(&src) != port)) {
		if (src.mac & 1)
			return DROP;
		LEARN(src, port);
	}
	if (dst.mac & 1)
		return PASS;
	u32 out = port_of(&dst);
	if (out == ~0u)
		return PASS;
	return out == port ? DROP : send(out);
}
