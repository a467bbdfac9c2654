// Package bmv2tests plays packet cases on every engine that runs programs and
// compares what comes out: ir/exec on the typed and on the core program, the SSA
// interpreter on code as lowered and as optimised, and the kernel at XDP and tc.
// The yardstick is ir/exec on the core program.
//
// In: P4 source, entries and packets in the form of internal/packetcase. Out:
// for each engine the packets and counters, and where they differ a report.
// Must not import: runtime, nicctl.
package bmv2tests

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// Program is a compiled program at the levels that engines run.
type Program struct {
	Name  string
	Typed *ir.Program
	Core  *ir.Program
	Info  *p4configv1.P4Info
}

// Compile compiles the source file at path, or src under that name if it is not
// nil, with macros NAME or NAME=VALUE.
func Compile(path string, src []byte, defines ...string) (*Program, error) {
	o := driver.Options{Path: path, Defines: defines, Verify: true}
	if src != nil {
		o.ReadFile = func(name string) ([]byte, error) {
			if name != path {
				return nil, fmt.Errorf("%s: a packet case includes only what comes with p4nic", name)
			}
			return src, nil
		}
	}
	r, err := driver.Compile(o)
	if err != nil {
		return nil, err
	}
	if r.Diags.HasErrors() {
		return nil, errors.New(r.Diags.String())
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	return &Program{Name: name, Typed: r.Typed, Core: r.Core, Info: r.Control.Info}, nil
}

// Engine is one machine with a program and the content of its tables. Not for
// concurrent use.
type Engine interface {
	// Process plays one packet and gives what comes out, in order; nothing for a
	// drop. The packets are valid until the next call. An error is a fault of the
	// engine: a drop that the program did not ask for is one too.
	Process(port uint32, data []byte) ([]packetcase.Packet, error)
	// State reads counters and registers.
	State() (State, error)
	Close() error
}

// Replicator is an Engine with multicast groups and clone sessions.
type Replicator interface {
	SetMulticastGroup(id uint32, replicas []ir.Replica) error
	SetCloneSession(id uint32, s ir.CloneSession) error
}

// State is what the packets left behind: readings that are not zero, by object
// and index, as "RouterIngress.acl[3]": "2 packets, 128 bytes".
type State map[string]string

func (s State) count(object string, index uint32, packets, bytes uint64) {
	if packets != 0 || bytes != 0 {
		s[fmt.Sprintf("%s[%d]", object, index)] = fmt.Sprintf("%d packets, %d bytes", packets, bytes)
	}
}

func (s State) register(object string, index uint32, value []byte) {
	if slices.ContainsFunc(value, func(b byte) bool { return b != 0 }) {
		s[fmt.Sprintf("%s[%d]", object, index)] = fmt.Sprintf("%x", value)
	}
}

// Kind is a kind of engine. Entries are those of the core program.
type Kind struct {
	Name   string
	Kernel bool // needs CAP_BPF
	Exec   bool // is ir/exec, which runs all that compiles
	JSON   bool // runs what became bmv2 JSON and came back
	New    func(*Program, []packetcase.Content) (Engine, error)
}

// Reference is the kind that the others are compared with.
func Reference() Kind { return Kind{Name: "exec-core", Exec: true, New: newExecCore} }

// Kinds lists the others.
func Kinds() []Kind {
	return []Kind{
		{Name: "exec-typed", Exec: true, New: newExecTyped},
		{Name: "ssa", New: newSSA(true)},
		{Name: "ssa-optimised", New: newSSA(false)},
		{Name: "xdp", Kernel: true, New: newXDP},
		{Name: "tc", Kernel: true, New: newTC},
		{Name: "exec-json", Exec: true, JSON: true, New: viaJSON(newExecCore)},
		{Name: "ssa-json", JSON: true, New: viaJSON(newSSA(false))},
		{Name: "xdp-json", Kernel: true, JSON: true, New: viaJSON(newXDP)},
	}
}

// Time and chance are the same on all engines but in the kernel, which has its
// own clock and random numbers: programs that show them are no cases here.
const fixedNow = 5_000_000 // nanoseconds

func fixedRand() uint32 { return 7 }

// cells is the number of elements of a counter or register, 0 for other objects.
func cells(i *ir.Instance) uint32 {
	if i.Kind() != "counter" && i.Kind() != "register" && i.Type.Name != "CounterArray" || len(i.Args) == 0 {
		return 0
	}
	if c, ok := i.Args[0].(*ir.Const); ok && c.Val.IsUint64() {
		return uint32(c.Val.Uint64())
	}
	return 0
}
