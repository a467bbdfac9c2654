package corpus

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// Mutants compiles programs with a few tokens lost, repeated or replaced, for
// duration, and fails on a fault of the compiler: a panic, a broken promise of a
// pass, more than slow. A mutant may be accepted or refused; nothing else.
// Those that fail are left in dir.
func Mutants(w io.Writer, root, dir string, programs []Program, seed uint64, duration, slow time.Duration) error {
	r := rand.New(rand.NewPCG(seed, 0))
	var texts []string
	for i := range programs {
		switch programs[i].Arch {
		case "none", "core", "v1model", "psa", "pna", "ebpf_model", "xdp_model", "ubpf_model":
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(programs[i].Path)))
			if err != nil {
				return err
			}
			texts = append(texts, string(text))
		}
	}
	if len(texts) == 0 {
		return errors.New("no program to change")
	}
	faults, n := map[string]int{}, 0
	for end := time.Now().Add(duration); time.Now().Before(end); n++ {
		text := mutate(r, texts[r.IntN(len(texts))])
		start := time.Now()
		fault := compileMutant(text)
		if d := time.Since(start); fault == nil && d > slow {
			fault = fmt.Errorf("took %s", d)
		}
		if fault == nil {
			continue
		}
		key := firstLine(fault.Error())
		if faults[key]++; faults[key] > 1 {
			continue
		}
		name := filepath.Join(dir, fmt.Sprintf("mutant-%d-%d.p4", seed, n))
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
		fmt.Fprintf(w, "FAIL %s: %s\n", name, key)
	}
	fmt.Fprintf(w, "%d mutants of %d programs, seed %d: %d kinds of faults\n", n, len(texts), seed, len(faults))
	if len(faults) > 0 {
		return fmt.Errorf("%d kinds of faults", len(faults))
	}
	return nil
}

var token = regexp.MustCompile(`[A-Za-z_]\w*|[0-9]\w*|"[^"\n]*"|&&&|\+\+|<<|>>|[=!<>]=|&&|\|\||\.\.|[^\s\w]`)

// mutate changes up to three tokens of text.
func mutate(r *rand.Rand, text string) string {
	for range 1 + r.IntN(3) {
		at := token.FindAllStringIndex(text, -1)
		if len(at) == 0 {
			return text
		}
		a, b := at[r.IntN(len(at))], at[r.IntN(len(at))]
		other := text[b[0]:b[1]]
		switch r.IntN(4) {
		case 0:
			text = text[:a[0]] + text[a[1]:]
		case 1:
			text = text[:a[1]] + " " + other + text[a[1]:]
		default:
			text = text[:a[0]] + other + text[a[1]:]
		}
	}
	return text
}

// compileMutant brings a text as far as it goes; the error is a fault of ours.
func compileMutant(text string) error {
	const name = "mutant.p4"
	o := driver.Options{Path: name, Verify: true, ReadFile: func(path string) ([]byte, error) {
		if path == name {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	}}
	res, err := driver.Typed(o)
	if err != nil {
		return err
	}
	if res.Typed == nil {
		return nil
	}
	if err := whole(res.Typed); err != nil {
		return err
	}
	if res, err = driver.Compile(o); err != nil {
		return err
	}
	if res.Core == nil {
		return nil
	}
	return guard(func() error {
		// What these refuse is theirs to say; only a panic is a fault.
		_, _ = exec.New(res.Core, exec.Options{})
		_, _ = ssa.Lower(res.Core, ssa.Options{})
		if js, err := bmv2.Export(res.Core); err == nil {
			_, _ = bmv2.Import(js, res.Control.Info, res.Core.Name)
		}
		return nil
	})
}
