// Package importrules keeps the imports of the module one way (docs/design.md
// section 3): it fails with the reason when a package imports what it must not.
package importrules

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/p4nic/p4nic"

// rule forbids packages under From to import packages under Not, except from or
// to those under Allow. Test files are held to it only where Tests is true.
type rule struct {
	From, Not string
	Allow     []string
	Tests     bool
	Why       string
}

var rules = []rule{
	{From: "compiler", Not: "runtime", Why: "the compiler is a function of source and flags; it knows no device"},
	{From: "compiler", Not: "nicctl", Why: "commands use the compiler, not the other way round"},
	{From: "compiler/ir", Not: "compiler/ast", Why: "the IR stands on its own: the simulator and the bundle need no front end"},
	{From: "compiler/ir", Not: "compiler/ssa", Why: "exec is the reference; what it shares with ssa it cannot check"},
	{From: "compiler/ssa", Not: "compiler/ir/exec", Why: "the SSA interpreter is a second opinion on exec"},
	{From: "compiler/ssa", Not: "compiler/backend", Why: "SSA knows no back end"},
	{From: "compiler/ast", Not: "compiler/types", Why: "the tree is made before it is checked"},
	{From: "compiler/parser", Not: "compiler/types", Why: "the tree is made before it is checked"},
	{From: "runtime/dataplane", Not: "runtime", Allow: []string{"runtime/dataplane"}, Why: "the contract depends on no side of it"},
	{From: "runtime/entity", Not: "runtime", Allow: []string{"runtime/entity", "runtime/dataplane"}, Why: "native types depend on no adapter or engine"},
	{From: "runtime/store", Not: "runtime/p4rt", Why: "adapters use the store, not the other way round"},
	{From: "runtime/store", Not: "runtime/kernel", Why: "the store knows engines as dataplane.Plane only"},
	{From: "runtime/store", Not: "runtime/sim", Why: "the store knows engines as dataplane.Plane only"},
	{From: "runtime/kernel", Not: "runtime/store", Why: "engines are told what to hold; they do not ask"},
	{From: "runtime/sim", Not: "runtime/store", Why: "engines are told what to hold; they do not ask"},
	{From: "runtime/kernel", Not: "github.com/p4lang/p4runtime", Why: "protobuf stops at the adapters"},
	{From: "runtime/sim", Not: "github.com/p4lang/p4runtime", Why: "protobuf stops at the adapters"},
	{From: "runtime/entity", Not: "github.com/p4lang/p4runtime", Why: "protobuf stops at the adapters"},
	{From: "internal/p4wire", Not: "runtime", Why: "an adapter and its gate share it"},
	{From: "runtime/p4rt", Not: "runtime/kernel", Why: "adapters reach the datapath through the store"},
	{From: "runtime/p4rt", Not: "runtime/sim", Why: "adapters reach the datapath through the store"},
	{From: "runtime/gnmi", Not: "runtime/kernel", Why: "adapters reach the datapath through telemetry and the store"},
	{From: "runtime/gnmi", Not: "runtime/sim", Why: "adapters reach the datapath through telemetry and the store"},
	{From: "runtime/gnmi", Not: "runtime/p4rt", Why: "adapters do not know each other"},
	{From: "runtime/gnmi", Not: "runtime/gribi", Why: "adapters do not know each other"},
	{From: "runtime/metrics", Not: "runtime/gnmi", Why: "adapters do not know each other"},
	{From: "runtime/metrics", Not: "runtime/kernel", Why: "adapters reach the datapath through telemetry and the store"},
	{From: "runtime/telemetry", Not: "runtime/kernel", Why: "telemetry knows engines as Ports only"},
	{From: "runtime/telemetry", Not: "runtime/sim", Why: "telemetry knows engines as Ports only"},
	{From: "runtime/telemetry", Not: "runtime/gnmi", Why: "gNMI and metrics are two ways to carry telemetry"},
	{From: "runtime/telemetry", Not: "github.com/openconfig/gnmi", Why: "protobuf stops at the adapters"},
	{From: "runtime/gribi", Not: "runtime/store", Allow: []string{"runtime/gribitest"}, Why: "gRIBI reaches the datapath through the RIB"},
	{From: "runtime/gribi", Not: "runtime/p4rt", Why: "adapters do not know each other"},
	{From: "runtime/gribi", Not: "runtime/gnmi", Why: "adapters do not know each other"},
	{From: "runtime/rib", Not: "runtime", Allow: []string{"runtime/rib"}, Why: "the RIB knows its FIB as an interface only"},
	{From: "runtime/rib", Not: "github.com/openconfig", Why: "protobuf stops at the adapters"},
	{From: "runtime/routemap", Not: "runtime/gribi", Why: "routemap is told by the RIB"},
	{From: "runtime/routemap", Not: "runtime/kernel", Why: "routemap writes through the store"},
	{From: "runtime/routemap", Not: "runtime/sim", Why: "routemap writes through the store"},
	{From: "runtime/store", Not: "runtime/routemap", Why: "the store knows owners of tables as an interface only"},
	{From: "runtime/hostnet", Not: "runtime", Allow: []string{"runtime/hostnet"}, Why: "it tells what the kernel says; whoever wants it decides what that means"},
	{From: "runtime/access", Not: "runtime", Allow: []string{"runtime/access"}, Why: "the gate knows messages and who may send them; it knows no device"},
	{From: "internal/auditlog", Not: "runtime", Why: "nicctl reads what nicd writes"},
	{From: "internal/certs", Not: "runtime", Why: "nicctl and nicd share it"},
	{From: "nicctl", Not: "runtime/access", Why: "nicctl speaks gRPC"},
	{From: "nicctl", Not: "runtime/gribi", Why: "nicctl speaks gRPC"},
	{From: "nicctl", Not: "runtime/gnmi", Why: "nicctl speaks gRPC"},
	{From: "nicctl", Not: "runtime/telemetry", Why: "nicctl speaks gRPC"},
	{From: "nicctl", Not: "runtime/p4rt", Why: "nicctl speaks gRPC"},
	{From: "nicctl", Not: "runtime/store", Why: "nicctl speaks gRPC"},
	{From: "nicctl", Not: "runtime/daemon", Why: "nicctl speaks gRPC; demo starts the real nicd"},
	{From: "compiler", Not: "bench", Why: "what is measured does not know the measure"},
	{From: "runtime", Not: "bench", Why: "what is measured does not know the measure"},
	{From: "bench/ref", Not: "compiler", Why: "a reference is held against its task, not against our compiler"},
	{From: "compiler", Not: "internal/p4gen", Why: "random programs test the compiler, which knows nothing of them"},
	{From: "runtime", Not: "internal/p4gen", Why: "random programs are for tests"},
	{From: "internal/p4gen", Not: "runtime", Why: "engines are compared without a daemon"},
	{From: "compiler", Not: "internal/refops", Why: "the second opinion on arithmetic shares no code with what it checks (D10)"},
	{From: "runtime", Not: "internal/refops", Why: "the second opinion on arithmetic is for tests (D10)"},
	{From: "internal/mutants", Not: "compiler", Tests: true, Why: "what changes the product's code must build while the product is broken"},
	{From: "internal/mutants", Not: "runtime", Tests: true, Why: "what changes the product's code must build while the product is broken"},
	{From: "internal/matrix", Not: "compiler", Tests: true, Why: "the matrix reads files; it runs nothing of the product"},
	{From: "internal/matrix", Not: "runtime", Tests: true, Why: "the matrix reads files; it runs nothing of the product"},
	{From: "internal/refops", Not: "compiler/ir/exec", Tests: true, Why: "the second opinion shares no code with what it checks (D10)"},
	{From: "internal/refops", Not: "compiler/ssa", Tests: true, Why: "the second opinion shares no code with what it checks (D10)"},
}

