package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// D3: a switch of generations loses nothing, and every frame goes through one
// generation as a whole.
func TestSwitchUnderTraffic(t *testing.T) {
	for _, hook := range hookNames {
		t.Run(hook, func(t *testing.T) {
			b := newBench(t)
			p := b.mustOpen()
			p.linger = time.Millisecond
			b.attach(p, hook)
			b.load(p, 1, 1)
			f := b.flow()
			for tag := byte(2); tag < 40; tag++ {
				f.WaitFor(20)
				b.load(p, uint64(tag), tag)
			}
			netnstest.Eventually(t, 5*time.Second, "the last generation carries the traffic", func() bool { return f.tag.Load() == 39 })
			noLoss(t, f)
			netnstest.Eventually(t, 5*time.Second, "old generations are freed", func() bool {
				dirs, err := filepath.Glob(p.dir("gen*"))
				return err == nil && len(dirs) == 1
			})
			for k := range uint32(backend.Generations) {
				var id uint32
				name := hookXDP.progs()
				if hook == "tc" {
					name = hookTC.progs()
				}
				err := p.maps[name].Lookup(k*backend.StagesPerGen, &id)
				if live := int(k) == p.liveIndex(); live != (err == nil) {
					t.Errorf("slot of generation %d (live: %v): %v", k, live, err)
				}
			}
		})
	}
}

// A load that the verifier refuses leaves the old pipeline, says why and leaves
// no rubbish.
func TestFailedLoadLeavesTheOld(t *testing.T) {
	b := newBench(t)
	p := b.mustOpen()
	b.attach(p, "tc")
	b.load(p, 1, 7)
	f := b.flow()
	f.WaitFor(20)
	p.codegen = func(prog *ir.Program, to planTarget, hooks [2]bool) (*compiled, error) {
		c := &compiled{}
		var err error
		c.layout, err = to.plan(prog)
		c.objects[hookTC] = object(hookTC, asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 76, asm.Word),
			asm.LoadMem(asm.R0, asm.R2, 0, asm.Byte),
			asm.Return(),
		})
		return c, err
	}
	_, err := p.Prepare(dataplane.Config{Program: empty(), Sequence: 2})
	if err == nil {
		t.Fatal("an invalid program was loaded")
	}
	for _, want := range []string{"program empty for tc", "the kernel's verifier refused it", "invalid access to packet"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in the error: %v", want, err)
		}
	}
	f.WaitFor(20)
	if dirs, _ := filepath.Glob(p.dir("gen*")); len(dirs) != 1 {
		t.Errorf("generations on disk: %v", dirs)
	}
	b.load(p, 3, 9) // and the next one works
	netnstest.Eventually(t, 5*time.Second, "the next pipeline", func() bool { return f.tag.Load() == 9 })
	noLoss(t, f)
}

