// The architecture of packet filters in the Linux kernel, as p4nic provides it: a
// parser and a control that says whether the packet passes. Names, parameters and
// their order are those that programs rely on.

#ifndef _EBPF_MODEL_P4_
#define _EBPF_MODEL_P4_

#include <core.p4>

// 32-bit counters that the control plane sees as an eBPF map: an array, or a hash
// map where sparse.
extern CounterArray {
    CounterArray(bit<32> max_index, bool sparse);
    void increment(in bit<32> index);
    void add(in bit<32> index, in bit<32> value);
}

// Values of a table's property `implementation`; size is the number of entries.
// A table with an lpm key is an LPM trie of that size, whatever it names.
extern array_table {
    array_table(bit<32> size);
}

extern hash_table {
    hash_table(bit<32> size);
}

parser parse<H>(packet_in packet, out H headers);
control filter<H>(inout H headers, out bool accept);

package ebpfFilter<H>(parse<H> prs, filter<H> filt);

#endif
