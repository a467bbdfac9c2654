// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Layer 4 load balancer: VIP -> ring of Maglev (65,537 places) by a hash of the
// 5-tuple -> real server, IP in IP (DSR). With CONNECTIONS a table of flows comes
// first, as in Katran, so that flows stay where they are when the ring changes.

#include "bpf.h"

enum { RING = 65537, VIPS = 64, REALS = 4096 };

struct vip {
	u32 addr;
	u16 port, proto;
};

struct flow {
	u32 src, dst; // as on the wire
	u16 sport, dport;
	u32 proto;
};

struct real {
	u8 dst_mac[6], src_mac[6];
	u32 src, dst; // of the outer header; the sender varies src's low half for RSS
	u32 sum;      // of the outer header with length, and low half of src, zero
	u32 port;
};

#ifdef P4NIC_TABLES
MAP(vips, HASH, struct vip, u32, VIPS, 0);                 // handle
MAP(vip_entries, ARRAY, u32, u64, VIPS + 1, F_MMAPABLE);    // action << 56 | ring
MAP(real_entries, ARRAY, u32, u64, REALS + 1, F_MMAPABLE); // by handle: action << 56 | slot
MAP(reals, ARRAY, u32, struct real, REALS + 1, F_MMAPABLE);
INLINE u32 ring_of(struct vip *k)
{
	u32 *h = lookup(&vips, k);
	if (!h)
		return ~0u;
	u64 *w = lookup(&vip_entries, h);
	return w && !(*w >> 56) ? (u32)*w : ~0u;
}
INLINE struct real *real_of(u32 handle)
{
	u64 *w = lookup(&real_entries, &handle);
	if (!w || *w >> 56)
		return 0;
	u32 slot = *w;
	return lookup(&reals, &slot);
}
#else
MAP(vips, HASH, struct vip, u32, VIPS, 0); // ring
MAP(reals, ARRAY, u32, struct real, REALS + 1, 0);
INLINE u32 ring_of(struct vip *k)
{
	u32 *v = lookup(&vips, k);
	return v ? *v : ~0u;
}
INLINE struct real *real_of(u32 i) { return lookup(&reals, &i); }
#endif
MAP(rings, ARRAY, u32, u32, VIPS * RING, F_MMAPABLE);
#ifdef CONNECTIONS
MAP(connections, LRU_HASH, struct flow, u32, 1 << 18, 0);
#endif

// A hash of 13 bytes with full avalanche: two rounds of multiply and fold.
INLINE u32 flow_hash(const struct flow *f)
{
	u64 a = ((u64)f->src << 32 | f->dst) * 0x9e3779b97f4a7c15ull;
	u64 b = ((u64)f->proto << 32 | (u32)f->sport << 16 | f->dport) ^ (a >> 32) ^ a;
	b *= 0xd6e8feb86659fd93ull;
	b ^= b >> 32;
	b *= 0xd6e8feb86659fd93ull;
	return b >> 32;
}

PROGRAM(maglev)
{
	void *data = DATA(ctx), *end = END(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = data + sizeof *eth;
	struct ports *l4 = (void *)(ip + 1);
	if ((void *)(l4 + 1) > end || eth->type != swap16(ETH_IPV4))
		return PASS;
	if (ip->ver_ihl != 0x45 || (ip->frag & swap16(0x3fff)) || (ip->proto != IP_TCP && ip->proto != IP_UDP))
		return PASS;
	struct flow f = { ip->src, ip->dst, l4->src, l4->dst, ip->proto };
	struct vip v = { ip->dst, l4->dst, ip->proto };
	u32 ring = ring_of(&v);
	if (ring == ~0u)
		return PASS;
	u32 hash = flow_hash(&f), index;
#ifdef CONNECTIONS
	u32 *known = lookup(&connections, &f);
	if (known) {
		index = *known;
	} else
#endif
	{
		// (hash * RING) >> 32 spreads as well as the remainder and is no division.
		u32 place = ring * RING + (u32)((u64)hash * RING >> 32);
		u32 *r = lookup(&rings, &place);
		if (!r)
			return DROP;
		index = *r;
#ifdef CONNECTIONS
		update(&connections, &f, &index, 0);
#endif
	}
	struct real *r = real_of(index);
	if (!r)
		return DROP;
	u32 len = swap16(ip->len) + sizeof *ip;
	u8 tos = ip->tos;
#ifdef HOOK_TC
	if (skb_adjust_room(ctx, sizeof *ip, 1, 0))
		return DROP;
#else
	if (xdp_adjust_head(ctx, -(int)sizeof *ip))
		return DROP;
#endif
	data = DATA(ctx);
	eth = data;
	ip = data + sizeof *eth;
	if ((void *)(ip + 1) > (void *)END(ctx))
		return DROP;
	WORD64(eth->dst) = WORD64(r->dst_mac);
	WORD32(eth->src + 2) = WORD32(r->src_mac + 2);
	eth->type = swap16(ETH_IPV4);
	u32 *w = (u32 *)ip;
	u32 src = r->src | hash << 16; // the address's third and fourth byte on the wire
	w[0] = swap32(0x45u << 24 | (u32)tos << 16 | len);
	w[1] = 0;
	w[2] = swap32(64u << 24 | IP_IPIP << 16) | (u32)(u16)~fold((u64)r->sum + (src >> 16) + swap16(len) + swap16(tos)) << 16;
	w[3] = src;
	w[4] = r->dst;
	return send(r->port);
}