func TestVerifierErrorNamesTheLine(t *testing.T) {
	v := &ebpf.VerifierError{Cause: errors.New("permission denied"), Log: []string{
		"0: R1=ctx() R10=fp0",
		"; packet.extract(hdr.ethernet); @ basic.p4:11",
		"1: (71) r0 = *(u8 *)(r2 +0)",
		"invalid access to packet, off=0 size=1, R2(id=0,off=0,r=0)",
		"processed 2 insns (limit 1000000) max_states_per_insn 0",
	}}
	want := "basic.p4:11: the kernel's verifier refused it: invalid access to packet, off=0 size=1, R2(id=0,off=0,r=0): permission denied"
	if got := verifierError(fmt.Errorf("load program: %w", v)).Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPrepareRefusals(t *testing.T) {
	b := newBench(t)
	p := b.mustOpen()
	p.codegen = b.forward(1)
	typed := empty()
	typed.Level = ir.Typed
	for _, c := range []struct {
		name string
		conf dataplane.Config
		want string
	}{
		{"level", dataplane.Config{Program: typed, Sequence: 1}, "program empty: level typed; the datapath takes core"},
		{"content", dataplane.Config{Program: empty(), Sequence: 1, Content: make([]dataplane.Content, 2)}, "content of 2 tables for a program of 0"},
		{"sequence", dataplane.Config{Program: empty()}, "sequence 0 of a pipeline: it takes 1 to 2^56-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := p.Prepare(c.conf); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	t.Run("slots", func(t *testing.T) {
		var gens []dataplane.Generation
		// One of the four is what dispatchers look for while nothing is loaded.
		for i := range uint64(3) {
			g, err := p.Prepare(dataplane.Config{Program: empty(), Sequence: i + 1})
			netnstest.Check(t, err)
			gens = append(gens, g)
		}
		if _, err := p.Prepare(dataplane.Config{Program: empty(), Sequence: 9}); err == nil {
			t.Error("a fourth generation")
		}
		gens[1].Abort()
		g, err := p.Prepare(dataplane.Config{Program: empty(), Sequence: 9})
		netnstest.Check(t, err)
		netnstest.Check(t, g.Commit())
		if err := g.Commit(); err == nil {
			t.Error("committed twice")
		}
		g.Abort() // of a live one: does nothing
		if p.liveIndex() != 2 {
			t.Errorf("generation %d is live", p.liveIndex())
		}
		for _, g := range gens {
			g.Abort()
		}
	})
	t.Run("nothing loaded", func(t *testing.T) {
		b := newBench(t)
		p := b.mustOpen()
		if errs := p.Apply([]dataplane.Op{{}}); len(errs) != 1 || !errors.Is(errs[0], errNoPipeline) {
			t.Errorf("%v", errs)
		}
		if err := p.Counters(0, nil, nil); !errors.Is(err, errNoPipeline) {
			t.Errorf("%v", err)
		}
	})
}

// A pipeline that is prepared carries nothing before Commit, the first one neither.
func TestPreparedIsNotLive(t *testing.T) {
	for _, hook := range hookNames {
		b := newBench(t)
		p := b.mustOpen()
		b.attach(p, hook)
		p.codegen = func(prog *ir.Program, to planTarget, hooks [2]bool) (*compiled, error) {
			c, err := passing(prog, to, hooks)
			for k, o := range c.objects {
				if o != nil {
					o.Insns = asm.Instructions{asm.Mov.Imm(asm.R0, []int32{1, 2}[k]), asm.Return()} // drop
				}
			}
			return c, err
		}
		g, err := p.Prepare(dataplane.Config{Program: empty(), Sequence: 1})
		netnstest.Check(t, err)
		if !b.answers() {
			t.Errorf("%s: a pipeline that is not committed drops packets", hook)
		}
		netnstest.Check(t, g.Commit())
		if b.answers() {
			t.Errorf("%s: a pipeline that drops everything does not", hook)
		}
	}
}

// A pipeline prepared before the first port of a hook comes is completed at Commit.
func TestPortBetweenPrepareAndCommit(t *testing.T) {
	b := newBench(t)
	p := b.mustOpen()
	b.attach(p, "tc")
	b.load(p, 1, 1)
	p.codegen = b.forward(2)
	g, err := p.Prepare(dataplane.Config{Program: empty(), Sequence: 2})
	netnstest.Check(t, err)
	p.codegen = b.forward(1) // what belongs to the live one
	b.attach(p, "xdp")
	p.codegen = b.forward(2)
	netnstest.Check(t, g.Commit())
	f := b.flow()
	f.WaitFor(20)
	if f.tag.Load() != 2 {
		t.Errorf("tag %d", f.tag.Load())
	}
	noLoss(t, f)
}

const victimEnv = "P4NIC_TEST_VICTIM"

// victim is the process that TestAdoption kills: it carries traffic and waits.
func victim() {
	p, err := Open(Options{BPFFS: os.Getenv(victimEnv)})
	if err == nil {
		b := &bench{}
		for i := range b.ifindex {
			port := dataplane.Port{Number: uint32(i), Netdev: fmt.Sprintf("p%d", i), Hook: os.Getenv("P4NIC_TEST_HOOK")}
			if err = errors.Join(err, p.Attach(port)); err == nil {
				b.ifindex[i] = p.ports[uint32(i)].at.ifindex
			}
		}
		p.codegen = b.forward(1)
		var g dataplane.Generation
		if err == nil {
			if g, err = p.Prepare(dataplane.Config{Program: empty(), Sequence: 41}); err == nil {
				err = g.Commit()
			}
		}
		p.MarkApplied(77)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {}
}

// victim starts a process that carries traffic between the ports. It is killed
// at the end of the test.
func (b *bench) victim(hook string) *exec.Cmd {
	b.t.Helper()
	exe, err := os.Executable()
	netnstest.Check(b.t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), victimEnv+"="+b.bpffs, "P4NIC_TEST_HOOK="+hook)
	out, err := cmd.StdoutPipe()
	netnstest.Check(b.t, err)
	netnstest.Check(b.t, b.do(cmd.Start))
	b.t.Cleanup(func() {
		_ = cmd.Process.Kill() // "process already finished" where the test did it
		_ = cmd.Wait()
	})
	said, err := bufio.NewReader(out).ReadString('\n')
	if said != "ready\n" {
		b.t.Fatalf("victim: %q %v", said, err)
	}
	return cmd
}

// op:SP2, D6: a process is killed; the next one takes over what it left. No frame is lost.
func TestAdoption(t *testing.T) {
	for _, hook := range hookNames {
		t.Run(hook, func(t *testing.T) {
			b := newBench(t)
			cmd := b.victim(hook)
			f := b.flow()
			f.WaitFor(50)
			netnstest.Check(t, cmd.Process.Kill())
			_ = cmd.Wait() // "signal: killed"
			f.WaitFor(50)

			p := b.mustOpen()
			if got := p.AppliedSequence(); got != 77 {
				t.Errorf("applied sequence %d, want 77", got)
			}
			ports := p.Ports()
			if len(ports) != 2 || ports[0].Netdev != "p0" || ports[1].Netdev != "p1" || ports[0].Hook != hook {
				t.Fatalf("ports %+v", ports)
			}
			before := p.ports[0].at
			f.WaitFor(50)
			b.attach(p, hook) // as the configuration says
			if p.ports[0].at != before {
				t.Error("an adopted port was attached anew")
			}
			f.WaitFor(50)
			b.load(p, 42, 2)
			netnstest.Eventually(t, 5*time.Second, "the new generation", func() bool { return f.tag.Load() == 2 })
			noLoss(t, f)

			// Orderly: Close leaves everything, too.
			f = b.flow()
			f.WaitFor(20)
			netnstest.Check(t, p.Close())
			f.WaitFor(20)
			p = b.mustOpen()
			f.WaitFor(20)
			noLoss(t, f)
			netnstest.Check(t, p.DetachAll())
			b.checkClean(0)
		})
	}
}

// Pins of an earlier process that lead nowhere are removed.
func TestAdoptionOfVanishedPort(t *testing.T) {
	b := newBench(t)
	p := b.mustOpen()
	b.attach(p, "tc")
	b.load(p, 1, 1)
	netnstest.Check(t, os.Mkdir(p.dir("gen3"), 0o700)) // prepared by a process that died
	netnstest.Check(t, p.Close())
	netnstest.Check(t, b.host.DeleteLink("p1"))
	p = b.mustOpen()
	if got := p.Ports(); len(got) != 1 || got[0].Number != 0 {
		t.Errorf("ports %+v", got)
	}
	links := 1
	if p.noTCX { // a filter has no link that could be pinned
		links = 0
	}
	if pins, _ := filepath.Glob(p.dir("links", "*")); len(pins) != links {
		t.Errorf("links %v, want %d", pins, links)
	}
	if dirs, _ := filepath.Glob(p.dir("gen*")); len(dirs) != 1 {
		t.Errorf("generations %v, live %d", dirs, p.liveIndex())
	}
	b.veth(1)
	b.attach(p, "tc")
}

// Maps of another version under our names are not taken over; Remove takes them
// away.
func TestOtherVersion(t *testing.T) {
	for _, hook := range append(hookNames, "clsact") {
		t.Run(hook, func(t *testing.T) {
			b := newBench(t)
			p := b.mustOpen()
			port := hook
			if hook == "clsact" {
				p.noTCX, port = true, "tc"
			}
			b.attach(p, port)
			netnstest.Check(t, p.Close())
			dir := filepath.Join(b.bpffs, "p4nic", "nic0", "device")
			netnstest.Check(t, os.Rename(filepath.Join(dir, pinName(deviceSpec(backend.MapCell))), filepath.Join(dir, "cell-0123456789abcdef")))
			_, err := b.open("nic0")
			if err == nil || !strings.Contains(err.Error(), "another layout") || !strings.Contains(err.Error(), "nicctl detach") {
				t.Errorf("got %v", err)
			}
			netnstest.Check(t, b.do(func() error {
				devs, err := Remove(Options{BPFFS: b.bpffs})
				slices.Sort(devs)
				if !slices.Equal(devs, []string{"p0", "p1"}) {
					t.Errorf("removed from %v", devs)
				}
				return err
			}))
			b.checkClean(0)
			b.checkClean(1)
			if _, err := os.Stat(filepath.Join(b.bpffs, "p4nic")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("pins are left: %v", err)
			}
			netnstest.Check(t, b.mustOpen().DetachAll())
			netnstest.Check(t, b.do(func() error { // nothing there: nothing to do
				devs, err := Remove(Options{BPFFS: b.bpffs})
				if len(devs) > 0 {
					t.Errorf("removed from %v", devs)
				}
				return err
			}))
		})
	}
}
