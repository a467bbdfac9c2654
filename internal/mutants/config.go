package mutants

import "time"

// P4nic is this module: which packages are changed, and the suite.
//
// The suite is every package of tests that the changed packages reach, the
// fastest first, its own always before the others. A mutant meets those of them
// that depend on what it changes, until one fails or two minutes of tests have
// run; Takes is what that sum is made of (two cores, as root, without the race
// detector).
func P4nic() *Config {
	s := func(name string, seconds float64) Suite {
		return Suite{name, time.Duration(seconds * float64(time.Second))}
	}
	return &Config{
		Module: "github.com/p4nic/p4nic",
		Packages: []string{
			"compiler/types", "compiler/irgen", "compiler/passes", "compiler/p4info", "compiler/stf", "compiler/ssa",
			"compiler/backend/ebpf", "compiler/backend/bmv2", "compiler/ir/exec",
			"runtime/kernel", "runtime/sim", "runtime/store", "internal/recordlog",
			"runtime/p4rt", "runtime/gribi", "runtime/gnmi", "runtime/rib", "runtime/routemap",
		},
		Suite: []Suite{
			s("compiler/irgen", 0.1), s("compiler/p4info", 0.1), s("compiler/types", 0.1), s("compiler/ir/exec", 0.2),
			s("compiler/stf", 0.1), s("compiler/bundle", 0.1), s("compiler/bindings", 0.1), s("runtime/sim", 0.1),
			s("runtime/entity", 0.1), s("runtime/telemetry", 0.1), s("runtime/metrics", 0.1), s("runtime/rib", 0.1),
			s("internal/recordlog", 0.1), s("runtime/gnmi", 0.3), s("runtime/gribi", 0.3),
			s("internal/corpus", 0.5), s("runtime/p4rt", 0.6), s("runtime/store", 0.7), s("compiler/passes", 0.7),
			s("compiler/driver", 0.9), s("runtime/routemap", 1.1), s("nicctl/p4rtclient", 0.1), s("runtime/dataplane", 1),
			s("compiler/backend/ebpf", 3), s("compiler/backend/bmv2", 8), s("runtime/kernel", 10), s("compiler/ssa", 11),
			s("internal/p4gen", 12), s("bmv2-tests", 15), s("nicctl", 20), s("runtime/daemon", 50),
		},
		Budget: 2 * time.Minute,
	}
}
