// The architecture "v1model", as p4nic provides it: one switch pipeline of
// parser, checksum verification, ingress, egress, checksum computation and
// deparser. Names, parameters and their order are those that programs rely on.

#ifndef _V1_MODEL_P4_
#define _V1_MODEL_P4_

#include <core.p4>

// What a counter counts.
enum CounterType {
    packets,
    bytes,
    packets_and_bytes
}

// What a meter measures.
enum MeterType {
    packets,
    bytes
}

// What hashes and checksums compute.
enum HashAlgorithm {
    crc32,
    crc32_custom,
    crc16,
    crc16_custom,
    random,
    identity,
    csum16, // the one's complement sum of RFC 1071
    xor16
}

// When a clone is taken.
enum CloneType {
    I2E, // the packet as it came in, to egress
    E2E  // the packet at the end of egress, to egress
}

// A date. From 20200408 the ports have a type name of their own, and arrays of
// counters, meters and registers have an index of any width.
#ifndef V1MODEL_VERSION
#define V1MODEL_VERSION 20180101
#endif

#if V1MODEL_VERSION < 20180101 || V1MODEL_VERSION > 20200408
#error "unknown V1MODEL_VERSION; known are 20180101 to 20200408"
#endif

const bit<32> __v1model_version = V1MODEL_VERSION;

match_kind {
    range,    // low <= key <= high
    optional, // exact or anything
    selector  // input of an action selector's hash, no match
}

#if V1MODEL_VERSION >= 20200408
typedef bit<9> PortId_t;
#define V1MODEL_PORT PortId_t
#else
#define V1MODEL_PORT bit<9>
#endif

@metadata
@name("standard_metadata")
struct standard_metadata_t {
    V1MODEL_PORT ingress_port;  // where the packet came in
    V1MODEL_PORT egress_spec;   // written by ingress: where it shall go
    V1MODEL_PORT egress_port;   // in egress: where it goes
    bit<32>      instance_type; // 0 normal, 1 ingress clone, 2 egress clone,
                                // 4 recirculated, 5 replicated, 6 resubmitted
    bit<32>      packet_length; // bytes
    // Queueing; set for egress.
    @alias("queueing_metadata.enq_timestamp")
    bit<32>      enq_timestamp; // microseconds
    @alias("queueing_metadata.enq_qdepth")
    bit<19>      enq_qdepth;
    @alias("queueing_metadata.deq_timedelta")
    bit<32>      deq_timedelta; // microseconds
    @alias("queueing_metadata.deq_qdepth")
    bit<19>      deq_qdepth;
    // Microseconds at the start of ingress and of egress.
    @alias("intrinsic_metadata.ingress_global_timestamp")
    bit<48>      ingress_global_timestamp;
    @alias("intrinsic_metadata.egress_global_timestamp")
    bit<48>      egress_global_timestamp;
    @alias("intrinsic_metadata.mcast_grp")
    bit<16>      mcast_grp;     // 0: no replication
    @alias("intrinsic_metadata.egress_rid")
    bit<16>      egress_rid;    // replication id of this copy
    bit<1>       checksum_error; // set by verify_checksum
    error        parser_error;
    @alias("intrinsic_metadata.priority")
    bit<3>       priority;      // egress queue
}

#undef V1MODEL_PORT

// State. An index beyond the size changes nothing.

#if V1MODEL_VERSION >= 20200408

extern counter<I> {
    counter(bit<32> size, CounterType type);
    void count(in I index);
}

extern meter<I> {
    meter(bit<32> size, MeterType type);
    // result: 0 green, 1 yellow, 2 red.
    void execute_meter<T>(in I index, out T result);
}

extern register<T, I> {
    register(bit<32> size);
    @noSideEffects
    void read(out T result, in I index);
    void write(in I index, in T value);
}

#else

extern counter {
    counter(bit<32> size, CounterType type);
    void count(in bit<32> index);
}

extern meter {
    meter(bit<32> size, MeterType type);
    // result: 0 green, 1 yellow, 2 red.
    void execute_meter<T>(in bit<32> index, out T result);
}

