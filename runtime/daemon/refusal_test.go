package daemon

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

// TestSecondDaemon: D18: a second nicd of an instance is refused by name, and the
// first goes on.
func TestSecondDaemon(t *testing.T) {
	net := newWires(t)
	d := newNicd(t, net.sw, "--engine", "sim")
	d.start()
	out := d.refused(exitFailed)
	for _, want := range []string{"belongs to another nicd", d.args[1]} {
		if !strings.Contains(out, want) {
			t.Errorf("the second nicd does not say %q:\n%s", want, out)
		}
	}
	d.detach()
}

// TestForeignProgram: D18: a port that has somebody else's program is refused by
// the program's name, and the program stays.
func TestForeignProgram(t *testing.T) {
	netnstest.NeedBPF(t)
	for _, hook := range []string{"xdp", "tc"} {
		t.Run(hook, func(t *testing.T) {
			net := newWires(t)
			spec := &ebpf.ProgramSpec{Name: "somebody_elses", License: "GPL"}
			spec.Type, spec.Instructions = ebpf.XDP, asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}
			if hook == "tc" {
				spec.Type, spec.Instructions = ebpf.SchedCLS, asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()}
			}
			prog, err := ebpf.NewProgram(spec)
			netnstest.Check(t, err)
			defer prog.Close()
			index, err := net.sw.Index("s1")
			netnstest.Check(t, err)
			var attached func() ebpf.ProgramID
			if hook == "tc" {
				attached = netnstest.AttachTC(t, net.sw, index, prog)
			} else {
				var l link.Link
				netnstest.Check(t, net.sw.Do(func() (err error) {
					l, err = link.AttachXDP(link.XDPOptions{Interface: index, Program: prog})
					return err
				}))
				defer l.Close()
				attached = func() ebpf.ProgramID {
					info, err := l.Info()
					netnstest.Check(t, err)
					return info.Program
				}
			}
			d := newNicd(t, net.sw, "--port", "1=s1,hook="+hook)
			out := d.refused(exitFailed)
			for _, want := range []string{"somebody_elses", "s1"} {
				if !strings.Contains(out, want) {
					t.Errorf("nicd does not name %q:\n%s", want, out)
				}
			}
			if id, _ := mustID(t, prog); attached() != id {
				t.Errorf("the device now has program %d, not %d", attached(), id)
			}
		})
	}
}

func mustID(t testing.TB, p *ebpf.Program) (ebpf.ProgramID, bool) {
	t.Helper()
	info, err := p.Info()
	netnstest.Check(t, err)
	return info.ID()
}

// TestBadStart: what is missing is named, with the remedy.
func TestBadStart(t *testing.T) {
	net := newWires(t)
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no such netdev", []string{"--engine", "sim", "--port", "1=nowhere"}, exitFailed, "nowhere"},
		{"TCP without --insecure (D21)", []string{"--engine", "sim", "--listen", "127.0.0.1:0"}, exitUsage, "--insecure"},
		{"unknown flag", []string{"--speed", "fast"}, exitUsage, "--speed"},
		{"bad port", []string{"--port", "eth1"}, exitUsage, "NUMBER=NETDEV"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := newNicd(t, net.sw, c.args...).refused(c.code)
			if !strings.Contains(out, c.want) {
				t.Errorf("nicd does not say %q:\n%s", c.want, out)
			}
		})
	}
}

// TestFailedLoad: principle 5, p4rt:F8: what cannot be loaded changes nothing.
func TestFailedLoad(t *testing.T) {
	net := newWires(t)
	d := newNicd(t, net.sw, "--engine", "sim", "--port", "1=s1", "--port", "2=s2")
	d.start()
	c := d.client()
	good := bundleOf(t, compileFile(t, "testdata/stamp.p4"))
	netnstest.Check(t, d.load(c, good, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
	d.write(c, good, p4.Update_INSERT, "wires port=1 to_port port=2")
	for _, bad := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, ""},
		{"truncated", good.raw[:len(good.raw)/2], ""},
		{"one bit", flip(good.raw), ""},
		{"no bundle at all", []byte("ELF"), ""},
	} {
		t.Run(bad.name, func(t *testing.T) {
			for _, action := range []p4.SetForwardingPipelineConfigRequest_Action{
				p4.SetForwardingPipelineConfigRequest_VERIFY, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT,
				p4.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT,
			} {
				if err := d.load(c, pipeline{good.info, bad.raw}, action); err == nil || !strings.Contains(err.Error(), "InvalidArgument") {
					t.Errorf("%v: %v, want INVALID_ARGUMENT", action, err)
				}
			}
			if got := d.entries(c, good, "wires", false); len(got) != 1 {
				t.Errorf("entries afterwards: %v", got)
			}
		})
	}
	netnstest.Check(t, c.Close())
	d.detach()
}

// flip changes one bit in the middle.
func flip(b []byte) []byte {
	b = append([]byte(nil), b...)
	b[len(b)/2] ^= 1
	return b
}

// TestDetachDuringWrites: a detach under load ends nicd in good order, and what
// it acknowledged is there the next time.
func TestDetachDuringWrites(t *testing.T) {
	netnstest.NeedBPF(t)
	net := newWires(t)
	d := newNicd(t, net.sw, "--port", "1=s1", "--port", "2=s2")
	p := bundleOf(t, compileFile(t, "testdata/stamp.p4"))
	want := 0
	for round := range 5 {
		d.start()
		c := d.client()
		if round == 0 {
			netnstest.Check(t, d.load(c, p, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
		}
		netnstest.Check(t, c.BecomePrimary(t.Context(), false))
		if got := len(d.entries(c, p, "ballast", false)); got != want {
			t.Fatalf("round %d: %d entries, %d were acknowledged", round, got, want)
		}
		s := p4rtclient.NewSchema(p.info)
		first := make(chan struct{})
		done := make(chan int)
		go func() {
			acknowledged := 0
			for i := range 600 {
				e, err := s.ParseEntry([]string{"ballast", fmt.Sprintf("mac=02:00:00:%02x:%02x:%02x", round, i>>8, i&255), "NoAction"}, true)
				if err != nil {
					t.Error(err)
					break
				}
				u := []*p4.Update{{Type: p4.Update_INSERT, Entity: &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: e}}}}
				refused, err := c.Write(t.Context(), u)
				if err != nil || len(refused) > 0 {
					break // nicd ends
				}
				if acknowledged++; acknowledged == 20 {
					close(first)
				}
			}
			done <- acknowledged
		}()
		<-first
		d.detach() // fails when nicd ends badly
		want += <-done
		netnstest.Check(t, c.Conn.Close())
	}
}
