// Package p4src carries the P4 sources that ship with the toolchain: the
// include tree that `#include <core.p4>`, `<v1model.p4>`, `<bmv2/psa.p4>`,
// `<pna.p4>` and their like find after the folders given with -I.
//
// In: nothing. Out: a read-only file system. It imports nothing of p4nic.
package p4src

import (
	"embed"
	"io/fs"
)

//go:embed arch router.p4
var files embed.FS

// Include returns the embedded include tree: core.p4, v1model.p4 and the
// other architectures at its root, versions for single targets in bmv2/, dpdk/
// and tc/.
func Include() fs.FS {
	sub, err := fs.Sub(files, "arch")
	if err != nil {
		// fs.Sub fails only for an invalid path, and this one is constant.
		panic(err)
	}
	return sub
}

// Router is the text of router.p4, which `nicctl demo` runs.
func Router() string {
	b, err := files.ReadFile("router.p4")
	if err != nil {
		// The file is embedded above, so it is there.
		panic(err)
	}
	return string(b)
}