extern register<T> {
    register(bit<32> size);
    @noSideEffects
    void read(out T result, in bit<32> index);
    void write(in bit<32> index, in T value);
}

#endif

// One counter or meter an entry of the table that names it in its property
// `counters` or `meters`.
extern direct_counter {
    direct_counter(CounterType type);
    void count();
}

extern direct_meter<T> {
    direct_meter(MeterType type);
    void read(out T result);
}

// Values of a table's property `implementation`.
extern action_profile {
    action_profile(bit<32> size);
}

extern action_selector {
    action_selector(HashAlgorithm algorithm, bit<32> size, bit<32> outputWidth);
}

// Superseded by verify_checksum and update_checksum.
@deprecated("Please use verify_checksum/update_checksum instead.")
extern Checksum16 {
    Checksum16();
    bit<16> get<D>(in D data);
}

// A number from lo to hi, both included.
extern void random<T>(out T result, in T lo, in T hi);

// Sends data to the control plane.
extern void digest<T>(in bit<32> receiver, in T data);

@deprecated("Please use mark_to_drop(standard_metadata) instead.")
extern void mark_to_drop();

// Sets egress_spec to the drop port and mcast_grp to 0.
@pure
extern void mark_to_drop(inout standard_metadata_t standard_metadata);

// result = base + hash(data) mod max; base when max is 0.
@pure
extern void hash<O, T, D, M>(out O result, in HashAlgorithm algo, in T base, in D data, in M max);

// Sets checksum_error unless checksum is that of data; only in the block for
// verification.
extern void verify_checksum<T, O>(in bool condition, in T data, in O checksum, HashAlgorithm algo);

@pure
extern void update_checksum<T, O>(in bool condition, in T data, inout O checksum, HashAlgorithm algo);

// The same with the payload after the fields.
extern void verify_checksum_with_payload<T, O>(in bool condition, in T data, in O checksum, HashAlgorithm algo);

@noSideEffects
extern void update_checksum_with_payload<T, O>(in bool condition, in T data, inout O checksum, HashAlgorithm algo);

// What becomes of the packet besides its way to egress_spec. An index selects
// the fields marked @field_list(index), which keep their values.
extern void clone(in CloneType type, in bit<32> session);
extern void clone_preserving_field_list(in CloneType type, in bit<32> session, bit<8> index);

@deprecated("Please use clone_preserving_field_list instead.")
extern void clone3<T>(in CloneType type, in bit<32> session, in T data);

extern void resubmit_preserving_field_list(bit<8> index);

@deprecated("Please use resubmit_preserving_field_list instead.")
extern void resubmit<T>(in T data);

extern void recirculate_preserving_field_list(bit<8> index);

@deprecated("Please use recirculate_preserving_field_list instead.")
extern void recirculate<T>(in T data);

// Cuts the packet to length bytes when it leaves.
extern void truncate(in bit<32> length);

extern void assert(in bool check);
extern void assume(in bool check);

extern void log_msg(string msg);
extern void log_msg<T>(string msg, in T data);

// The pipeline.

parser Parser<H, M>(packet_in b,
                    out H parsedHdr,
                    inout M meta,
                    inout standard_metadata_t standard_metadata);

control VerifyChecksum<H, M>(inout H hdr,
                             inout M meta);

@pipeline
control Ingress<H, M>(inout H hdr,
                      inout M meta,
                      inout standard_metadata_t standard_metadata);

@pipeline
control Egress<H, M>(inout H hdr,
                     inout M meta,
                     inout standard_metadata_t standard_metadata);

control ComputeChecksum<H, M>(inout H hdr,
                              inout M meta);

@deparser
control Deparser<H>(packet_out b, in H hdr);

package V1Switch<H, M>(Parser<H, M> p,
                       VerifyChecksum<H, M> vr,
                       Ingress<H, M> ig,
                       Egress<H, M> eg,
                       ComputeChecksum<H, M> ck,
                       Deparser<H> dep);

#endif
