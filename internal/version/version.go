// Package version holds the version of p4nic's binaries.
package version

// Version is set by the build (-ldflags -X); it names no build of its own.
var Version = "dev"
