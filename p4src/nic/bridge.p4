// SPDX-License-Identifier: Apache-2.0
//
// Bridging: learning and aging in the datapath, static entries, flooding, answers
// to ARP for gateways.

#ifndef NIC_BRIDGE
#define NIC_BRIDGE

#include "types.p4"

struct station_t {
    domain_t domain;
    mac_t    mac;
}

struct place_t {
    bit<32>  port;
    tunnel_t tunnel;
}

control Bridge(inout headers_t hdr, inout meta_t meta) {

    // Where stations are. 256k of them: dp:BR3 gives them 300 s.
    LearnTable<station_t, place_t>(262144) stations;

    action to_place(bit<32> port, tunnel_t tunnel) {
        meta.found = 1;
        meta.out_port = port;
        meta.out_tunnel = tunnel;
    }

    action blackhole() {
        drop_because(Drop.DENIED);
        meta.done = 1;
    }

    action not_static() { }

    // Stations that do not move: they are asked before what was learnt, so nothing that a
    // packet teaches takes their place (dp:BR2). Written by the service model.
    table static_stations {
        key = {
            meta.out_domain: exact @name("domain");
            hdr.ethernet.dst: exact @name("mac");
        }
        actions = { to_place; blackhole; not_static; }
        const default_action = not_static();
        size = 65536;
    }

    action flood(MulticastGroup_t group) {
        multicast(group);
        meta.done = 1;
    }

    action no_domain() {
        drop_because(Drop.NO_DOMAIN);
        meta.done = 1;
    }

    // Bridge domain -> the group of its ports and tunnels. Written by the service
    // model: bridges.
    table domains {
        key = { meta.out_domain: exact @name("domain"); }
        actions = { flood; no_domain; }
        const default_action = no_domain();
        size = 4096;
    }

    // The packet becomes the answer and goes back where it came from.
    action answer(mac_t mac) {
        hdr.arp.operation = 2;
        hdr.arp.target_mac = hdr.arp.sender_mac;
        ipv4_t asked = hdr.arp.target;
        hdr.arp.target = hdr.arp.sender;
        hdr.arp.sender_mac = mac;
        hdr.arp.sender = asked;
        hdr.ethernet.dst = hdr.ethernet.src;
        hdr.ethernet.src = mac;
        meta.out_port = meta.in_port;
        meta.out_tunnel = meta.in_tunnel;
        meta.answered = 1;
    }

    // Addresses for which the NIC answers ARP: gateways, and stations behind
    // tunnels. Written by the service model: bridges.
    table arp_answers {
        key = {
            meta.domain: exact @name("domain");
            hdr.arp.target: exact @name("address");
        }
        actions = { answer; not_static; }
        const default_action = not_static();
        size = 65536;
    }

    apply {
        // A packet that was routed into the domain has its station's address and
        // teaches nothing.
        if (meta.routed == 0) {
            // Never learn from groups or nobody (dp:BR2).
            if (hdr.ethernet.src[40:40] == 0 && hdr.ethernet.src != 0) {
                stations.learn({ meta.domain, hdr.ethernet.src }, { meta.in_port, meta.in_tunnel }, TIMER_MAC);
            }
            // IEEE 802.1Q, 8.6.3: these are for this bridge (dp:BR4).
            if (hdr.ethernet.dst[47:4] == 0x0180c200000) {
                send_to_host();
                meta.done = 1;
                return;
            }
            if (hdr.arp.isValid() && hdr.arp.operation == 1) {
                arp_answers.apply();
                if (meta.answered == 1) {
                    send_to_port((PortId_t) meta.out_port);
                    return;
                }
            }
        }
        if (hdr.ethernet.dst[40:40] == 1) {
            domains.apply();
            return;
        }
        static_stations.apply();
        if (meta.done == 1) {
            return;
        }
        if (meta.found == 0) {
            place_t place;
            if (!stations.lookup({ meta.out_domain, hdr.ethernet.dst }, place)) {
                domains.apply();
                return;
            }
            to_place(place.port, place.tunnel);
        }
        if (meta.routed == 0 && meta.out_port == meta.in_port && meta.out_tunnel == meta.in_tunnel) {
            drop_because(Drop.HAIRPIN);
            meta.done = 1;
            return;
        }
        send_to_port((PortId_t) meta.out_port);
    }
}

#endif
