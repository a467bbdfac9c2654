// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// The IPv4 part of p4src/router.p4 by hand, on the very maps of the compiled
// program (compiler/backend/ebpf/layout.go says what lies in them): what is lost
// against it is lost by the compiler, not by the choice of tables. IPv6, tagged
// output and packets for the host go to the kernel.
//
// NO_STATS, NO_COUNTERS, NO_SUM, NO_ACL and NO_GROUPS leave a part out, to see
// what it costs; such a program still forwards as the whole one.

#include "bpf.h"

#define HANDLES(name, type, key, flags) MAP(name, type, key, u32, 1, flags)
#define ENTRIES(name) MAP(name, ARRAY, u32, u64, 1, F_MMAPABLE)
#define PARAM(word, off, bits) ((word) >> (off) & ((1ull << (bits)) - 1))
#define ACTION(word) ((word) >> 56)

struct port_vlan {
	u16 port, vlan;
};
struct route_key {
	u16 bits[2], vrf, dst[2]; // in halves: the address is not aligned for more
};
struct neighbour_key {
	u32 addr;
	u16 port, zero;
};
struct interface {
	u64 mac;
	u16 vrf, pad[3];
};
struct count {
	u64 packets, bytes;
};
struct port_stats {
	u64 rx_packets, rx_bytes, tx_packets, tx_bytes, drops;
};
struct tables {
	u32 crc32[8][256];
	u16 crc16[8][256]; // [k]: what a byte does to the CRC when k more follow
};

HANDLES(m_interfaces, HASH, struct port_vlan, 0);
ENTRIES(e_interfaces);
MAP(d_interfaces, ARRAY, u32, struct interface, 1, F_MMAPABLE);
MAP(l_acl, ARRAY, u32, u64, 1, F_MMAPABLE);
ENTRIES(e_acl);
MAP(c_acl, ARRAY, u32, struct count, 1, F_MMAPABLE);
HANDLES(m_ipv4_routes, LPM_TRIE, struct route_key, F_NO_PREALLOC);
ENTRIES(e_ipv4_routes);
MAP(c_ipv4_routes, ARRAY, u32, struct count, 1, F_MMAPABLE);
HANDLES(m_next_hop_groups, ARRAY, u32, F_MMAPABLE);
ENTRIES(e_next_hop_groups);
HANDLES(m_buckets, ARRAY, u32, F_MMAPABLE);
ENTRIES(e_buckets);
HANDLES(m_next_hops, ARRAY, u32, F_MMAPABLE);
ENTRIES(e_next_hops);
HANDLES(m_neighbours_v4, HASH, struct neighbour_key, 0);
ENTRIES(e_neighbours_v4);
HANDLES(m_egress_interfaces, HASH, struct port_vlan, 0);
ENTRIES(e_egress_interfaces);
MAP(ifindex, ARRAY, u32, u32, 1, 0); // port + 1
MAP(portstats, PERCPU_ARRAY, u32, struct port_stats, 512, 0);
MAP(consts, ARRAY, u32, struct tables, 1, F_RDONLY_PROG);

// Strides of the per-CPU copies of the counters, which the loader sets (D12).
const volatile u32 acl_stride, route_stride;

INLINE u64 entry(void *map, u32 handle)
{
	u64 *w = lookup(map, &handle);
	return w ? *w : ~0ull;
}

INLINE u32 handle_of(void *map, const void *key)
{
	u32 *h = lookup(map, key);
	return h ? *h : 0;
}

INLINE void count_hit(void *map, u32 stride, u32 cpu, u32 handle, u64 bytes)
{
#ifndef NO_COUNTERS
	u32 i = cpu * stride + handle;
	struct count *c = lookup(map, &i);
	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
#endif
}

// CRC-16/ARC of the 13 bytes of a 5-tuple, eight looked up at once, then five.
INLINE u16 flow_crc(const struct tables *t, u32 src, u32 dst, u8 proto, u16 sport, u16 dport)
{
	u16 c = t->crc16[7][src >> 24] ^ t->crc16[6][(u8)(src >> 16)] ^ t->crc16[5][(u8)(src >> 8)] ^ t->crc16[4][(u8)src] ^
		t->crc16[3][dst >> 24] ^ t->crc16[2][(u8)(dst >> 16)] ^ t->crc16[1][(u8)(dst >> 8)] ^ t->crc16[0][(u8)dst];
	return t->crc16[4][(u8)(proto ^ c)] ^ t->crc16[3][sport >> 8 ^ c >> 8] ^ t->crc16[2][(u8)sport] ^
	       t->crc16[1][dport >> 8] ^ t->crc16[0][(u8)dport];
}

