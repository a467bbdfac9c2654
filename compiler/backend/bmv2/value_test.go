package bmv2_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/ir/exec"
)

// minimal is a program with one header h, whose action has the given primitives.
func minimal(primitives string) string {
	return `{
  "__meta__": {"version": [2, 23]},
  "header_types": [
    {"name": "scalars_0", "id": 0, "fields": []},
    {"name": "standard_metadata", "id": 1, "fields": [["ingress_port", 9, false], ["egress_spec", 9, false], ["egress_port", 9, false]]},
    {"name": "h_t", "id": 2, "fields": [["a", 8, false], ["b", 16, false], ["c", 32, false], ["s", 16, true], ["r", 64, false], ["q", 8, false]]}
  ],
  "headers": [
    {"name": "scalars", "id": 0, "header_type": "scalars_0", "metadata": true},
    {"name": "standard_metadata", "id": 1, "header_type": "standard_metadata", "metadata": true},
    {"name": "h", "id": 2, "header_type": "h_t", "metadata": false}
  ],
  "parsers": [{"name": "parser", "id": 0, "init_state": "start", "parse_states": [
    {"name": "start", "id": 0, "parser_ops": [{"op": "extract", "parameters": [{"type": "regular", "value": "h"}]}],
     "transitions": [{"type": "default", "value": null, "mask": null, "next_state": null}], "transition_key": []}]}],
  "deparsers": [{"name": "deparser", "id": 0, "order": ["h"]}],
  "actions": [{"name": "act", "id": 0, "runtime_data": [], "primitives": [` + primitives + `]}],
  "pipelines": [
    {"name": "ingress", "id": 0, "init_table": "t", "tables": [
      {"name": "t", "id": 0, "key": [], "match_type": "exact", "type": "simple", "max_size": 1, "action_ids": [0], "actions": ["act"],
       "next_tables": {"act": null}, "default_entry": {"action_id": 0, "action_data": [], "action_const": true}}], "conditionals": []},
    {"name": "egress", "id": 1, "init_table": null, "tables": [], "conditionals": []}
  ]
}`
}

func machine(t *testing.T, js string) (*exec.Machine, error) {
	t.Helper()
	p, err := bmv2.Import([]byte(js), &p4configv1.P4Info{}, "minimal")
	if err != nil {
		return nil, err
	}
	m, err := exec.New(p, exec.Options{})
	if err != nil {
		t.Fatalf("%v\n%s", err, p)
	}
	return m, nil
}

// term is an expression with its value in integers without limit.
type term struct {
	js    any
	value func(env map[string]*big.Int) *big.Int
	sign  bool // it can be negative
}

type m = map[string]any

func operation(op string, l, r any) m {
	return m{"type": "expression", "value": m{"op": op, "left": l, "right": r}}
}

func constTerm(v int64) term {
	text := fmt.Sprintf("0x%x", v)
	if v < 0 {
		text = fmt.Sprintf("-0x%x", -v)
	}
	return term{m{"type": "hexstr", "value": text}, func(map[string]*big.Int) *big.Int { return big.NewInt(v) }, v < 0}
}

func fieldTerm(name string) term {
	return term{m{"type": "field", "value": []string{"h", name}}, func(env map[string]*big.Int) *big.Int { return env[name] }, name == "s"}
}

func pow(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }

func mod2(v *big.Int, w uint) *big.Int {
	return new(big.Int).And(v, new(big.Int).Sub(pow(w), big.NewInt(1)))
}

func signedMod(v *big.Int, w uint) *big.Int {
	x := mod2(v, w)
	if x.Bit(int(w)-1) == 1 {
		x.Sub(x, pow(w))
	}
	return x
}

func clampTo(v, lo, hi *big.Int) *big.Int {
	if v.Cmp(lo) < 0 {
		return lo
	}
	if v.Cmp(hi) > 0 {
		return hi
	}
	return v
}

type generator struct{ *rand.Rand }

