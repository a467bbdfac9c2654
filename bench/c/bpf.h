// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
//
// What the references need of the kernel's interface, declared by number: no
// kernel headers, no libbpf. HOOK_TC selects tc, else XDP. P4NIC_TABLES selects
// p4nic's table layout (match structure -> handle -> entry word -> action data),
// else the kernel's own maps with values in place.

#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

// Map definitions in BTF.
#define __uint(name, val) int(*name)[val]
#define __type(name, val) typeof(val) *name
enum { HASH = 1, ARRAY = 2, PERCPU_ARRAY = 6, LRU_HASH = 9, LPM_TRIE = 11, DEVMAP = 14 };
enum { F_NO_PREALLOC = 1, F_RDONLY_PROG = 1 << 7, F_MMAPABLE = 1 << 10 };

#define MAP(name_, type_, key_, value_, entries_, flags_) \
	struct {                                          \
		__uint(type, type_);                      \
		__type(key, key_);                        \
		__type(value, value_);                    \
		__uint(max_entries, entries_);            \
		__uint(map_flags, flags_);                \
	} name_ SEC(".maps")

static void *(*lookup)(const void *map, const void *key) = (void *)1;
static long (*update)(const void *map, const void *key, const void *value, u64 flags) = (void *)2;
static u32 (*this_cpu)(void) = (void *)8;
static long (*redirect)(u32 ifindex, u64 flags) = (void *)23;
static long (*xdp_adjust_head)(void *ctx, int delta) = (void *)44;
static long (*skb_adjust_room)(void *ctx, int len, u32 mode, u64 flags) = (void *)50;
static long (*redirect_map)(const void *map, u64 key, u64 flags) = (void *)51;
static u64 (*jiffies)(void) = (void *)118;
static u64 (*xdp_buff_len)(void *ctx) = (void *)188;

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

struct skb {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority,
		ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};

#ifdef HOOK_TC
typedef struct skb ctx_t;
enum { PASS = -1, DROP = 2 }; // TC_ACT_UNSPEC, TC_ACT_SHOT
#define PROGRAM(name) SEC("tc") int name(ctx_t *ctx)
#define INGRESS(ctx) ((ctx)->ifindex)
#define LENGTH(ctx) ((ctx)->len)
#else
typedef struct xdp_md ctx_t;
enum { PASS = 2, DROP = 1 };
#define PROGRAM(name) SEC("xdp.frags") int name(ctx_t *ctx)
#define INGRESS(ctx) ((ctx)->ingress_ifindex)
#define LENGTH(ctx) ((u32)xdp_buff_len(ctx))
#endif

#define DATA(ctx) ((void *)(long)(ctx)->data)
#define END(ctx) ((void *)(long)(ctx)->data_end)

// Where packets leave: port number to netdev.
#ifdef HOOK_TC
MAP(ports, ARRAY, u32, u32, 512, 0); // ifindex
INLINE int send(u32 port)
{
	u32 *ifindex = lookup(&ports, &port);
	return ifindex && *ifindex ? (int)redirect(*ifindex, 0) : DROP;
}
#else
MAP(devmap, DEVMAP, u32, u32, 512, 0);
INLINE int send(u32 port) { return redirect_map(&devmap, port, DROP); }
#endif

#define swap16(x) __builtin_bswap16(x)
#define swap32(x) __builtin_bswap32(x)

// Headers. Not packed: a packed struct would be read byte by byte, and their
// layouts have no holes.
struct eth {
	u8 dst[6], src[6];
	u16 type;
};

struct vlan {
	u16 tci, type;
};

struct ipv4 {
	u8 ver_ihl, tos;
	u16 len, id, frag;
	u8 ttl, proto;
	u16 csum;
	u32 src, dst;
};

struct ports {
	u16 src, dst;
};

struct udp {
	u16 src, dst, len, csum;
};

struct tcp {
	u16 src, dst;
	u32 seq, ack;
	u16 flags, window, csum, urgent;
};

enum { ETH_IPV4 = 0x0800, ETH_VLAN = 0x8100, IP_TCP = 6, IP_UDP = 17, IP_IPIP = 4 };

// Internet checksum arithmetic (RFC 1071, RFC 1624). Sums are of words in network
// order as loaded; order does not matter to ones' complement addition.
INLINE u16 fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum + (sum >> 16);
}

INLINE u64 header_sum(const struct ipv4 *ip)
{
	const u32 *w = (const u32 *)ip;
	return (u64)w[0] + w[1] + w[2] + w[3] + w[4];
}

// TTL minus one and the checksum that belongs to it: HC' = HC + 0x0100, with the
// carry (RFC 1141). 0xffff cannot come out of a correct sum but by -0: RFC 1624
// eqn. 3 gives 0x0000 for it, as the kernel's ip_decrease_ttl.
INLINE void dec_ttl(struct ipv4 *ip)
{
	u32 c = ip->csum + swap16(0x0100);
	ip->csum = c + (c >= 0xffff);
	ip->ttl--;
}

// Loads and stores of a width that the compiler would cut into pieces because it
// knows that the address is aligned for less; the machines do not mind.
INLINE void *any_align(const void *p)
{
	asm("" : "+r"(p));
	return (void *)p;
}
// Bytes between two packet pointers; the verifier takes 64-bit subtraction only.
INLINE u32 distance(const void *from, const void *to)
{
	u64 n = (u64)any_align(to) - (u64)any_align(from);
	asm("" : "+r"(n));
	return n;
}
#define WORD32(p) (*(u32 *)any_align(p))
#define WORD64(p) (*(u64 *)any_align(p))

// A MAC address as the low 48 bits of a number, in the order of the wire.
INLINE void put_mac(u8 *at, u64 mac)
{
	WORD32(at) = mac;
	*(u16 *)(at + 4) = mac >> 32;
}

char _license[] SEC("license") = "GPL";
