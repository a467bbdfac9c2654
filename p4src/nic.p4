// SPDX-License-Identifier: Apache-2.0
//
// nic.p4: bridging, routing, NAT, firewall and load balancing in one program.
//
// A packet's way:
//
//   interfaces / networks of tunnels -> bridge domain or tenant; sources checked
//   not for the router's MAC -> bridge: learn, static, learnt, flood
//   IPv4: session look-up -> translate, route, forward; or, without a session:
//     balancer, NAT inwards, route, rules, NAT outwards -> a new session
//   IPv6: route, rules, forward
//   egress, a copy at a time: split horizon, tags, tunnel headers
//
// docs/nic.md says what each table is for and who writes it.

#include "nic/parser.p4"
#include "nic/interfaces.p4"
#include "nic/check.p4"
#include "nic/bridge.p4"
#include "nic/policy.p4"
#include "nic/egress.p4"

control NicMain(inout headers_t hdr, inout meta_t meta, in nic_main_input_metadata_t istd) {
    Interfaces() interfaces;
    Check() check;
    Routed() routed;
    Bridge() bridge;

    apply {
        meta.length = istd.length;
        if (hdr.vxlan.isValid()) {
            meta.length = istd.length - 50;
        }
        if (!hdr.ethernet.isValid()) {
            drop_because(Drop.MALFORMED);
            return;
        }
        interfaces.apply(hdr, meta, istd);
        if (meta.done == 1) {
            return;
        }
        meta.out_domain = meta.domain;
        if (hdr.ethernet.dst == meta.router_mac) {
            if (!hdr.ipv4.isValid() && !hdr.ipv6.isValid()) {
                send_to_host(); // ARP for the router and what else it may know
                return;
            }
            if (istd.parser_error != error.NoError) {
                drop_because(Drop.MALFORMED);
                return;
            }
            check.apply(hdr, meta);
            if (meta.done == 1) {
                return;
            }
            routed.apply(hdr, meta, istd);
            if (meta.done == 1) {
                return;
            }
            if (meta.out_domain == 0) {
                send_to_port((PortId_t) meta.out_port);
                return;
            }
        } else if (meta.domain == 0) {
            // Nobody bridges here: for everybody is for the host, too.
            if (hdr.ethernet.dst[40:40] == 1) {
                send_to_host();
            } else {
                drop_because(Drop.NOT_ROUTED);
            }
            return;
        }
        bridge.apply(hdr, meta);
    }
}

P4NIC(NicParser(), NicMain(), NicEgress(), NicDeparser()) main;
