package corpus

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
)

var tables = filepath.Join("..", "..", "testdata", "corpus")

// The test binary is the worker of TestReplay.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == WorkerArg {
		if os.Getenv("CORPUS_TEST_HANG") != "" {
			<-time.After(time.Hour) // a wait that the runtime does not take for a deadlock
		}
		if err := Work(os.Stdin, os.Stdout, nil); err != nil {
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(m.Run())
}

// The tables in the tree agree with each other, and the ratchet stands exactly
// where the recorded results are: it moves with them and only up (git shows).
func TestTables(t *testing.T) {
	tb, err := Load(tables)
	if err != nil {
		t.Fatal(err)
	}
	if len(tb.Commit) != 40 {
		t.Errorf("commit %q", tb.Commit)
	}
	if len(tb.Programs) < 1900 {
		t.Errorf("%d programs; the checkout has over 1900", len(tb.Programs))
	}
	if !slices.IsSortedFunc(tb.Programs, func(a, b Program) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("programs are not sorted by path")
	}
	for i := range tb.Programs {
		p, r := &tb.Programs[i], &tb.Results[i]
		if len(p.SHA256) != 64 || (p.Want != Accept && p.Want != Reject) {
			t.Errorf("%s: digest %q, verdict %q", p.Path, p.SHA256, p.Want)
		}
		if p.Want == Accept && p.Line != "" || p.Want == Reject && p.P4Info != "" {
			t.Errorf("%s: facts that contradict: %+v", p.Path, *p)
		}
		if r.Verdict == Crash || r.Verdict == Timeout {
			t.Errorf("%s: %s is recorded; that is a fault to repair", p.Path, r.Verdict)
		}
		if (r.Verdict == Accept) != (r.Stage >= StageCheck) {
			t.Errorf("%s: %s, stage %s", p.Path, r.Verdict, r.Stage)
		}
	}
	ratchet, err := LoadRatchet(tables)
	if err != nil {
		t.Fatal(err)
	}
	now := Totals(tb.Programs, tb.Results)
	if len(ratchet) != len(now)+3 || !slices.Equal(now, ratchet[:len(now)]) { // the dumps follow
		t.Errorf("ratchet %v, the results say %v", ratchet, now)
	}
}

