// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// Access list over the 13 bytes of an IPv4 5-tuple, rules in order of priority,
// 4,096 at most: by scan and by bit vectors over classes of 16-bit chunks
// (docs/checklists/feasibility.md, section 3). A permitted packet is sent on.

#include "bpf.h"

enum { RULES = 4096, WORDS = RULES / 64, FIELDS = 7 };

// The fields: source and destination address in halves, ports, protocol.
struct tuple {
	u32 src, dst; // host order
	u32 sport, dport, proto;
};

struct rule {
	u64 value, mask; // src << 32 | dst
	u16 sport_lo, sport_hi, dport_lo, dport_hi;
	u8 proto, any_proto;
	u16 pad;
	u32 handle;
};

struct rules {
	u32 count, pad;
	struct rule rule[RULES];
};

// Of each field's value the class; of each class a bit for each rule that it
// fits, and one for each word that is not zero.
struct classes {
	u16 of[FIELDS][65536];
};
struct row {
	u64 summary, word[WORDS];
};
enum { ROWS = 4096 };

struct bits {
	u8 of[64];
};

MAP(entries, ARRAY, u32, u64, RULES + 1, F_MMAPABLE); // by handle: action << 56; 0 permits
#ifdef BIT_VECTOR
MAP(classes, ARRAY, u32, struct classes, 1, F_MMAPABLE);
MAP(rows, ARRAY, u32, struct row, ROWS, F_MMAPABLE);
// Lowest bit by multiplication (Leiserson, Prokop, Randall): BPF has no ctz.
static const struct bits debruijn = { {
	0, 1, 2, 53, 3, 7, 54, 27, 4, 38, 41, 8, 34, 55, 48, 28, 62, 5, 39, 46, 44, 42, 22, 9, 24, 35, 59, 56, 49, 18, 29, 11,
	63, 52, 6, 26, 37, 40, 33, 47, 61, 45, 43, 21, 23, 58, 17, 10, 51, 25, 36, 32, 60, 20, 57, 16, 50, 31, 19, 15, 30, 14, 13, 12 } };

INLINE u32 lowest(u64 x) { return debruijn.of[((x & -x) * 0x022fdd63cc95386dull) >> 58]; }

INLINE u32 classify(const struct tuple *t)
{
	u32 zero = 0;
	struct classes *c = lookup(&classes, &zero);
	if (!c)
		return 0;
	u16 v[FIELDS] = { t->dst >> 16, t->src >> 16, t->dst, t->src, t->dport, t->sport, t->proto };
	struct row *r[FIELDS];
	u64 summary = ~0ull;
#pragma unroll
	for (int i = 0; i < FIELDS; i++) {
		u32 class = c->of[i][v[i]];
		r[i] = lookup(&rows, &class);
		if (!r[i])
			return 0;
		summary &= r[i]->summary;
	}
	for (int n = 0; n < WORDS && summary; n++) {
		u32 w = lowest(summary) & (WORDS - 1);
		u64 bits = r[0]->word[w] & r[1]->word[w] & r[2]->word[w] & r[3]->word[w] & r[4]->word[w] & r[5]->word[w] & r[6]->word[w];
		if (bits)
			return w * 64 + lowest(bits) + 1;
		summary &= summary - 1;
	}
	return 0;
}
#else
MAP(rules, ARRAY, u32, struct rules, 1, F_MMAPABLE);

INLINE u32 classify(const struct tuple *t)
{
	u32 zero = 0;
	struct rules *rs = lookup(&rules, &zero);
	if (!rs)
		return 0;
	u64 addr = (u64)t->src << 32 | t->dst;
	u32 n = rs->count;
	if (n > 1024)
		n = 1024;
	for (u32 i = 0; i < n; i++) {
		struct rule *r = &rs->rule[i];
		if (likely((addr ^ r->value) & r->mask))
			continue;
		if (t->sport >= r->sport_lo && t->sport <= r->sport_hi && t->dport >= r->dport_lo &&
		    t->dport <= r->dport_hi && (r->any_proto || r->proto == t->proto))
			return r->handle;
	}
	return 0;
}
#endif

PROGRAM(acl)
{
	void *data = DATA(ctx), *end = END(ctx);
	struct eth *eth = data;
	struct ipv4 *ip = data + sizeof *eth;
	struct ports *l4 = (void *)(ip + 1);
	if ((void *)(l4 + 1) > end || eth->type != swap16(ETH_IPV4) || ip->ver_ihl != 0x45)
		return PASS;
	struct tuple t = { swap32(ip->src), swap32(ip->dst), 0, 0, ip->proto };
	if ((ip->proto == IP_TCP || ip->proto == IP_UDP) && !(ip->frag & swap16(0x1fff))) {
		t.sport = swap16(l4->src);
		t.dport = swap16(l4->dst);
	}
	u32 h = classify(&t);
	u64 *w = lookup(&entries, &h);
	if (!w || *w >> 56)
		return DROP;
	return send(1);
}
