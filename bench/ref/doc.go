// Package ref has the C references of bench/c: compiles them with clang, fills
// their tables, and says what they must make of which frames.
//
// In: a hook, a number of entries. Out: a Scenario, ready for bench.NewRig, whose
// candidates are one function on p4nic's table layout and on the kernel's own
// maps, with the same content and the same frames.
// Must not import: compiler, runtime. What a reference must do is written here a
// second time, in Go and without its tricks.
package ref