func TestSaveLoad(t *testing.T) {
	want := &Tables{
		Commit: strings.Repeat("ab", 20),
		Programs: []Program{
			{Path: "a.p4", SHA256: "00", Arch: "core", Want: Reject, Line: "core.p4:7"},
			{Path: "b.p4", SHA256: "01", Arch: "v1model", Want: Accept, P4Info: "02", Entries: "03", STF: "04"},
		},
		Results: []Result{
			{Path: "a.p4", Verdict: Reject, Line: "9", Why: "syntax"},
			{Path: "b.p4", Verdict: Accept, Stage: StageSSA, Why: "extern digest", P4Info: "02", STF: [Engines]string{Core: Passed, SSA: "skip"}},
		},
	}
	dir := t.TempDir()
	if err := want.Save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.Commit != want.Commit || !slices.Equal(got.Programs, want.Programs) || !slices.Equal(got.Results, want.Results) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	totals := Totals(got.Programs, got.Results)
	if err := SaveRatchet(dir, totals); err != nil {
		t.Fatal(err)
	}
	again, err := LoadRatchet(dir)
	if err != nil || !slices.Equal(again, totals) {
		t.Errorf("%v, %v; want %v", again, err, totals)
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"header": "path\tsomething\n",
		"fields": factsHeader + "\na\tb\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, factsFile), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), factsFile) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Order does not count, all else does (lang:C10).
func TestDigest(t *testing.T) {
	table := func(id uint32, refs ...uint32) *configv1.Table {
		t := &configv1.Table{Preamble: &configv1.Preamble{Id: id}, DirectResourceIds: refs}
		for _, r := range refs {
			t.ActionRefs = append(t.ActionRefs, &configv1.ActionRef{Id: r})
		}
		return t
	}
	a := &configv1.P4Info{Tables: []*configv1.Table{table(1, 7, 8, 9), table(2)}}
	b := &configv1.P4Info{Tables: []*configv1.Table{table(2), table(1, 9, 7, 8)}}
	c := &configv1.P4Info{Tables: []*configv1.Table{table(1, 7, 8), table(2, 9)}}
	if Digest(a) != Digest(b) {
		t.Errorf("order counts:\n%s\n%s", Canonical(a), Canonical(b))
	}
	if Digest(a) == Digest(c) {
		t.Error("different messages, one digest")
	}
	if a.Tables[0].ActionRefs[2].Id != 9 || b.Tables[0].Preamble.Id != 2 {
		t.Error("Digest changed its argument")
	}
}

func TestFirstErrorLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"typed", "x.p4(9): [--Werror=invalid] error: no\n  code\nx.p4(7): [--Werror=invalid] error: no\n", "9"},
		{"syntax", "x.p4(4):syntax error, unexpected IDENTIFIER\n", "4"},
		{"after a warning", "x.p4(2): [--Wwarn=unused] warning: w\nx.p4(5): [--Werror=type-error] error: no\n", "5"},
		{"in an include", "core.p4(33): [--Werror=type-error] error: no\n", "core.p4:33"},
		{"preprocessor", "x.p4:3:10: fatal error: f.p4: No such file or directory\n", "3"},
		{"no place", "[--Werror=not-found] error: no main\n", ""},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := firstErrorLine([]byte(c.text), "x.p4"); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestArchitecture(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "none",
		"#include <core.p4>":  "core",
		"#include \"h.p4\"\n": "other",
		"#include <core.p4>\n # include <bmv2/psa.p4>": "psa",
		"#include <v1model.p4>\n#include \"h.p4\"":     "v1model",
		"// #include <psa.p4>":                         "none",
	} {
		if got := architecture([]byte(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestWorse(t *testing.T) {
	rej := &Program{Want: Reject, Line: "5"}
	acc := &Program{Want: Accept, P4Info: "x", Entries: "y"}
	good := Result{Verdict: Accept, Stage: StageKernel, P4Info: "x", Entries: "y"}
	for _, c := range []struct {
		name  string
		p     *Program
		old   Result
		now   Result
		limit Stage
		want  int
	}{
		{"same", acc, good, good, StageKernel, 0},
		{"better", acc, Result{Verdict: Reject}, good, StageKernel, 0},
		{"verdict and stage and P4Info and entries", acc, good, Result{Verdict: Reject}, StageKernel, 4},
		{"no BPF here", acc, good, Result{Verdict: Accept, Stage: StageEBPF, P4Info: "x", Entries: "y"}, StageEBPF, 0},
		{"verifier says no", acc, good, Result{Verdict: Accept, Stage: StageEBPF, P4Info: "x", Entries: "y"}, StageKernel, 1},
		{"packets lost", &Program{Want: Accept, STF: "z"}, Result{STF: [Engines]string{Passed, Passed, "skip", "fail"}}, Result{STF: [Engines]string{"fail", Passed, "fail", "skip"}}, StageKernel, 2},
		{"line lost", rej, Result{Verdict: Reject, Line: "5"}, Result{Verdict: Reject, Line: "6"}, StageKernel, 1},
		{"line gained", rej, Result{Verdict: Reject, Line: "6"}, Result{Verdict: Reject, Line: "5"}, StageKernel, 0},
		{"wrong line, other wrong line", rej, Result{Verdict: Reject, Line: "6"}, Result{Verdict: Reject, Line: "8"}, StageKernel, 0},
		{"a crash is worse than a wrong verdict", rej, Result{Verdict: Accept, Stage: StageCheck}, Result{Verdict: Crash}, StageKernel, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Worse(c.p, &c.old, &c.now, c.limit); len(got) != c.want {
				t.Errorf("%q, want %d", got, c.want)
			}
		})
	}
	if f := Fallen([]Total{{"a", 3, 9}, {"b", 2, 9}, {"kernel", 7, 9}}, []Total{{"a", 2, 9}, {"b", 2, 9}}, StageEBPF); len(f) != 1 {
		t.Errorf("fallen: %q", f)
	}
}

// packets sends what comes to port 5.
const packets = `#include <v1model.p4>
struct N { }
parser P(packet_in p, out N h, inout N m, inout standard_metadata_t s) { state start { transition accept; } }
control V(inout N h, inout N m) { apply { } }
control I(inout N h, inout N m, inout standard_metadata_t s) { apply { s.egress_spec = 5; } }
control E(inout N h, inout N m, inout standard_metadata_t s) { apply { } }
control D(packet_out p, in N h) { apply { } }
V1Switch(P(), V(), I(), E(), V(), D()) main;
`

// A checkout in small: what is read of it, what a replay makes of it, and that
// a change of a file is seen.
func TestReplay(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(root, "testdata", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("p4_16_samples/good.p4", "const bit<8> a = 1;\n")
	write("p4_16_samples/dash/odd.p4", "const bit<8> a = true;\n")
	write("p4_16_samples/packets.p4", packets)
	write("p4_16_samples/packets.stf", "packet 3 00112233\nexpect 5 00112233$\n")
	write("p4_16_errors/bad.p4", "\nconst bit<8> a = true;\n")
	write("p4_16_errors_outputs/bad.p4-stderr", "bad.p4(2): [--Werror=type-error] error: no\n")
	programs, err := ReadCheckout(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(programs) != 4 {
		t.Fatalf("%d programs", len(programs))
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rp := &Replay{Root: root, Limit: StageEBPF, Workers: 2, Timeout: time.Minute, Exe: exe}
	res, err := rp.Run(programs)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	List(&out, programs, res)
	if err := Summary(&out, programs, res); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"false-reject testdata/p4_16_samples/dash/odd.p4:1 ", "2/3", "100.0"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if r := res[3]; r.STF != [Engines]string{Passed, Passed, Passed, Passed} || r.Stage != StageEBPF {
		t.Errorf("%+v", r)
	}
	if r := res[0]; r.Verdict != Reject || r.Line != "2" {
		t.Errorf("%+v", r)
	}
	write("p4_16_samples/good.p4", "const bit<8> a = 2;\n")
	now, err := ReadCheckout(root)
	if err != nil {
		t.Fatal(err)
	}
	if c := Changed(programs, now); len(c) != 1 || !strings.Contains(c[0], "good.p4: digest") {
		t.Errorf("changed: %q", c)
	}

	t.Setenv("CORPUS_TEST_HANG", "1")
	rp.Timeout = 50 * time.Millisecond
	res, err = rp.Run(programs[:1])
	if err != nil || res[0].Verdict != Timeout {
		t.Errorf("%+v, %v; want a timeout", res, err)
	}
}
