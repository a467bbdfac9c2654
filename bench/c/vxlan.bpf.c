// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// VXLAN (RFC 7348): frames to remote stations leave in a tunnel whose 50 bytes
// lie ready in the tunnel's entry but for lengths, checksum and source port;
// frames from the tunnel come out on the port of their destination.

#include "bpf.h"

struct vxlan {
	u32 flags, vni;
};

struct outer {
	struct eth eth;
	struct ipv4 ip;
	struct udp udp;
	struct vxlan vxlan;
} __attribute__((packed, aligned(2)));

// What a remote station's entry leads to. sum is that of ip with len = 0.
struct tunnel {
	u8 header[56]; // outer, 50 bytes
	u32 sum, port;
};

struct mac_key {
	u64 mac; // 48 bits in the order of the wire; VNI in the upper 16: bridge number
};

#ifdef P4NIC_TABLES
MAP(remotes, HASH, struct mac_key, u32, 1 << 17, 0);             // handle
MAP(remote_entries, ARRAY, u32, u64, (1 << 17) + 1, F_MMAPABLE); // action << 56 | tunnel
MAP(locals, HASH, struct mac_key, u32, 1 << 17, 0);
MAP(local_entries, ARRAY, u32, u64, (1 << 17) + 1, F_MMAPABLE); // action << 56 | port
MAP(vnis, HASH, u32, u32, 1 << 12, 0);
MAP(vni_entries, ARRAY, u32, u64, (1 << 12) + 1, F_MMAPABLE); // action << 56 | bridge
INLINE u32 value_of(void *match, void *entries, const void *key)
{
	u32 *h = lookup(match, key);
	if (!h)
		return ~0u;
	u64 *w = lookup(entries, h);
	return w && !(*w >> 56) ? (u32)*w : ~0u;
}
#define VALUE(name, key) value_of(&name##s, &name##_entries, key)
#define VNI(key) value_of(&vnis, &vni_entries, key)
#else
MAP(remotes, HASH, struct mac_key, u32, 1 << 17, 0); // tunnel
MAP(locals, HASH, struct mac_key, u32, 1 << 17, 0);  // port
MAP(vnis, HASH, u32, u32, 1 << 12, 0);               // bridge
INLINE u32 value_of(void *map, const void *key)
{
	u32 *v = lookup(map, key);
	return v ? *v : ~0u;
}
#define VALUE(name, key) value_of(&name##s, key)
#define VNI(key) value_of(&vnis, key)
#endif
MAP(tunnels, ARRAY, u32, struct tunnel, 1 << 12, F_MMAPABLE);

enum { SIZE = sizeof(struct outer), UDP_PORT = 4789 };

INLINE long resize(ctx_t *ctx, int by)
{
#ifdef HOOK_TC
	return skb_adjust_room(ctx, by, 1, 0);
#else
	return xdp_adjust_head(ctx, -by);
#endif
}

PROGRAM(encap)
{
	struct eth *eth = DATA(ctx);
	struct ipv4 *inner = (void *)(eth + 1);
	void *end = END(ctx);
	if ((void *)(inner + 1) > end)
		return PASS;
	struct mac_key k = { WORD64(eth->dst) << 16 >> 16 };
	u32 id = VALUE(remote, &k);
	struct tunnel *t = lookup(&tunnels, &id);
	if (!t)
		return PASS;
	// RFC 7348 section 5: a source port of 49152-65535 from the inner headers.
	u32 hash = (u32)k.mac ^ WORD32(eth->src + 2);
	if (eth->type == swap16(ETH_IPV4))
		hash ^= inner->src ^ inner->dst ^ inner->proto;
	hash *= 0x9e3779b1;
	u32 len = distance(eth, end);
#ifdef HOOK_TC
	u8 inner_eth[16];
	*(u64 *)inner_eth = WORD64(eth->dst);
	*(u64 *)(inner_eth + 8) = WORD64(eth->src + 2);
#endif
	if (resize(ctx, SIZE))
		return DROP;
	void *data = DATA(ctx);
	if (data + SIZE + 16 > END(ctx))
		return DROP;
	u64 *to = any_align(data), *from = any_align(t->header);
#pragma unroll
	for (int i = 0; i < 6; i++)
		to[i] = from[i];
	*(u16 *)(to + 6) = *(u16 *)(from + 6);
#ifdef HOOK_TC
	// Room is made behind the MAC header, which moves to its end.
	WORD64(data + SIZE) = *(u64 *)inner_eth;
	WORD32(data + SIZE + 8) = *(u32 *)(inner_eth + 8);
	*(u16 *)any_align(data + SIZE + 12) = *(u16 *)(inner_eth + 12);
#endif
	struct outer *o = data;
	u16 ip_len = swap16(len + SIZE - sizeof(struct eth));
	o->ip.len = ip_len;
	o->ip.csum = ~fold((u64)t->sum + ip_len);
	o->udp.len = swap16(len + sizeof(struct udp) + sizeof(struct vxlan));
	o->udp.src = swap16(0xc000 | hash >> 18);
	return send(t->port);
}

PROGRAM(decap)
{
	void *data = DATA(ctx);
	struct outer *o = data;
	if (data + SIZE + 16 > END(ctx))
		return PASS;
	if (o->eth.type != swap16(ETH_IPV4) || o->ip.ver_ihl != 0x45 || o->ip.proto != IP_UDP ||
	    o->udp.dst != swap16(UDP_PORT) || (o->ip.frag & swap16(0x3fff)) || o->vxlan.flags != swap32(0x08000000))
		return PASS;
	u32 vni = swap32(o->vxlan.vni) >> 8;
	u32 bridge = VNI(&vni);
	if (bridge == ~0u)
		return DROP;
	struct mac_key k = { WORD64(data + SIZE) << 16 >> 16 | (u64)bridge << 48 };
	u32 port = VALUE(local, &k);
	if (port == ~0u)
		return PASS;
#ifdef HOOK_TC
	u64 lo = WORD64(data + SIZE);
	u32 hi = WORD32(data + SIZE + 8);
	u16 type = *(u16 *)any_align(data + SIZE + 12);
#endif
	if (resize(ctx, -SIZE))
		return DROP;
#ifdef HOOK_TC
	data = DATA(ctx);
	if (data + sizeof(struct eth) > END(ctx))
		return DROP;
	WORD64(data) = lo;
	WORD32(data + 8) = hi;
	*(u16 *)any_align(data + 12) = type;
#endif
	return send(port);
}
