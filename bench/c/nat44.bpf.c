// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// NAT44, established flows: one look-up of the 5-tuple gives the new addresses
// and ports and what they add to the checksums (vpp nat44-ed, dp:2.3); a miss is
// for the kernel. The entry notes when it was used.

#include "bpf.h"

struct flow {
	u32 src, dst; // as on the wire
	u16 sport, dport;
	u32 proto;
};

struct session {
	u32 src, dst; // as on the wire
	u16 sport, dport;
	u16 ip_delta, l4_delta; // ones' complement sums to add to the checksums
	u8 dst_mac[6], src_mac[6];
	u32 port;
	u64 used, packets;
};

#ifdef P4NIC_TABLES
MAP(flows, HASH, struct flow, u32, 1 << 17, 0);                // handle
MAP(flow_entries, ARRAY, u32, u64, (1 << 17) + 1, F_MMAPABLE); // action << 56 | slot
MAP(sessions, ARRAY, u32, struct session, (1 << 17) + 1, F_MMAPABLE);
INLINE struct session *session_of(struct flow *k)
{
	u32 *h = lookup(&flows, k);
	if (!h)
		return 0;
	u64 *w = lookup(&flow_entries, h);
	if (!w || *w >> 56)
		return 0;
	u32 slot = *w;
	return lookup(&sessions, &slot);
}
#else
MAP(flows, HASH, struct flow, struct session, 1 << 17, 0);
INLINE struct session *session_of(struct flow *k) { return lookup(&flows, k); }
#endif

// add gives the checksum field csum after its words changed by delta.
INLINE u16 add(u16 csum, u32 delta)
{
	u32 sum = (u16)~csum + delta;
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

PROGRAM(nat44)
{
	void *data = DATA(ctx), *end = END(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = data + sizeof *eth;
	struct tcp *tcp = (void *)(ip + 1);
	struct udp *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > end || eth->type != swap16(ETH_IPV4))
		return PASS;
	if (ip->ver_ihl != 0x45 || (ip->frag & swap16(0x3fff)) || ip->ttl <= 1)
		return PASS;
	struct flow k = { ip->src, ip->dst, udp->src, udp->dst, ip->proto };
	struct session *s;
	if (ip->proto == IP_TCP) {
		if ((void *)(tcp + 1) > end || (tcp->flags & swap16(0x0007))) // FIN, SYN, RST change the state
			return PASS;
		s = session_of(&k);
		if (!s)
			return PASS;
		tcp->csum = add(tcp->csum, s->l4_delta);
	} else if (ip->proto == IP_UDP) {
		s = session_of(&k);
		if (!s)
			return PASS;
		// 0 says that there is none, and never comes out (RFC 768, dp:NA5).
		if (udp->csum) {
			u16 c = add(udp->csum, s->l4_delta);
			udp->csum = c ? c : 0xffff;
		}
	} else {
		return PASS;
	}
	u64 now = jiffies();
	if (s->used != now)
		s->used = now;
	s->packets++;
	// TTL and protocol are one word of the sum: minus one in its high byte.
	ip->csum = add(ip->csum, (u32)s->ip_delta + (u16)~swap16(0x0100));
	ip->ttl--;
	WORD64(&ip->src) = WORD64(&s->src);
	*(u32 *)&udp->src = *(u32 *)any_align(&s->sport);
	WORD64(eth->dst) = WORD64(s->dst_mac);
	WORD32(eth->src + 2) = WORD32(s->src_mac + 2);
	return send(s->port);
}
