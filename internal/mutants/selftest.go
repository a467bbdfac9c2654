package mutants

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// toy is a module whose faults have known outcomes: of held every one is caught,
// by the package's own tests or by user's; of loose none; of same one is
// equivalent.
func toy() map[string]string {
	return map[string]string{
		"go.mod": "module toy\n\ngo 1.24\n",
		"lib/lib.go": `package lib

// Held doubles the even and gives up on the odd.
func Held(n int) int {
	if n%2 == 1 {
		return -1
	}
	return 2 * n
}

// ByUser is tested by package user alone.
func ByUser(n int) int {
	return n - 7
}

// Loose is called by nobody.
func Loose(n int) int {
	return n + 40
}

// Drain ends when it has counted down.
func Drain(n int) int {
	for n > 0 {
		n--
	}
	return n
}
`,
		"lib/lib_test.go": `package lib

import "testing"

func TestHeld(t *testing.T) {
	for n, want := range map[int]int{0: 0, 1: -1, 2: 4, 3: -1, 8: 16} {
		if got := Held(n); got != want {
			t.Errorf("Held(%d) = %d", n, got)
		}
	}
}

func TestDrain(t *testing.T) {
	if Drain(3) != 0 || Drain(-2) != -2 {
		t.Error("Drain")
	}
}
`,
		"user/user.go": "package user\n\nimport \"toy/lib\"\n\n// Four is 11 - 7.\nfunc Four() int { return lib.ByUser(11) }\n",
		"user/user_test.go": `package user

import "testing"

func TestFour(t *testing.T) {
	if Four() != 4 {
		t.Error(Four())
	}
}
`,
		"equivalents.txt": `== lib/lib.go Loose
- return n + 40
+ return n - 40
proof: nobody calls it.
`,
	}
}

// SelfTest measures the toy module with the real go command and fails when an
// outcome is not the known one.
func SelfTest(w io.Writer) error {
	started := time.Now()
	dir, err := os.MkdirTemp("", "toy")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for name, text := range toy() {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	conf := &Config{Module: "toy", Packages: []string{"lib"}, Budget: time.Minute,
		Limit: 2 * time.Second, Suite: []Suite{{"user", time.Second}, {"lib", time.Second}}}
	drawn, statements, err := Draw(dir, conf.Module, conf.Packages, 1, 14)
	if err != nil {
		return err
	}
	known, err := ReadEquivalents(filepath.Join(dir, "equivalents.txt"))
	if err != nil {
		return err
	}
	r, err := NewRunner(conf, dir, dir)
	if err != nil {
		return err
	}
	report := &Report{Seed: 1, Statements: statements}
	seen := map[string]int{}
	for _, m := range drawn {
		if seen[m.Function] >= 1+strings.Count(m.Function, "L") { // two of Loose: one is equivalent
			continue
		}
		seen[m.Function]++
		res, err := r.Run(context.Background(), m)
		if err != nil {
			return err
		}
		known.Judge(res)
		report.Results = append(report.Results, res)
		fmt.Fprintln(w, res.Summary())
		if err := expected(res); err != nil {
			return err
		}
	}
	for _, f := range []string{"Held", "ByUser", "Loose"} {
		if seen[f] == 0 {
			return fmt.Errorf("no fault in %s: the draw is not uniform", f)
		}
	}
	if len(report.Broken) > 0 {
		return fmt.Errorf("broken: %s", report.Broken)
	}
	_, err = fmt.Fprintf(w, "mutants: the toy module gives what it must (%v)\n", time.Since(started).Round(time.Millisecond))
	return err
}

// expected compares a result with what is known of the toy's functions.
func expected(res *Result) error {
	ok := false
	switch res.Function {
	case "Held", "Drain":
		ok = res.Outcome == Caught && strings.HasPrefix(res.By, "lib.Test"+res.Function) && res.Ran == 1
	case "ByUser":
		ok = res.Outcome == Caught && res.By == "user.TestFour" && res.Ran == 2
	case "Loose":
		ok = res.Outcome == Equivalent && res.Kind == "swapped operator" || res.Outcome == Survived && res.Kind != "swapped operator"
	}
	if !ok {
		return fmt.Errorf("unexpected: %s\n%s", res.Summary(), res.Diff)
	}
	return nil
}
