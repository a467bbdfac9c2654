// SPDX-License-Identifier: Apache-2.0
//
// Policy for routed IPv4: a packet of a session is translated as the session says; a
// packet of none may begin one, when balancer, NAT, routes and rules allow it.

#ifndef NIC_POLICY
#define NIC_POLICY

#include "types.p4"
#include "session.p4"
#include "firewall.p4"
#include "nat.p4"
#include "balance.p4"
#include "route.p4"

struct fragments_t {
    tenant_t tenant;
    ipv4_t   src;
    ipv4_t   dst;
    bit<16>  id;
    bit<8>   protocol;
}

struct ports_t {
    bit<16> src;
    bit<16> dst;
}

// What a packet is to the sessions.
const bit<3> FLOW_NONE     = 0; // not IPv4
const bit<3> FLOW_NEW      = 1;
const bit<3> FLOW_ORIGINAL = 2;
const bit<3> FLOW_REPLY    = 3;
const bit<3> ERROR_ORIGINAL = 4; // about a packet of the session's replies
const bit<3> ERROR_REPLY    = 5; // about a packet of its first direction

control Routed(inout headers_t hdr, inout meta_t meta, in nic_main_input_metadata_t istd) {
    Session<flow_t, session_t>(1048576, SessionFull_t.EVICT) sessions;
    // The ports of packets that came in fragments, from their first ones (RFC 4787
    // REQ-14 as far as fragments come in order).
    LearnTable<fragments_t, ports_t>(65536) fragments;
    Route() route;
    Leave() leave;
    Firewall() firewall;
    NatIn() nat_in;
    NatOut() nat_out;
    Balance() balance;
    Translate() translate;
    TranslateError() translate_error;
    Forward() forward;

    bit<3>    kind = FLOW_NONE;
    session_t state;
    flow_t    flow;

    action drop(Drop why) {
        drop_because(why);
        meta.done = 1;
    }

    // Where fragments are, ports are those of the first one.
    action known_ports(bit<16> src_port, bit<16> dst_port) {
        meta.src_port = src_port;
        meta.dst_port = dst_port;
    }

    apply {
        meta.dst_v4 = hdr.ipv4.dst;
        tenant_t came_from = meta.tenant;

        // Which flow it is.
        if (hdr.ipv4.isValid()) {
            if (meta.fragment == 1) {
                fragments_t whole = { meta.tenant, hdr.ipv4.src, hdr.ipv4.dst, hdr.ipv4.id, meta.protocol };
                ports_t ports;
                if (meta.later == 0) {
                    fragments.learn(whole, { meta.src_port, meta.dst_port }, TIMER_SINGLE);
                } else if (fragments.lookup(whole, ports)) {
                    known_ports(ports.src, ports.dst);
                } else {
                    drop(Drop.FRAGMENT);
                    return;
                }
            }
            flow = { meta.tenant, hdr.ipv4.src, hdr.ipv4.dst, meta.src_port, meta.dst_port, meta.protocol };
            if (meta.quotes == 1) {
                // About a packet that was sent from here: its tuple the other way round.
                flow = { meta.tenant, hdr.quoted_ipv4.dst, hdr.quoted_ipv4.src, hdr.quoted.dst, hdr.quoted.src, hdr.quoted_ipv4.protocol };
                if (hdr.quoted_ipv4.protocol == PROTO_ICMP) {
                    flow.src_port = hdr.quoted.third;
                    flow.dst_port = hdr.quoted.third;
                }
            }
            SessionHit_t hit = sessions.lookup(flow, state);
            if (meta.quotes == 1) {
                // Errors neither refresh nor end a session (RFC 5508 REQ-5).
                if (hit == SessionHit_t.MISS || !hdr.quoted.isValid()) {
                    drop(Drop.NOT_A_START);
                    return;
                }
                if (hit == SessionHit_t.REPLY) {
                    kind = ERROR_REPLY;
                    meta.tenant = state.from_tenant;
                    meta.dst_v4 = state.from_src;
                } else {
                    kind = ERROR_ORIGINAL;
                    meta.tenant = state.to_tenant;
                    meta.dst_v4 = state.to_dst;
                }
            } else if (hit == SessionHit_t.MISS) {
                kind = FLOW_NEW;
                // TCP begins with SYN alone (dp:NA19).
                if (hdr.tcp.isValid() && hdr.tcp.flags & 0x17 != 2) {
                    drop(Drop.NOT_A_START);
                    return;
                }
                state = { meta.tenant, hdr.ipv4.src, hdr.ipv4.dst, meta.src_port, meta.dst_port,
                          meta.tenant, hdr.ipv4.src, hdr.ipv4.dst, meta.src_port, meta.dst_port, 0 };
                balance.apply(hdr, meta, state.to_dst, state.to_dst_port, state.to_tenant, state.backend);
                if (meta.done == 1) {
                    return;
                }
                if (meta.translated == 0 && state.backend == 0) {
                    nat_in.apply(hdr, meta, state.to_dst, state.to_dst_port, state.to_tenant);
                }
                meta.rule_dst = state.to_dst;
                meta.rule_port = state.to_dst_port;
                meta.tenant = state.to_tenant;
                meta.dst_v4 = state.to_dst;
            } else {
                sessions.restart_timer();
                sessions.count();
                if (hit == SessionHit_t.ORIGINAL) {
                    kind = FLOW_ORIGINAL;
                    meta.tenant = state.to_tenant;
                    meta.dst_v4 = state.to_dst;
                } else {
                    kind = FLOW_REPLY;
                    meta.tenant = state.from_tenant;
                    meta.dst_v4 = state.from_src;
                }
                if (hdr.tcp.isValid()) {
                    bit<32> marks = 0;
                    if (kind == FLOW_REPLY) {
                        marks = MARK_REPLIED;
                        if (hdr.tcp.flags & 1 != 0) {
                            marks = marks | MARK_FIN_REPLY;
                        }
                    } else if (hdr.tcp.flags & 1 != 0) {
                        marks = MARK_FIN;
                    }
                    if (hdr.tcp.flags & 4 != 0) {
                        marks = marks | MARK_RESET;
                    }
                    // The opening side's answer to the answer establishes.
                    bit<32> before = sessions.mark(marks);
                    if (kind == FLOW_ORIGINAL && hdr.tcp.flags & 0x16 == 0x10 &&
                        before & (MARK_REPLIED | MARK_ESTABLISHED) == MARK_REPLIED) {
                        marks = marks | MARK_ESTABLISHED;
                        before = before | sessions.mark(MARK_ESTABLISHED);
                    }
                    // Closing and reset flows last as long as opening ones (RFC 7857
                    // section 2).
                    bit<32> now = before | marks;
                    if (now != before) {
                        if (now & MARK_RESET != 0 || now & (MARK_FIN | MARK_FIN_REPLY) == MARK_FIN | MARK_FIN_REPLY) {
                            sessions.set_expire_time(TIMER_TRANSITORY);
                        } else if (now & MARK_ESTABLISHED != 0 && before & MARK_ESTABLISHED == 0) {
                            sessions.set_expire_time(TIMER_ESTABLISHED);
                        }
                    }
                } else if (kind == FLOW_REPLY && meta.protocol != PROTO_ICMP) {
                    if (sessions.mark(MARK_REPLIED) & MARK_REPLIED == 0) {
                        sessions.set_expire_time(TIMER_STREAM);
                    }
                }
            }
            if (state.backend != 0 && (kind == FLOW_NEW || kind == FLOW_ORIGINAL)) {
                meta.backend = state.backend;
                meta.dst_v4 = state.backend;
            }
        }

        route.apply(hdr, meta, istd);
        if (meta.done == 1) {
            return;
        }
        leave.apply(hdr, meta, istd);
        if (meta.done == 1) {
            return;
        }

        // Who may begin a flow, and with which source it leaves.
        if (kind == FLOW_NEW || kind == FLOW_NONE) {
            meta.tenant = came_from;
            firewall.apply(hdr, meta);
            if (meta.done == 1) {
                return;
            }
        }
        if (kind == FLOW_NEW) {
            PortLease_t lease;
            nat_out.apply(hdr, meta, state.to_src, state.to_src_port, lease);
            if (meta.done == 1) {
                return;
            }
            // The id of an echo is one number on both sides.
            if (meta.protocol == PROTO_ICMP) {
                state.to_dst_port = state.to_src_port;
            }
            flow_t reply = { meta.out_tenant, state.to_dst, state.to_src, state.to_dst_port, state.to_src_port, meta.protocol };
            ExpireTimeProfileId_t timer = TIMER_SINGLE;
            if (meta.protocol == PROTO_TCP) {
                timer = TIMER_TRANSITORY;
            } else if (meta.protocol == PROTO_ICMP) {
                timer = TIMER_ICMP;
            }
            if (!sessions.create(flow, reply, state, timer, lease)) {
                drop(Drop.SESSIONS_FULL);
                return;
            }
            sessions.count();
            kind = FLOW_ORIGINAL;
        }

        // What the session says of its addresses.
        if (kind == FLOW_ORIGINAL) {
            translate.apply(hdr, meta, state.to_src, state.to_dst, state.to_src_port, state.to_dst_port);
        } else if (kind == FLOW_REPLY) {
            translate.apply(hdr, meta, state.from_dst, state.from_src, state.from_dst_port, state.from_src_port);
        } else if (kind == ERROR_REPLY || kind == ERROR_ORIGINAL) {
            ipv4_t from = hdr.ipv4.src;
            if (kind == ERROR_REPLY) {
                if (from == state.to_dst) {
                    from = state.from_dst;
                }
                translate_error.apply(hdr, meta, from, state.from_src, state.from_dst, state.from_src_port, state.from_dst_port);
            } else {
                if (from == state.from_src) {
                    from = state.to_src;
                }
                translate_error.apply(hdr, meta, from, state.to_dst, state.to_src, state.to_dst_port, state.to_src_port);
            }
        }
        forward.apply(hdr, meta);
    }
}

#endif
