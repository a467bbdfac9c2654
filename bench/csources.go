package bench

import "embed"

// CSources are the C references: c/*.bpf.c and c/bpf.h.
//
//go:embed c/*.c c/*.h
var CSources embed.FS
