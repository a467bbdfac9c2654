// Package rates measures the design rates of the control path (docs/design.md
// section 3) as a client sees them: a P4Runtime server with its store and an
// engine in this process, and a client in another over a unix socket. It has
// tests and benchmarks only; docs/performance.md tells how to read them.
//
// In: nothing. Out: figures.
// Must not be imported.
package rates
