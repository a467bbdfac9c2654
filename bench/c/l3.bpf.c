// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// IPv4 router: longest prefix -> next hop, TTL, checksum, MACs, out. Options,
// expired packets and what has no route go to the kernel.

#include "bpf.h"

struct lpm_key {
	u32 bits, dst;
};

#ifdef P4NIC_TABLES
// match -> handle; entry[handle] = action << 56 | next hop; the same again for
// next hops, whose action data (112 bits and a port) lies in a slot.
struct hop {
	u64 dst_mac, src_mac; // numbers in host order
	u32 port, pad;
};
MAP(routes, LPM_TRIE, struct lpm_key, u32, 1 << 20, F_NO_PREALLOC);
MAP(route_entries, ARRAY, u32, u64, (1 << 20) + 1, F_MMAPABLE);
MAP(hops, ARRAY, u32, u32, 1 << 16, F_MMAPABLE);
MAP(hop_entries, ARRAY, u32, u64, (1 << 14) + 1, F_MMAPABLE);
MAP(hop_data, ARRAY, u32, struct hop, 1 << 14, F_MMAPABLE);

INLINE struct hop *route(u32 dst)
{
	struct lpm_key k = { 32, dst };
	u32 *h = lookup(&routes, &k);
	if (!h)
		return 0;
	u64 *w = lookup(&route_entries, h);
	if (!w || *w >> 56)
		return 0;
	u32 i = (u16)*w;
	h = lookup(&hops, &i);
	if (!h)
		return 0;
	w = lookup(&hop_entries, h);
	if (!w || *w >> 56)
		return 0;
	i = *w;
	return lookup(&hop_data, &i);
}
#define TO_WIRE(mac) (__builtin_bswap64(mac) >> 16)
#else
struct hop {
	u8 dst_mac[6], src_mac[6];
	u32 port;
};
MAP(hops, ARRAY, u32, struct hop, 1 << 14, 0);
#ifdef DIR_24_8
// Gupta, Lin, McKeown: one load for prefixes up to /24, two for longer ones. A
// word is 0 for no route, 1 + next hop, or 0x8000 | group of 256 words.
enum { GROUPS = 1 << 14 };
struct dir {
	u16 top[1 << 24], low[GROUPS * 256];
};
MAP(dir, ARRAY, u32, struct dir, 1, F_MMAPABLE);

INLINE struct hop *route(u32 dst)
{
	u32 zero = 0, addr = swap32(dst), word;
	struct dir *d = lookup(&dir, &zero);
	if (!d)
		return 0;
	word = d->top[addr >> 8];
	if (word & 0x8000)
		word = d->low[(word & (GROUPS - 1)) << 8 | (u8)addr];
	word--;
	return lookup(&hops, &word);
}
#else
MAP(routes, LPM_TRIE, struct lpm_key, u32, 1 << 20, F_NO_PREALLOC);

INLINE struct hop *route(u32 dst)
{
	struct lpm_key k = { 32, dst };
	u32 *h = lookup(&routes, &k);
	return h ? lookup(&hops, h) : 0;
}
#endif
#endif

PROGRAM(l3)
{
	void *data = DATA(ctx), *end = END(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = data + sizeof *eth;
	if ((void *)(ip + 1) > end || eth->type != swap16(ETH_IPV4))
		return PASS;
	if (ip->ver_ihl != 0x45 || ip->ttl <= 1)
		return PASS;
	struct hop *h = route(ip->dst);
	if (!h)
		return PASS;
	dec_ttl(ip);
#ifdef P4NIC_TABLES
	put_mac(eth->dst, TO_WIRE(h->dst_mac));
	put_mac(eth->src, TO_WIRE(h->src_mac));
#else
	// Twelve bytes in a row on both sides.
	WORD64(eth->dst) = WORD64(h->dst_mac);
	WORD32(eth->src + 2) = WORD32(h->src_mac + 2);
#endif
	return send(h->port);
}