func (g generator) term(depth int) term {
	if depth == 0 || g.IntN(8) == 0 {
		if g.IntN(3) == 0 {
			return constTerm(g.Int64N(1<<uint(1+g.IntN(20))) - int64(g.IntN(4))*7)
		}
		return fieldTerm([]string{"a", "b", "c", "s"}[g.IntN(4)])
	}
	x := g.term(depth - 1)
	two := func(op string, f func(z, a, b *big.Int) *big.Int, sign func(a, b term) bool) term {
		y := g.term(depth - 1)
		return term{operation(op, x.js, y.js), func(e map[string]*big.Int) *big.Int { return f(new(big.Int), x.value(e), y.value(e)) }, sign(x, y)}
	}
	either := func(a, b term) bool { return a.sign || b.sign }
	switch g.IntN(14) {
	case 0:
		return two("+", (*big.Int).Add, either)
	case 1:
		return two("-", (*big.Int).Sub, func(a, b term) bool { return true })
	case 2:
		return two("*", (*big.Int).Mul, either)
	case 3:
		return two("&", (*big.Int).And, func(a, b term) bool { return a.sign && b.sign })
	case 4:
		return two("|", (*big.Int).Or, either)
	case 5:
		return two("^", (*big.Int).Xor, either)
	case 6:
		return term{operation("~", nil, x.js), func(e map[string]*big.Int) *big.Int { return new(big.Int).Not(x.value(e)) }, true}
	case 7:
		k := uint(g.IntN(40))
		return term{operation("<<", x.js, constTerm(int64(k)).js), func(e map[string]*big.Int) *big.Int { return new(big.Int).Lsh(x.value(e), k) }, x.sign}
	case 8:
		k := uint(g.IntN(40))
		return term{operation(">>", x.js, constTerm(int64(k)).js), func(e map[string]*big.Int) *big.Int { return new(big.Int).Rsh(x.value(e), k) }, x.sign}
	case 9:
		op := []string{"<<", ">>"}[g.IntN(2)]
		return term{operation(op, x.js, fieldTerm("a").js), func(e map[string]*big.Int) *big.Int {
			if op == "<<" {
				return new(big.Int).Lsh(x.value(e), uint(e["a"].Uint64()))
			}
			return new(big.Int).Rsh(x.value(e), uint(e["a"].Uint64()))
		}, x.sign}
	case 10:
		w := uint(1 + g.IntN(40))
		return term{operation("two_comp_mod", x.js, constTerm(int64(w)).js), func(e map[string]*big.Int) *big.Int { return signedMod(x.value(e), w) }, true}
	case 11:
		w := uint(1 + g.IntN(20))
		return term{operation("usat_cast", x.js, constTerm(int64(w)).js), func(e map[string]*big.Int) *big.Int {
			return clampTo(x.value(e), new(big.Int), new(big.Int).Sub(pow(w), big.NewInt(1)))
		}, false}
	case 12:
		w := uint(1 + g.IntN(20))
		return term{operation("sat_cast", x.js, constTerm(int64(w)).js), func(e map[string]*big.Int) *big.Int {
			return clampTo(x.value(e), new(big.Int).Neg(pow(w-1)), new(big.Int).Sub(pow(w-1), big.NewInt(1)))
		}, true}
	}
	y := g.term(depth - 1)
	cond, holds := g.cond(depth - 1)
	return term{m{"type": "expression", "value": m{"op": "?", "left": x.js, "right": y.js, "cond": cond}}, func(e map[string]*big.Int) *big.Int {
		if holds(e) {
			return x.value(e)
		}
		return y.value(e)
	}, either(x, y)}
}

func (g generator) cond(depth int) (any, func(map[string]*big.Int) bool) {
	x, y := g.term(depth), g.term(depth)
	op := []string{"==", "!=", "<", "<=", ">", ">="}[g.IntN(6)]
	return operation(op, x.js, y.js), func(e map[string]*big.Int) bool {
		c := x.value(e).Cmp(y.value(e))
		return map[string]bool{"==": c == 0, "!=": c != 0, "<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[op]
	}
}

// TestValues: lang:J6, D4, numbers without limit get widths and keep their values:
// random expressions assigned to 64 bits and compared, against big integers.
func TestValues(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(3, 4))}
	refused := 0
	const rounds = 1500
	for round := range rounds {
		x := g.term(1 + g.IntN(4))
		cond, holds := g.cond(1 + g.IntN(2))
		prims, err := json.Marshal([]any{
			m{"op": "assign", "parameters": []any{m{"type": "field", "value": []string{"h", "r"}}, m{"type": "expression", "value": x.js}}},
			m{"op": "assign", "parameters": []any{m{"type": "field", "value": []string{"h", "q"}}, m{"type": "expression", "value": operation("b2d", nil, cond)}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		js := minimal(strings.Trim(string(prims), "[]"))
		mc, err := machine(t, js)
		if err != nil {
			if e, is := errors.AsType[*bmv2.Error](err); !is || !strings.Contains(e.Reason, "no bound") {
				t.Fatalf("%v\n%s", err, prims)
			}
			refused++
			continue
		}
		for range 4 {
			in := make([]byte, 18)
			for i := range in[:9] {
				in[i] = byte(g.Uint32())
				if g.IntN(3) == 0 {
					in[i] = []byte{0, 0xff, 0x80, 1}[g.IntN(4)]
				}
			}
			field := func(lo, hi int) *big.Int { return new(big.Int).SetBytes(in[lo:hi]) }
			env := map[string]*big.Int{"a": field(0, 1), "b": field(1, 3), "c": field(3, 7), "s": signedMod(field(7, 9), 16)}
			out := mc.Process(exec.Packet{Data: in}).Outputs
			if len(out) != 1 {
				t.Fatalf("%d packets", len(out))
			}
			got := new(big.Int).SetBytes(out[0].Data[9:17])
			if want := mod2(x.value(env), 64); got.Cmp(want) != 0 {
				t.Fatalf("round %d: %v: got %x, want %x\n%s", round, env, got, want, prims)
			}
			if got := out[0].Data[17] == 1; got != holds(env) {
				t.Fatalf("round %d: %v: condition is %v\n%s", round, env, got, prims)
			}
		}
	}
	if refused > rounds/3 {
		t.Errorf("%d of %d expressions were refused", refused, rounds)
	}
}
