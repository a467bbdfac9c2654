package mutants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Runner plays the suite against mutants.
type Runner struct {
	Config *Config
	Root   string // of the module
	Dir    string // for binaries and temporary files; the caller removes it
	// MemoryKB bounds the data of one test process: a fault may make it
	// allocate without end.
	MemoryKB int

	deps map[string]map[string]bool
	mu   sync.Mutex
	base map[string]*baseline
}

// baseline is a package of tests without any fault.
type baseline struct {
	once    sync.Once
	playing sync.Mutex // tests of one package may share names on the machine: one run at a time
	binary  string
	fails   string // its first failure; the package then proves nothing
	err     error
}

// NewRunner asks the go command what depends on what.
func NewRunner(c *Config, root, dir string) (*Runner, error) {
	deps, err := c.dependencies(root)
	if err != nil {
		return nil, err
	}
	return &Runner{Config: c, Root: root, Dir: dir, MemoryKB: 8 << 20, deps: deps, base: map[string]*baseline{}}, nil
}

// Run plays the suite against one mutant, in a folder of its own. A failure
// counts when the test that failed fails again, and passes without the fault: a
// test that is at odds with the machine catches nothing. What runs ends with ctx.
func (r *Runner) Run(ctx context.Context, m *Mutant) (*Result, error) {
	dir, err := os.MkdirTemp(r.Dir, "m")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	overlay, err := writeOverlay(dir, m)
	if err != nil {
		return nil, err
	}
	res := &Result{Mutant: m, Outcome: Survived}
	for _, s := range r.Config.order(m.Package, r.deps) {
		base, err := r.baseline(ctx, s)
		if err != nil {
			return nil, err
		}
		if base.fails != "" {
			continue
		}
		bin := filepath.Join(dir, s.binary())
		started := time.Now()
		if err := r.build(ctx, s, bin, overlay); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", m.File, m.Line, err)
		}
		res.Build += time.Since(started)
		started = time.Now()
		by, err := r.catches(ctx, s, bin, base, overlay)
		if err != nil {
			return nil, err
		}
		res.Tests += time.Since(started)
		res.Ran++
		os.Remove(bin)
		if by != "" {
			res.Outcome, res.By = Caught, by
			break
		}
	}
	return res, nil
}

// catches runs a package's tests with the fault and says how it was noticed.
func (r *Runner) catches(ctx context.Context, s Suite, bin string, base *baseline, overlay string) (string, error) {
	base.playing.Lock()
	defer base.playing.Unlock()
	limit := r.Config.limit(s)
	for {
		f, err := r.play(ctx, s, bin, "", overlay, limit)
		if err != nil || f == nil {
			return "", err
		}
		// Twice: the same test, with the fault and without. A machine that is
		// too busy fails without it as well, and then more time is given.
		only := f.test
		again, err := r.play(ctx, s, bin, only, overlay, limit)
		if err != nil {
			return "", err
		}
		without, err := r.play(ctx, s, base.binary, only, "", limit)
		switch {
		case err != nil:
			return "", err
		case again != nil && without == nil:
			return s.Package + again.String(), nil
		case !f.hang || limit > 4*r.Config.limit(s):
			return "", nil // it is the machine's or the test's own doing
		}
		limit *= 2
	}
}

// baseline builds and plays a package without a fault, once.
func (r *Runner) baseline(ctx context.Context, s Suite) (*baseline, error) {
	r.mu.Lock()
	b := r.base[s.Package]
	if b == nil {
		b = &baseline{binary: filepath.Join(r.Dir, s.binary())}
		r.base[s.Package] = b
	}
	r.mu.Unlock()
	b.once.Do(func() {
		if b.err = r.build(ctx, s, b.binary, ""); b.err != nil {
			return
		}
		var f *failure
		for range 3 {
			if f, b.err = r.play(ctx, s, b.binary, "", "", 4*r.Config.limit(s)); f == nil {
				return
			}
		}
		b.fails = f.String()
	})
	return b, b.err
}

