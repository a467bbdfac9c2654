package bmv2_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// dense is the program of testdata/dense.txtar.
func dense(t *testing.T) *driver.Result {
	t.Helper()
	a, err := txtar.ParseFile("testdata/dense.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return compileText(t, string(a.Files[0].Data))
}

// TestDense: lang:J2 to lang:J8: random packets leave the program that came back
// from JSON as they leave the one that went.
func TestDense(t *testing.T) {
	r := dense(t)
	js, err := bmv2.Export(r.Core)
	if err != nil {
		t.Fatal(err)
	}
	back, err := bmv2.Import(js, r.Control.Info, "dense")
	if err != nil {
		t.Fatal(err)
	}
	open := func(p *ir.Program) (*exec.Machine, *[]string) {
		var log []string
		m, err := exec.New(p, exec.Options{Log: func(s string) { log = append(log, s) }, Rand: func() uint32 { return 5 }})
		if err != nil {
			t.Fatal(err)
		}
		return m, &log
	}
	a, logA := open(r.Core)
	b, logB := open(back)
	rnd := rand.New(rand.NewPCG(3, 4))
	insert := func(table string, e ir.Entry) {
		t.Helper()
		for _, x := range []struct {
			m *exec.Machine
			p *ir.Program
		}{{a, r.Core}, {b, back}} {
			i := slices.IndexFunc(x.p.Tables, func(t *ir.Table) bool { return t.Name == table })
			if i < 0 {
				t.Fatalf("no table %s", table)
			}
			if err := x.m.Insert(i, e); err != nil {
				t.Fatalf("table %s: %v", table, err)
			}
		}
	}
	for i := range byte(6) {
		insert("I.u", ir.Entry{Handle: uint32(i) + 1, Priority: int32(i) + 1, Action: int(i) % 3, Args: [][][]byte{{{i}}, {}, {}}[i%3],
			Match: []ir.Match{{Value: []byte{i << 5, 0}, PrefixLen: 3}, {Value: []byte{i & 1}}, {Value: []byte{i}}, {Value: []byte{0, 0}, Mask: []byte{0, 9}}}})
		insert("E.e", ir.Entry{Handle: uint32(i) + 1, Action: 0, Args: [][]byte{{0xe0 + i}}, Match: []ir.Match{{Value: []byte{0, i}}}})
	}
	dropped, long := 0, 0
	for n := range 20000 {
		data := make([]byte, 8+rnd.IntN(60))
		for i := range data {
			if data[i] = byte(rnd.Uint32()); rnd.IntN(3) == 0 {
				data[i] = byte(rnd.IntN(12))
			}
		}
		data[0] = []byte{1, 0x41, 9, 0x20, 0x21, 8, 3, 0x10, 0x47, byte(rnd.Uint32())}[rnd.IntN(10)]
		switch rnd.IntN(4) {
		case 0: // next, next, accept
			copy(data[8:], []byte{0, 7, 0, 8, 0, 1})
		case 1: // looking, wide
			data = append(append(data[:8:8], 0, 0, 0x12, 0x34), make([]byte, 30)...)
		}
		if rnd.IntN(8) == 0 {
			data = data[:rnd.IntN(len(data))]
		}
		in := exec.Packet{Port: uint32(rnd.IntN(4)), Data: data}
		*logA, *logB = nil, nil
		x, y := show(a.Process(in), *logA), show(b.Process(in), *logB)
		if x != y {
			t.Fatalf("packet %d, in %d %x:\n%s\nfrom JSON:\n%s", n, in.Port, data, x, y)
		}
		if strings.HasPrefix(x, "true") {
			dropped++
		} else {
			long++
		}
	}
	if dropped < 2000 || long < 2000 {
		t.Errorf("%d dropped, %d not", dropped, long)
	}
	for _, c := range []struct {
		name string
		n    uint32
	}{{"I.c", 4}, {"I.c2", 7}} {
		for i := range c.n {
			x, errX := a.InstanceCounter(c.name, i)
			y, errY := b.InstanceCounter(c.name, i)
			if errX != nil || errY != nil || x != y {
				t.Errorf("%s[%d]: %v, %v and %v, %v", c.name, i, x, errX, y, errY)
			}
		}
	}
}

func show(r exec.Result, log []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %d", r.Dropped, r.ParserError)
	for _, o := range r.Outputs {
		fmt.Fprintf(&b, "\nout %d %x", o.Port, o.Data)
	}
	return b.String() + "\n" + strings.Join(log, "\n")
}

// damages are what TestDamaged does to one value of the JSON.
var damages = []struct {
	name string
	do   func(v any) (any, bool)
}{
	{"gone", nil},
	{"null", func(v any) (any, bool) { return nil, v != nil }},
	{"another type", func(v any) (any, bool) {
		if _, is := v.(string); is {
			return json.Number("1"), true
		}
		return "x", true
	}},
	{"another name", func(v any) (any, bool) { s, is := v.(string); return s + "_x", is }},
	{"-1", func(v any) (any, bool) { _, is := v.(json.Number); return json.Number("-1"), is }},
	{"70000", func(v any) (any, bool) { _, is := v.(json.Number); return json.Number("70000"), is }},
	{"0", func(v any) (any, bool) { n, is := v.(json.Number); return json.Number("0"), is && n != "0" }},
	{"-0xfffff", func(v any) (any, bool) {
		s, is := v.(string)
		return "-0xfffff", is && strings.HasPrefix(s, "0x")
	}},
	{"twice", func(v any) (any, bool) {
		l, is := v.([]any)
		if !is || len(l) == 0 {
			return nil, false
		}
		return append(slices.Clone(l), l[0]), true
	}},
	{"empty", func(v any) (any, bool) { l, is := v.([]any); return []any{}, is && len(l) > 0 }},
}

// TestDamaged: the values of the goldens' JSON, one of each kind of place, are
// damaged in every way: Import takes it, or refuses it with a place and a reason,
// never otherwise. testdata/damaged.txt lists the reasons, names and numbers
// apart, with the first damage that has each and how many have it (-update
// rewrites it).
func TestDamaged(t *testing.T) {
	first, count := map[string]string{}, map[string]int{}
	seen := map[string]bool{}
	for i, file := range []string{"testdata/basic.txtar", "testdata/dense.txtar"} { // the small one first
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := compileText(t, string(a.Files[0].Data))
		js, err := bmv2.Export(r.Core)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(js))
		d.UseNumber()
		var root any
		if err := d.Decode(&root); err != nil {
			t.Fatal(err)
		}
		damage(root, seen, i > 0, func(at, what string) {
			out, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			reason := "taken"
			if _, err := bmv2.Import(out, r.Control.Info, "prog"); err != nil {
				if e := (*bmv2.Error)(nil); !errors.As(err, &e) {
					t.Fatalf("%s %s: %T %v", at, what, err, err)
				}
				reason = anonymous(err.Error())
			}
			if count[reason]++; count[reason] == 1 {
				first[reason] = at + " " + what
			}
		})
	}
	var b strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(&b, "%4d %s\n     %s\n", count[reason], reason, first[reason])
	}
	const file = "testdata/damaged.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := []byte(b.String()); !bytes.Equal(got, want) {
		t.Errorf("%s differs at line %d (-update rewrites it); got\n%s", file, firstDifference(got, want), got)
	}
}