// under tells whether package p is root or below it.
func under(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

// violation is the reason why from must not import imp, or "".
func violation(from, imp string, test bool) string {
	if local, ok := strings.CutPrefix(imp, module+"/"); ok {
		imp = local
	} else if !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
		return "" // the standard library: its runtime/debug is not our runtime
	}
next:
	for _, r := range rules {
		if test && !r.Tests || !under(from, r.From) || !under(imp, r.Not) {
			continue
		}
		for _, a := range r.Allow {
			if under(imp, a) {
				continue next
			}
		}
		return r.Why
	}
	return ""
}

func TestImports(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		files++
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from := path.Dir(filepath.ToSlash(rel))
		for _, s := range f.Imports {
			imp, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			if why := violation(from, imp, strings.HasSuffix(name, "_test.go")); why != "" {
				t.Errorf("%s imports %s: %s", rel, imp, why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d Go files seen under %s", files, root)
	}
}

func TestRulesBite(t *testing.T) {
	for _, c := range []struct {
		from, imp string
		test, bad bool
	}{
		{"compiler/ssa", module + "/runtime/store", false, true},
		{"compiler/ssa", module + "/runtime/store", true, false},
		{"compiler/ir/exec", module + "/compiler/ir", false, false},
		{"nicctl/p4rtclient", module + "/runtime/store", false, true},
		{"runtime/entity", module + "/runtime/dataplane", false, false},
		{"runtime/entity", module + "/runtime/store", false, true},
		{"runtime/kernel", "github.com/p4lang/p4runtime/go/p4/v1", false, true},
		{"internal/refops", module + "/compiler/ir/exec", true, true},
		{"compiler/driver", "runtime/debug", false, false},
	} {
		if got := violation(c.from, c.imp, c.test) != ""; got != c.bad {
			t.Errorf("%s importing %s (test %v): refused %v, want %v", c.from, c.imp, c.test, got, c.bad)
		}
	}
}