PROGRAM(router)
{
	void *data = DATA(ctx), *end = END(ctx);
	u32 len = LENGTH(ctx), index = INGRESS(ctx), zero = 0;
	u32 *port_1 = lookup(&ifindex, &index);
	if (!port_1 || !*port_1)
		return PASS;
	u32 ingress = *port_1 - 1;
	struct port_stats *rx = lookup(&portstats, &ingress);
	if (!rx)
		return PASS;
#ifndef NO_STATS
	rx->rx_packets++;
	rx->rx_bytes += len;
#endif

	struct eth *eth = data;
	struct ipv4 *ip = data + sizeof *eth;
	if ((void *)(ip + 1) > end || eth->type != swap16(ETH_IPV4))
		return PASS;
	// 0xffff is what a correct header sums up to.
	if (ip->ver_ihl != 0x45)
		return PASS;
#ifndef NO_SUM
	if (fold(header_sum(ip)) != 0xffff)
		return DROP;
#endif

	struct port_vlan in = { ingress, 0 };
	u64 w = entry(&e_interfaces, handle_of(&m_interfaces, &in));
	if (ACTION(w) != 0)
		return ACTION(w) == 1 ? PASS : DROP;
	u32 slot = w;
	struct interface *iface = lookup(&d_interfaces, &slot);
	if (!iface)
		return DROP;
	u64 dst_mac = WORD64(eth->dst); // the two bytes behind it are shifted out
	if (__builtin_bswap64(dst_mac) >> 16 != iface->mac)
		return eth->dst[0] & 1 ? PASS : DROP;

	u32 ip_len = swap16(ip->len), src = swap32(ip->src), dst = swap32(ip->dst);
	if (ip_len < 20 || ip_len + sizeof *eth > len)
		return DROP;
	if (dst >> 28 == 0xe || dst == 0xffffffff)
		return PASS;
	if (src >> 24 == 0 || src >> 24 == 127 || src >> 28 == 0xe || src == 0xffffffff ||
	    dst >> 24 == 0 || dst >> 24 == 127)
		return DROP;

	u32 cpu = this_cpu();
#ifndef NO_ACL
	u64 *acl = lookup(&l_acl, &zero);
	if (!acl || (u32)*acl != 0) // this reference has no rules
		return DROP;
	if (ACTION(entry(&e_acl, 0)) != 0)
		return DROP;
	count_hit(&c_acl, acl_stride, cpu, 0, len);
#endif

	struct route_key rk = { { 48 }, iface->vrf, { ip->dst, ip->dst >> 16 } };
	u32 h = handle_of(&m_ipv4_routes, &rk);
	w = entry(&e_ipv4_routes, h);
	count_hit(&c_ipv4_routes, route_stride, cpu, h, len);
	if (ACTION(w) != 0)
		return ACTION(w) == 1 ? PASS : DROP;
	if (ip->ttl <= 1)
		return PASS;

	u32 i = PARAM(w, 0, 16); // group
#ifndef NO_GROUPS // else group, bucket and next hop have one number
	w = entry(&e_next_hop_groups, handle_of(&m_next_hop_groups, &i));
	if (ACTION(w) != 0)
		return DROP;
	u32 base = PARAM(w, 0, 16), buckets = PARAM(w, 16, 16);
	struct tables *t = lookup(&consts, &zero);
	if (!t)
		return DROP;
	u32 sport = 0, dport = 0;
	struct ports *l4 = (void *)(ip + 1);
	if ((ip->proto == IP_TCP || ip->proto == IP_UDP) && !(ip->frag & swap16(0x3fff))) {
		if ((void *)(l4 + 1) > end)
			return DROP;
		sport = swap16(l4->src);
		dport = swap16(l4->dst);
	}
	u16 crc = flow_crc(t, src, dst, ip->proto, sport, dport);
	i = (u16)(base + (buckets > 1 ? crc % buckets : 0));
	w = entry(&e_buckets, handle_of(&m_buckets, &i));
	if (ACTION(w) != 0)
		return DROP;
	i = PARAM(w, 0, 16);
#endif
	w = entry(&e_next_hops, handle_of(&m_next_hops, &i));
	u32 port = PARAM(w, 0, 9), vlan = PARAM(w, 9, 12), gateway;
	if (ACTION(w) == 0)
		gateway = PARAM(w, 21, 32);
	else if (ACTION(w) == 2)
		gateway = dst;
	else
		return ACTION(w) == 3 ? PASS : DROP;
	struct neighbour_key nk = { gateway, port, 0 };
	w = entry(&e_neighbours_v4, handle_of(&m_neighbours_v4, &nk));
	if (ACTION(w) != 0)
		return ACTION(w) == 1 ? PASS : DROP;
	u64 dmac = w << 16;
	struct port_vlan out = { port, vlan };
	w = entry(&e_egress_interfaces, handle_of(&m_egress_interfaces, &out));
	if (ACTION(w) != 0 || vlan != 0)
		return DROP;
	u64 smac = w << 16;

	put_mac(eth->dst, __builtin_bswap64(dmac));
	put_mac(eth->src, __builtin_bswap64(smac));
	dec_ttl(ip);
#ifndef NO_STATS
	struct port_stats *tx = lookup(&portstats, &port);
	if (tx) {
		tx->tx_packets++;
		tx->tx_bytes += len;
	}
#endif
	return send(port);
}