// Broken lists the packages whose tests fail without a fault: they caught
// nothing in this run.
func (r *Runner) Broken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, s := range r.Config.Suite {
		if b := r.base[s.Package]; b != nil && b.fails != "" {
			list = append(list, s.Package+b.fails)
		}
	}
	return list
}

func (r *Runner) build(ctx context.Context, s Suite, bin, overlay string) error {
	args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", bin} // no debugger reads it
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	_, err := goTool(ctx, r.Root, append(args, "./"+s.Package)...)
	return err
}

// failure is how a run of tests failed.
type failure struct {
	test string // the first that failed; "" when the process died outside one
	hang bool
	how  string
}

func (f *failure) String() string {
	s := ""
	if f.test != "" {
		s = "." + f.test
	}
	if f.how != "" {
		s += " (" + f.how + ")"
	}
	return s
}

var (
	failed  = regexp.MustCompile(`(?m)^\s*--- FAIL: ([^\s/]+)`)
	running = regexp.MustCompile(`(?m)^=== (?:RUN|CONT|NAME)\s+([^\s/]+)`)
	paniced = regexp.MustCompile(`(?m)^(?:panic|fatal error): `)
)

// play runs a test binary; nil is a pass. The process and its children end when
// the limit is reached.
func (r *Runner) play(outer context.Context, s Suite, bin, only, overlay string, limit time.Duration) (*failure, error) {
	tmp, err := os.MkdirTemp(r.Dir, "t")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	defer unmountBelow(tmp)
	if err := os.Chmod(tmp, 0o777); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(outer, limit)
	defer cancel()
	script := fmt.Sprintf(`ulimit -d %d; exec "$@"`, r.MemoryKB)
	args := []string{"-c", script, "sh", bin, "-test.v", "-test.failfast", "-test.count=1", "-test.timeout=0"}
	if only != "" {
		args = append(args, "-test.run=^"+regexp.QuoteMeta(only)+"$")
	}
	cmd := exec.Command("sh", args...)
	cmd.Dir = filepath.Join(r.Root, filepath.FromSlash(s.Package))
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	if overlay != "" { // tests that call the go command build the fault too
		cmd.Env = append(cmd.Env, "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(filepath.Join(tmp, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	hang := false
	select {
	case err = <-done:
	case <-ctx.Done():
		hang = true
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		err = <-done
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // children that outlive it
	if outer.Err() != nil {
		return nil, outer.Err()
	}
	if err == nil {
		return nil, nil
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
		return nil, err
	}
	text, err := os.ReadFile(log.Name())
	if err != nil {
		return nil, err
	}
	return parse(string(text), hang), nil
}

// parse reads from a log which test failed, and how.
func parse(text string, hang bool) *failure {
	f := &failure{hang: hang}
	if m := failed.FindStringSubmatch(text); m != nil {
		f.test = m[1]
	} else if all := running.FindAllStringSubmatch(text, -1); all != nil {
		f.test = all[len(all)-1][1]
	}
	switch {
	case hang:
		f.how = "hangs"
	case paniced.MatchString(text):
		f.how = "panics"
	case f.test == "":
		f.how = "the test process fails"
	}
	return f
}

// writeOverlay writes what -overlay reads.
func writeOverlay(dir string, m *Mutant) (string, error) {
	src := filepath.Join(dir, filepath.Base(m.abs))
	if err := os.WriteFile(src, m.source, 0o644); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {m.abs: src}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, text, 0o644)
}

// unmountBelow takes away the file systems that a killed test left mounted.
func unmountBelow(dir string) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return
	}
	for _, l := range slices.Backward(strings.Split(string(text), "\n")) { // the newest first
		if f := strings.Fields(l); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			_ = unix.Unmount(f[4], unix.MNT_DETACH)
		}
	}
}
