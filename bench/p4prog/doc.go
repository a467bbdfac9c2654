// Package p4prog makes candidates of P4 programs: compiles them with p4nic, fills
// their maps, and gives the program as nicd would run it, for real ports, behind
// the dispatcher or without.
//
// In: a core program with its content. Out: a *Program. router.go measures
// p4src/router.p4 beside the C references.
// Must not import: runtime; tables are filled by what the layout says.
package p4prog
