// The declarations that every P4_16 program may rely on (P4_16 v1.2.5,
// appendix "P4 core library"), as p4nic provides them.

#ifndef _CORE_P4_
#define _CORE_P4_

// Reasons for a parser to stop. The order is the numbering of errors.
error {
    NoError,               // nothing went wrong
    PacketTooShort,        // fewer bits left than extract or lookahead needs
    NoMatch,               // no case of a select matched
    StackOutOfBounds,      // next or last beyond the ends of a header stack
    HeaderTooShort,        // a varbit field cannot hold the size asked for
    ParserTimeout,         // the parser did not end within its bound
    ParserInvalidArgument  // a size in bits that the target cannot honour
}

// The packet as a parser reads it.
extern packet_in {
    // Fills a header of fixed size, makes it valid, moves the cursor on.
    void extract<T>(out T hdr);
    // The same for a header with one varbit field of the given size.
    void extract<T>(out T variableSizeHeader, in bit<32> variableFieldSizeInBits);
    // Reads a value at the cursor without moving it.
    T lookahead<T>();
    // Moves the cursor on without reading.
    void advance(in bit<32> sizeInBits);
    // Size of the packet in bytes.
    bit<32> length();
}

// The packet as a deparser writes it.
extern packet_out {
    // Appends a header if it is valid; of a struct, stack or union each member.
    void emit<T>(in T hdr);
}

// Leaves the parser for reject with the given error unless check holds.
extern void verify(in bool check, in error toSignal);

// The default action of a table that names none.
@noWarn("unused")
action NoAction() {}

match_kind {
    exact,   // all bits
    ternary, // under a mask, by priority
    lpm      // the longest prefix wins
}

// Rejects the program at compile time unless check holds.
extern bool static_assert(bool check, string message);
extern bool static_assert(bool check);

#endif
