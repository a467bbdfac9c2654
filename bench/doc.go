// Package bench measures what a packet costs in a BPF program: candidates side
// by side, in one run, net of an empty program.
//
// In: loaded programs for XDP or tc, frames, what each program must make of
// them. Out: a Result with medians, 95 % intervals and ratios, as text or JSON.
// Must not import: compiler, runtime; candidates come from bench/ref (C) and
// bench/p4prog (our compiler).
//
// How a figure comes about (docs/performance.md has the reasons):
//
//   - BPF_PROG_TEST_RUN repeats a small driver program (driver.go). It puts the
//     packet back into its first state, writes what differs from frame to frame
//     from a mapped array, reads the clock once in a chunk of packets, and
//     tail-calls the program under test.
//   - A call gives the median time of its chunks (rig.go): what an interrupt or
//     another process took is in few of them.
//   - Candidates take turns (run.go): a round is one call of each, in an order
//     that changes, the empty program among them. A round gives each candidate a
//     net time and a ratio to the base; figures are medians over rounds with
//     intervals by order statistics (stats.go), which assume no distribution.
//   - Every run has its yardstick (yardstick.go): empty program, array look-up,
//     hash look-up with the key size and fill of the programs under test.
package bench
