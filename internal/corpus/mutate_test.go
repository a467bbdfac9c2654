package corpus

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A seed gives the same mutants; they differ from the program.
func TestMutate(t *testing.T) {
	gen := func(seed uint64) []string {
		r := rand.New(rand.NewPCG(seed, 0))
		var out []string
		for range 50 {
			out = append(out, mutate(r, packets))
		}
		return out
	}
	a, b, c := gen(1), gen(1), gen(2)
	changed := 0
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("mutant %d differs between two runs", i)
		}
		if a[i] != packets {
			changed++
		}
	}
	if changed < 40 {
		t.Errorf("%d of 50 changed", changed)
	}
	if strings.Join(a, "") == strings.Join(c, "") {
		t.Error("two seeds, the same mutants")
	}
}

func TestMutants(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.p4"), []byte(packets), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	programs := []Program{{Path: "a.p4", Arch: "v1model"}}
	if err := Mutants(&out, root, dir, programs, 7, 300*time.Millisecond, time.Minute); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	// Everything is slower than nothing: a fault is reported and its text left.
	if err := Mutants(&out, root, dir, programs, 7, 20*time.Millisecond, 0); err == nil {
		t.Error("no fault")
	}
	left, err := filepath.Glob(filepath.Join(dir, "mutant-7-*.p4"))
	if err != nil || len(left) == 0 {
		t.Errorf("%v, %v", left, err)
	}
}