var (
	place  = regexp.MustCompile(`^[a-z_0-9]+[][A-Za-z_0-9.$]*: `)
	number = regexp.MustCompile(`[0-9]+`)
	quoted = regexp.MustCompile(`"[^"]*"`)
	named  = regexp.MustCompile(`\b(table|field|header|parse state|stack|union type|header type|action|calculation|pipeline|list|error|counter_array|register_array|meter_array|value set|pipeline|action selector|field alias|primitive|parser operation) [^ :]+`)
)

// anonymous is a message without its place, names and numbers.
func anonymous(s string) string {
	s = place.ReplaceAllString(s, "")
	s = quoted.ReplaceAllString(s, "Q")
	s = named.ReplaceAllString(s, "$1 X")
	return number.ReplaceAllString(s, "N")
}

// damage calls try with each kind of place damaged in each way, or in fewer.
func damage(root any, seen map[string]bool, fewer bool, try func(at, what string)) {
	skip := map[string]bool{"source_info": true, "pi_omit": true}
	index := regexp.MustCompile(`\[[0-9]+\]`)
	var walk func(at string, v any, set func(any), remove func() func())
	walk = func(at string, v any, set func(any), remove func() func()) {
		shape := fmt.Sprintf("%s %T", index.ReplaceAllString(at, "[]"), v)
		if m, is := v.(map[string]any); is {
			shape += fmt.Sprint(" ", m["op"], m["type"]) // of an operation or parameter
		}
		if !seen[shape] && at != "" {
			for _, x := range damages {
				if fewer && (x.name == "null" || x.name == "0" || x.name == "empty" || x.name == "70000") {
					continue
				}
				if x.do == nil {
					if remove != nil {
						restore := remove()
						try(at, x.name)
						restore()
					}
				} else if w, ok := x.do(v); ok {
					set(w)
					try(at, x.name)
					set(v)
				}
			}
		}
		seen[shape] = true
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if old := v[k]; !skip[k] {
					walk(at+"."+k, old, func(w any) { v[k] = w }, func() func() { delete(v, k); return func() { v[k] = old } })
				}
			}
		case []any:
			for i := range v {
				walk(fmt.Sprintf("%s[%d]", at, i), v[i], func(w any) { v[i] = w }, nil)
			}
		}
	}
	walk("", root, nil, nil)
}
