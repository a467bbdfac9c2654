package p4info_test

import (
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
)

// Programs for architectures that nobody knows are described as p4c describes
// them: in the words of v1model. Programs without main have nothing to control.
func TestVocabulary(t *testing.T) {
	const own = `#include <core.p4>
enum CounterType { packets, bytes }
extern counter { counter(bit<32> size, CounterType type); void count(in bit<32> i); }
extern Counter<W> { Counter(bit<32> size); }
control C();
package Mine(C c);
`
	for _, c := range []struct {
		name, text, arch string
		counters         int
	}{
		{"lang:P22 an architecture of its own", own + "control c() { counter(4, CounterType.packets) a; Counter<bit<8>>(3) b; apply { a.count(1); } }\nMine(c()) main;", "v1model", 1},
		{"lang:P22 no main", own + "control c() { counter(4, CounterType.packets) a; apply { a.count(1); } }", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "enum Unused { a }\n" + c.text
			res, err := driver.Compile(driver.Options{Path: "t.p4", ReadFile: func(string) ([]byte, error) { return []byte(text), nil }})
			if err != nil {
				t.Fatal(err)
			}
			if err := res.Diags.Err(); err != nil {
				t.Fatal(err)
			}
			if got := res.Control.Info.GetPkgInfo().GetArch(); got != c.arch {
				t.Errorf("arch %q, want %q", got, c.arch)
			}
			if got := len(res.Control.Info.Counters); got != c.counters {
				t.Errorf("%d counters, want %d", got, c.counters)
			}
		})
	}
}
