// p4nic's architecture for NICs: the blocks, types and externs of the Portable NIC
// Architecture, and what a NIC needs besides: multicast, an egress control for each
// copy, sessions that two keys find, tables that packets teach, pools of ports,
// reasons for drops.
// docs/architecture-p4nic.md defines every name to the bit.

#ifndef __P4NIC_P4__
#define __P4NIC_P4__

#include <pna.p4>

// Why a packet came to an egress control.
enum NicPath_t {
    UNICAST,   // send_to_port
    MULTICAST, // a replica of a group
    MIRROR,    // a copy of mirror_packet
    HOST,      // send_to_host
    CONTROLLER // send_to_controller
}

struct nic_main_input_metadata_t {
    PNA_Direction_t  direction;
    PassNumber_t     pass;       // 0 for a packet from a port, one more each time it was recirculated
    PortId_t         input_port;
    ParserError_t    parser_error;
    bit<32>          length;     // bytes
    Timestamp_t      now;        // nanoseconds
}

struct nic_egress_input_metadata_t {
    NicPath_t           path;
    PortId_t            input_port;
    PortId_t            egress_port;
    MulticastInstance_t instance; // of a replica, else 0
    PassNumber_t        pass;
    Timestamp_t         now;      // the same reading as in the main control
}

// The fate of the packet, in the main control: the last call wins, also over PNA's
// drop_packet, send_to_port and recirculate. Without one the packet is dropped.
extern void multicast(in MulticastGroup_t group);
extern void send_to_host();       // the stack of the netdev that it came in at
extern void send_to_controller(); // P4Runtime's packet-in

// A drop that says why; R is bit<8> or a serializable enum of it. In an egress
// control it ends the copy.
extern void drop_because<R>(in R reason);

// A port of a PortPool that belongs to the packet until a session takes it over;
// 0 is none.
typedef bit<32> PortLease_t;

extern PortPool {
    // pools pools of the ports from first to last, all free.
    PortPool(bit<32> pools, bit<16> first, bit<16> last);
    // A free port of a pool: wanted where that is free, else any. False when there
    // is none; port and lease are 0 then.
    bool take(in bit<32> pool, in bit<16> wanted, out bit<16> port, out PortLease_t lease);
    // Gives back a lease that no session has taken over.
    void give(in PortLease_t lease);
}

// What becomes of a new session when there are as many as there may be.
enum SessionFull_t {
    REFUSE, // create gives false
    EVICT   // a session whose expire time is shorter than the new one's, or equal, ends
}

enum SessionHit_t {
    MISS,
    ORIGINAL,
    REPLY
}

// Sessions: one state that two keys find. K is a struct of scalars, S a struct of
// scalars; both keys appear and vanish together.
extern Session<K, S> {
    Session(bit<32> size, SessionFull_t full);
    // Finds the session that has this key; it is the packet's current one then.
    SessionHit_t lookup(in K key, out S state);
    // Makes a session, which is the current one then. False, and nothing changes,
    // when one of the keys is taken or there is no room; a lease is given back then.
    bool create(in K original, in K reply, in S state, in ExpireTimeProfileId_t profile, in PortLease_t lease);

    // Of the current session; without one they do nothing.

    // Sets bits of the session's 32 marks and gives those that were set before.
    bit<32> mark(in bit<32> bits);
    void set_expire_time(in ExpireTimeProfileId_t profile);
    void restart_timer();
    // Counts the packet for the side whose key was hit; a packet that made the
    // session is one of the original side.
    void count();
    // Ends it, for both keys at once; true for the one packet that did.
    bool remove();
}

// What learn found.
enum Learnt_t {
    KNOWN, // the key with this value
    ADDED, // a new key
    MOVED, // the key with another value, which is replaced
    FULL   // a new key, and no room
}

// What packets teach: K, a struct of scalars, to V, a struct of scalars of up to
// 64 bits.
extern LearnTable<K, V> {
    LearnTable(bit<32> size);
    bool lookup(in K key, out V value);
    // Restarts the timer of the key.
    Learnt_t learn(in K key, in V value, in ExpireTimeProfileId_t profile);
    bool forget(in K key);
}

// The pipeline.

control NicMainControlT<MH, MM>(
    inout MH main_hdr,
    inout MM main_user_meta,
    in nic_main_input_metadata_t istd);

control NicEgressControlT<MH, MM>(
    inout MH main_hdr,
    inout MM main_user_meta,
    in nic_egress_input_metadata_t istd);

control NicDeparserT<MH, MM>(
    packet_out pkt,
    inout MH main_hdr,
    in MM main_user_meta);

package P4NIC<MH, MM>(
    MainParserT<MH, MM> main_parser,
    NicMainControlT<MH, MM> main_control,
    NicEgressControlT<MH, MM> egress_control,
    NicDeparserT<MH, MM> main_deparser);

#endif
