package driver_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/driver"
)

// large is a program of about 6,000 lines, as generators write them.
func large() string {
	var b strings.Builder
	b.WriteString("#include <core.p4>\n#include <v1model.p4>\nheader h_t { bit<8> a; bit<16> b; bit<32> c; }\n")
	b.WriteString("struct headers { h_t h; }\nstruct meta { bit<8> a; bit<16> b; bit<32> c; }\n")
	const tables = 270
	b.WriteString("control ig(inout headers hdr, inout meta m, inout standard_metadata_t sm) {\n")
	for i := range tables {
		fmt.Fprintf(&b, `    action set_%[1]d(bit<8> a, bit<16> b) {
        m.a = a + hdr.h.a;
        m.b = b & 0xff0;
        hdr.h.c = hdr.h.c + %[1]d;
    }
    action count_%[1]d() {
        m.c = m.c + (bit<32>) m.b;
    }
    table t_%[1]d {
        key = {
            hdr.h.a: exact;
            m.b: ternary;
        }
        actions = { set_%[1]d; count_%[1]d; NoAction; }
        default_action = NoAction();
        size = 512;
    }
`, i)
	}
	b.WriteString("    apply {\n")
	for i := range tables {
		fmt.Fprintf(&b, "        if (hdr.h.isValid() && m.a != %d) {\n            t_%d.apply();\n        } else {\n            m.a = m.a ++ 1w1 == 9w3 ? 8w1 : m.a[7:4] ++ 4w%d;\n        }\n", i%256, i, i%16)
	}
	b.WriteString("    }\n}\n")
	b.WriteString(`parser prs(packet_in pk, out headers hdr, inout meta m, inout standard_metadata_t sm) {
    state start { pk.extract(hdr.h); transition accept; }
}
control check(inout headers hdr, inout meta m) { apply { } }
control eg(inout headers hdr, inout meta m, inout standard_metadata_t sm) { apply { } }
control dep(packet_out pk, in headers hdr) { apply { pk.emit(hdr.h); } }
V1Switch(prs(), check(), ig(), eg(), check(), dep()) main;
`)
	return b.String()
}

func checkLarge(t testing.TB, text string) {
	res, err := driver.Check(driver.Options{Path: "t.p4", ReadFile: func(path string) ([]byte, error) {
		if path != "t.p4" {
			return nil, os.ErrNotExist
		}
		return []byte(text), nil
	}})
	if err != nil || res.Diags.HasErrors() {
		t.Fatalf("%v, %v", err, res.Diags)
	}
}

// A program of 6,000 lines is checked with 60 MB of allocations in all, so that
// the process stays far below 150 MB whatever the garbage collector does.
func TestCostOfCheck(t *testing.T) {
	text := large()
	if n := strings.Count(text, "\n"); n < 5800 {
		t.Fatalf("%d lines", n)
	}
	checkLarge(t, text)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	checkLarge(t, text)
	runtime.ReadMemStats(&after)
	if mb := (after.TotalAlloc - before.TotalAlloc) >> 20; mb > 60 {
		t.Errorf("%d MB allocated", mb)
	} else {
		t.Logf("%d MB allocated", mb)
	}
}

func BenchmarkCheck(b *testing.B) {
	text := large()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		checkLarge(b, text)
	}
}
