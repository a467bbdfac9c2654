package bmv2tests

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/internal/packetcase"
)

var update = flag.Bool("update", false, "rewrite the state sections of the cases")

const root = "testdata"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func loadCases(t testing.TB) []*Case {
	t.Helper()
	cs, err := LoadCases(root)
	check(t, err)
	if len(cs) == 0 {
		t.Fatal("there are no cases")
	}
	return cs
}

func open(t testing.TB, k Kind, p *Program, content []packetcase.Content) Engine {
	t.Helper()
	e, err := k.New(p, content)
	if err != nil {
		t.Fatalf("%s: %v", k.Name, err)
	}
	t.Cleanup(func() { check(t, e.Close()) })
	return e
}

func (s State) String() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&b, "%s: %s\n", k, s[k])
	}
	return b.String()
}

// TestReference: ir/exec does with each case what the case says.
func TestReference(t *testing.T) {
	for _, c := range loadCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			p, err := c.Compile()
			check(t, err)
			content, err := c.Content(p)
			check(t, err)
			e := open(t, Reference(), p, content).(*execEngine)
			for _, s := range c.Steps {
				got, err := e.Process(s.In.Port, s.In.Data)
				check(t, err)
				if s.Diff(got) != "" {
					t.Errorf("packets:%d: %s%s", s.Line, report("exec-core", s.In, s.Want, got), e.traceOf(s.In))
				}
			}
			got, err := e.State()
			check(t, err)
			if *update && c.State.String() != got.String() {
				check(t, c.writeState(got.String()))
			} else if d := diffStates("exec-core", c.State, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// compare plays packets on e and on the reference.
func compare(t testing.TB, k Kind, p *Program, content []packetcase.Content, packets []packetcase.Packet, name func(i int) string) {
	t.Helper()
	ref := open(t, Reference(), p, content).(*execEngine)
	e := open(t, k, p, content)
	bad := 0
	for i, in := range packets {
		want, err := ref.Process(in.Port, in.Data)
		check(t, err)
		got, err := e.Process(in.Port, in.Data)
		if err == nil && same(want, got) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %s: %v", name(i), k.Name, err)
		}
		t.Errorf("%s: %s%s", name(i), report(k.Name, in, want, got), ref.traceOf(in))
		if bad++; bad == 3 {
			t.Fatal("... and perhaps more")
		}
	}
	if bad > 0 {
		return // traces count, too
	}
	want, err := ref.State()
	check(t, err)
	got, err := e.State()
	check(t, err)
	if d := diffStates(k.Name, want, got); d != "" {
		t.Error(d)
	}
}

// eachKind runs f for every engine but the reference; with -short, as in an
// emulated kernel, for those alone that a kernel runs.
func eachKind(t *testing.T, f func(t *testing.T, k Kind)) {
	for _, k := range Kinds() {
		if testing.Short() && !k.Kernel {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			if k.Kernel {
				netnstest.NeedBPF(t)
			}
			f(t, k)
		})
	}
}

// TestCases: every engine does with each case what ir/exec does.
func TestCases(t *testing.T) {
	cs := loadCases(t)
	eachKind(t, func(t *testing.T, k Kind) {
		for _, c := range cs {
			t.Run(c.Name, func(t *testing.T) {
				p, err := c.Compile()
				check(t, err)
				content, err := c.Content(p)
				check(t, err)
				if refused(t, k, c, p, content) {
					return
				}
				compare(t, k, p, content, inputs(c), func(i int) string {
					return fmt.Sprintf("packets:%d", c.Steps[i].Line)
				})
			})
		}
	})
}

// refused tells whether the engine refuses the case, as the case says it does.
func refused(t testing.TB, k Kind, c *Case, p *Program, content []packetcase.Content) bool {
	t.Helper()
	text := c.Refused
	if k.Exec {
		text = ""
	}
	if k.JSON && c.NoJSON != "" {
		text = c.NoJSON
	}
	if text == "" {
		return false
	}
	e, err := k.New(p, content)
	if err == nil {
		check(t, e.Close())
		t.Errorf("%s: %s runs it; remove the line refused or nojson", c.Name, k.Name)
	} else if !strings.Contains(err.Error(), text) {
		t.Errorf("%s: %s refuses with %v, expected %q", c.Name, k.Name, err, text)
	}
	return true
}

func inputs(c *Case) []packetcase.Packet {
	var in []packetcase.Packet
	for _, s := range c.Steps {
		in = append(in, s.In)
	}
	return in
}

// TestCoverage: the packets of all cases of a program run every place of each
// of its variants, at both levels. What cannot be reached is listed with the reason.
func TestCoverage(t *testing.T) {
	allowed := map[string]bool{}
	text, err := os.ReadFile("testdata/unreachable.txt")
	check(t, err)
	for _, line := range strings.Split(string(text), "\n") {
		if line, _, _ = strings.Cut(line, " # "); line != "" && !strings.HasPrefix(line, "#") {
			allowed[strings.TrimSpace(line)] = false
		}
	}
	type variant struct {
		p           *Program
		typed, core *Coverage
	}
	variants := map[string]*variant{}
	var order []string
	cs := loadCases(t)
	for _, c := range cs {
		key := c.P4 + " " + strings.Join(c.Defines, " ")
		v := variants[key]
		if v == nil {
			p, err := c.Compile()
			check(t, err)
			v = &variant{p, NewCoverage(p.Typed), NewCoverage(p.Core)}
			variants[key] = v
			order = append(order, key)
		}
		for _, o := range cs { // the packets of other variants too
			if o.P4 != c.P4 {
				continue
			}
			content, err := o.Content(v.p)
			check(t, err)
			check(t, v.core.Play(content, inputs(o)))
			typed, err := retarget(v.p.Core, v.p.Typed, content)
			check(t, err)
			check(t, v.typed.Play(typed, inputs(o)))
		}
	}
	for _, key := range order {
		v := variants[key]
		var lines, never []string
		for _, l := range []struct {
			level ir.Level
			c     *Coverage
		}{{v.p.Typed.Level, v.typed}, {v.p.Core.Level, v.core}} {
			missing, all := l.c.Missing()
			lines = append(lines, fmt.Sprintf("%s: %d of %d places ran", l.level, all-len(missing), all))
			for _, m := range missing {
				if _, ok := allowed[m]; ok {
					allowed[m] = true
				} else {
					never = append(never, fmt.Sprintf("%s: never ran: %s", l.level, m))
				}
			}
		}
		t.Run(v.p.Name+strings.Join(strings.Fields(key)[1:], ","), func(t *testing.T) {
			t.Log(strings.Join(lines, "\n"))
			for _, n := range never {
				t.Error(n)
			}
		})
	}
	for m, used := range allowed {
		if !used {
			t.Errorf("testdata/unreachable.txt: %s: it ran, or there is no such place", m)
		}
	}
}
