package bmv2tests

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	nicctlProgram = flag.String("nicctl", "", "play the tests of recorded/architectures.txt on the real switch with this nicctl, and record that they pass")
	bmv2Dir       = flag.String("bmv2", "", "the folder of the real switch's program, for -nicctl")
)

// TestRecordedArchitectures: the tests of testdata/arch that the real switch has
// passed, on our JSON, are the ones that stand there now. A line of
// recorded/architectures.txt is a test, the switch, and the hash of the program and
// the test; the packets are the test's own expectations, with which
// TestArchitectures compares ir/exec. To record a new test, add a line.
func TestRecordedArchitectures(t *testing.T) {
	const file = "recorded/architectures.txt"
	text, err := os.ReadFile(file)
	check(t, err)
	var out strings.Builder
	n := 0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			t.Fatalf("%s: %q is no test and switch", file, line)
		}
		n++
		t.Run(f[0], func(t *testing.T) {
			name := filepath.Join(archRoot, f[0]+".stf")
			test, err := os.ReadFile(name)
			check(t, err)
			program := archProgram(name, test)
			source, err := os.ReadFile(program)
			check(t, err)
			sum := sha256.New()
			fmt.Fprintf(sum, "%d %s%s", len(source), source, test)
			now := fmt.Sprintf("%x", sum.Sum(nil)[:8])
			if *nicctlProgram != "" {
				got, err := exec.Command(*nicctlProgram, "test", name, "--program", program, "--target", "simple_switch", "--bmv2", *bmv2Dir).CombinedOutput()
				if err != nil {
					t.Fatalf("%s: %v\n%s", f[1], err, got)
				}
				f = []string{f[0], f[1], now}
			}
			if len(f) != 3 || f[2] != now {
				t.Errorf("program or test changed since %s played it: want %s", f[1], now)
			}
			fmt.Fprintln(&out, strings.Join(f, " "))
		})
	}
	if *nicctlProgram != "" && !t.Failed() {
		check(t, os.WriteFile(file, []byte(out.String()), 0o644))
	}
	if n == 0 {
		t.Fatal("nothing is recorded")
	}
}
