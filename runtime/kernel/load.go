package kernel

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// compiled is a program for the hooks that are wanted.
type compiled struct {
	layout  *backend.Layout
	objects [2]*backend.Object
}

// planTarget is what a layout depends on besides the program.
type planTarget struct {
	ncpu int
	opt  backend.LayoutOptions
}

func (t planTarget) plan(prog *ir.Program) (*backend.Layout, error) {
	return backend.PlanLayoutFor(prog, t.ncpu, t.opt)
}

// codegen turns a program into instructions; tests put others in its place.
type codegen func(prog *ir.Program, to planTarget, hooks [2]bool) (*compiled, error)

// compileFor is the real one, with the options of Open.
func compileFor(o Options) codegen {
	return func(prog *ir.Program, to planTarget, hooks [2]bool) (*compiled, error) {
		c := &compiled{}
		var err error
		if c.layout, err = to.plan(prog); err != nil {
			return nil, err
		}
		f, err := ssa.Lower(prog, ssa.Options{})
		if err != nil {
			return nil, err
		}
		for k, wanted := range hooks {
			if !wanted {
				continue
			}
			c.objects[k], err = backend.Compile(f, c.layout, o.backend(k))
			if err != nil {
				return nil, err
			}
		}
		return c, nil
	}
}

func (p *Plane) compile(prog *ir.Program, opt backend.LayoutOptions, hooks [2]bool) (*compiled, error) {
	if prog.Level != ir.Core {
		return nil, fmt.Errorf("program %s: level %s; the datapath takes core", prog.Name, prog.Level)
	}
	c, err := p.codegen(prog, planTarget{p.ncpu, opt}, hooks)
	if err != nil {
		return nil, unsupported(err)
	}
	return c, nil
}

// usedHooks are the hooks with a port; the CPU port's is tc.
func (p *Plane) usedHooks() [2]bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var used [2]bool
	for _, t := range p.ports {
		used[t.hook] = true
	}
	if p.cpu != nil {
		used[hookTC] = true
	}
	return used
}

// wantedHooks are the hooks in use, or all of them while no netdev is attached:
// what cannot be loaded should be refused when it is set, not at the first port.
func (p *Plane) wantedHooks() [2]bool {
	if p.play != "" {
		return [2]bool{p.play == hookXDP.String(), p.play == hookTC.String()}
	}
	p.mu.RLock()
	none := len(p.ports) == 0
	p.mu.RUnlock()
	if none {
		return [2]bool{true, true}
	}
	return p.usedHooks()
}

// needHook makes the live generation complete for a hook before its first port.
func (p *Plane) needHook(k hookKind) error {
	p.mu.RLock()
	g := p.live
	p.mu.RUnlock()
	if g == nil {
		// Of an earlier process, without source: the port passes packets to the
		// kernel until a pipeline is set, unless the hook was in use.
		return nil
	}
	return g.ensure(k)
}

// ensure loads the generation's program for a hook if it is not there yet.
func (g *generation) ensure(k hookKind) error {
	if g.programs[k] != nil {
		return nil
	}
	var hooks [2]bool
	hooks[k] = true
	c, err := g.p.compile(g.prog, g.opt, hooks)
	if err != nil {
		return err
	}
	return g.load(k, c.objects[k], g.p.dir(genDir(g.index)))
}

// load gives a program to the kernel and puts it into the generation's slot.
func (g *generation) load(k hookKind, o *backend.Object, dir string) error {
	if err := g.loadMachine(o, dir); err != nil {
		return err
	}
	prog, err := g.loadObject(o, dir)
	if err != nil {
		return fmt.Errorf("program %s for %s: %w", g.prog.Name, k, err)
	}
	// Overwrite, never delete and insert: see D3.
	if err := g.p.maps[k.progs()].Update(backend.ProgSlot(uint8(g.index), 0), prog, ebpf.UpdateAny); err != nil {
		return errors.Join(fmt.Errorf("program array for %s: %w", k, err), prog.Close())
	}
	g.programs[k] = prog
	return nil
}

// loadObject gives an object to the kernel, with the generation's maps.
func (g *generation) loadObject(o *backend.Object, dir string) (*ebpf.Program, error) {
	o.ForGeneration(uint8(g.index))
	maps := make(map[string]*ebpf.Map, len(o.Maps))
	for _, m := range o.Maps {
		km := g.p.maps[m.Name]
		if m.Role != backend.Device {
			var err error
			if km, err = g.addMap(m, dir, ""); err != nil {
				return nil, err
			}
		}
		maps[m.Name] = km
	}
	return loadProgram(o, "p4_"+g.prog.Name, maps)
}

// loadProgram loads a program that names its maps. The kernel keeps 15 letters
// of the name.
func loadProgram(o *backend.Object, name string, maps map[string]*ebpf.Map) (*ebpf.Program, error) {
	name = strings.ReplaceAll(plain(name), "-", "_")
	spec, err := o.Spec(name[:min(len(name), 15)], maps)
	if err != nil {
		return nil, err
	}
	prog, err := ebpf.NewProgram(spec)
	if err != nil {
		return nil, verifierError(err)
	}
	return prog, nil
}

var (
	// atSource finds "@ file.p4:11" in lines of the verifier's log.
	atSource = regexp.MustCompile(`@ (\S+:\d+)`)
	// atInstruction finds lines that only show what the verifier looks at.
	atInstruction = regexp.MustCompile(`^(\d+: |from \d+ to \d+|;|func#|processed |mark_precise|last_idx|$)`)
)

// verifierError says what the verifier refused and at which P4 line.
func verifierError(err error) error {
	var v *ebpf.VerifierError
	if !errors.As(err, &v) {
		return err
	}
	var reason []string // the lines after the instruction that was refused
	var where string
	for _, line := range v.Log {
		if m := atSource.FindStringSubmatch(line); m != nil {
			where = m[1]
		}
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "processed "):
		case atInstruction.MatchString(line):
			reason = nil
		default:
			reason = append(reason, line)
		}
	}
	if where != "" {
		where += ": "
	}
	return fmt.Errorf("%sthe kernel's verifier refused it: %s: %w", where, strings.Join(reason, "; "), v.Cause)
}

// digest names a program before its maps are known.
func digest(o *backend.Object) string {
	h := sha256.New()
	fmt.Fprintf(h, "%v %v %#x %v", o.Type, o.AttachType, o.Flags, o.Insns)
	return hex.EncodeToString(h.Sum(nil)[:8])
}
