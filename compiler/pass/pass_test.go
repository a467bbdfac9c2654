package pass_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/pass"
)

func nop(*ir.Program) error { return nil }

// A bad order of the table is an error before any program is seen.
func TestOrder(t *testing.T) {
	a, b := &pass.Fact{Name: "a"}, &pass.Fact{Name: "b"}
	type fs = []*pass.Fact
	for _, c := range []struct {
		name   string
		passes []pass.Pass
		goal   fs
		want   string
	}{
		{"good", []pass.Pass{{Name: "1", Run: nop, Makes: fs{a}}, {Name: "2", Run: nop, Needs: fs{a}, Makes: fs{b}}}, fs{b}, ""},
		{"swapped", []pass.Pass{{Name: "2", Run: nop, Needs: fs{a}}, {Name: "1", Run: nop, Makes: fs{a}}}, nil, `"2" needs fact "a", which only the later "1" makes`},
		{"missing", []pass.Pass{{Name: "2", Run: nop, Needs: fs{a}}}, nil, `"2" needs fact "a", which no pass makes`},
		{"twice", []pass.Pass{{Name: "1", Run: nop}, {Name: "1", Run: nop}}, nil, `"1" stands twice`},
		{"made twice", []pass.Pass{{Name: "1", Run: nop, Makes: fs{a}}, {Name: "2", Run: nop, Makes: fs{a}}}, nil, `"2" makes fact "a", which 1 already made`},
		{"no function", []pass.Pass{{Name: "1"}}, nil, `"1" has no function`},
		{"goal", []pass.Pass{{Name: "1", Run: nop}}, fs{a}, `no pass makes fact "a", which the result needs`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := pass.New(c.passes, nil, c.goal)
			got := fmt.Sprint(err)
			if c.want == "" && err != nil || c.want != "" && !strings.Contains(got, c.want) {
				t.Errorf("New: %s, want %q", got, c.want)
			}
		})
	}
}

func TestRun(t *testing.T) {
	var ran []string
	step := func(name string) func(*ir.Program) error {
		return func(p *ir.Program) error {
			ran = append(ran, name)
			p.Name += name
			return nil
		}
	}
	notB := &pass.Fact{Name: "no b", Check: func(p *ir.Program) error {
		if strings.Contains(p.Name, "b") {
			return errors.New("there is a b")
		}
		return nil
	}}
	pl, err := pass.New([]pass.Pass{
		{Name: "a", Run: step("a"), Makes: []*pass.Fact{notB}},
		{Name: "b", Run: step("b")},
		{Name: "c", Run: step("c"), Needs: []*pass.Fact{notB}},
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		debug []string
		opts  pass.Options
		ran   string
		out   string
		err   string
	}{
		{name: "plain", ran: "abc"},
		{name: "off", debug: []string{"pass/b/off"}, ran: "ac"},
		{name: "off needed", debug: []string{"pass/a/off"}, err: `later passes need fact "no b"`},
		{name: "unknown", debug: []string{"pass/z/off"}, err: "no such pass; there are [a b c]"},
		{name: "dump and time", debug: []string{"pass/a/dump,pass/c/time"}, ran: "abc", out: "--- after pass/a ---\n<a>pass/c: 1s\n"},
		// A fact is proved again after every later pass.
		{name: "verify", opts: pass.Options{Verify: true}, ran: "ab", err: `after pass "b": fact "no b": there is a b`},
		{name: "verify program", opts: pass.Options{Verify: true, VerifyProgram: func(*ir.Program) error { return errors.New("broken") }}, ran: "a", err: `after pass "a": broken`},
	} {
		t.Run(c.name, func(t *testing.T) {
			ran = nil
			var out strings.Builder
			now := time.Unix(0, 0)
			o := c.opts
			o.DebugOut = &out
			o.Print = func(p *ir.Program) string { return "<" + p.Name + ">" }
			o.Now = func() time.Time { now = now.Add(time.Second); return now }
			if o.Debug, err = pass.ParseDebug(c.debug); err != nil {
				t.Fatal(err)
			}
			_, err := pl.Run(&ir.Program{}, o)
			if got := fmt.Sprint(err); c.err == "" && err != nil || c.err != "" && !strings.Contains(got, c.err) {
				t.Errorf("Run: %s, want %q", got, c.err)
			}
			if got := strings.Join(ran, ""); got != c.ran {
				t.Errorf("ran %s, want %s", got, c.ran)
			}
			if out.String() != c.out {
				t.Errorf("output %q, want %q", out.String(), c.out)
			}
		})
	}
}

func TestErrorsNameThePass(t *testing.T) {
	run := func(f func(*ir.Program) error) error {
		pl, err := pass.New([]pass.Pass{{Name: "it", Run: f}}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = pl.Run(&ir.Program{}, pass.Options{})
		return err
	}
	pos := ir.Pos{Line: 3, Col: 1}
	refused, ok := errors.AsType[*pass.Error](run(func(*ir.Program) error { return pass.Refuse(pos, "no %s", "way") }))
	if !ok || *refused != (pass.Error{Pass: "it", Pos: pos, Code: "unsupported", Msg: "no way"}) {
		t.Errorf("refusal: %+v", refused)
	}
	err := run(func(*ir.Program) error { return errors.New("odd") })
	if err == nil || err.Error() != `internal error in pass "it": odd` {
		t.Errorf("fault: %v", err)
	}
	defer func() {
		p, ok := recover().(*pass.Panic)
		if !ok || p.Pass != "it" || p.Value != "boom" {
			t.Errorf("panic: %v", p)
		}
	}()
	run(func(*ir.Program) error { panic("boom") })
}

func TestParseDebug(t *testing.T) {
	d, err := pass.ParseDebug([]string{"pass/a/dump", "pass/a/off,pass/b/time"})
	if err != nil || d["a"] != (pass.Switches{Dump: true, Off: true}) || d["b"] != (pass.Switches{Time: true}) {
		t.Errorf("%+v, %v", d, err)
	}
	for _, bad := range []string{"", "a", "pass/a", "pass//off", "pass/a/on", "opt/a/off", "pass/a/off/x"} {
		if _, err := pass.ParseDebug([]string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
