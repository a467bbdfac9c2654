package kernel

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf/asm"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		victim()
	}
	os.Exit(netnstest.Main(m))
}

// bench is a host with two ports, p0 and p1, whose far ends are eth0 in
// namespaces of their own. Its addresses make the host answer by itself.
type bench struct {
	t       *testing.T
	bpffs   string
	host    *netns.NS
	far     [2]*netns.NS
	ifindex [2]int
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, bpffs: netnstest.BPFFS(t), host: netnstest.NS(t)}
	for i := range b.far {
		b.far[i] = netnstest.NS(t)
		b.veth(i)
	}
	return b
}

func (b *bench) veth(i int) {
	b.t.Helper()
	netnstest.Veth(b.t,
		netns.End{NS: b.host, Name: fmt.Sprintf("p%d", i), MAC: fmt.Sprintf("02:00:00:00:01:0%d", i), Addrs: []string{fmt.Sprintf("10.0.%d.1/24", i)}},
		netns.End{NS: b.far[i], Name: "eth0", MAC: fmt.Sprintf("02:00:00:00:02:0%d", i), Addrs: []string{fmt.Sprintf("10.0.%d.2/24", i)}})
	// Without NAPI the far end drops what XDP redirects to it.
	netnstest.Check(b.t, b.far[i].SetFeature("eth0", netns.GRO, true))
	var err error
	b.ifindex[i], err = b.host.Index(fmt.Sprintf("p%d", i))
	netnstest.Check(b.t, err)
}

// do runs f in the host's namespace.
func (b *bench) do(f func() error) error { return b.host.Do(f) }

func (b *bench) open(instance string) (*Plane, error) {
	var p *Plane
	err := b.do(func() (err error) {
		p, err = Open(Options{Instance: instance, BPFFS: b.bpffs})
		return err
	})
	return p, err
}

func (b *bench) mustOpen() *Plane {
	b.t.Helper()
	p, err := b.open("nic0")
	netnstest.Check(b.t, err)
	b.t.Cleanup(func() { netnstest.Check(b.t, p.Close()) })
	return p
}

func (b *bench) attach(p *Plane, hook string) {
	b.t.Helper()
	for i := range b.far {
		netnstest.Check(b.t, p.Attach(dataplane.Port{Number: uint32(i), Netdev: fmt.Sprintf("p%d", i), Hook: hook}))
	}
}

// answers tells whether the host's UDP echo service is reached from the far end
// of port 0.
func (b *bench) answers() bool {
	b.t.Helper()
	var server net.PacketConn
	netnstest.Check(b.t, b.do(func() (err error) { server, err = net.ListenPacket("udp", "10.0.0.1:7"); return }))
	defer server.Close()
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(buf[:n], from)
		}
	}()
	ok := false
	netnstest.Check(b.t, b.far[0].Do(func() error {
		c, err := net.Dial("udp", "10.0.0.1:7")
		if err != nil {
			return err
		}
		defer c.Close()
		for range 20 {
			if _, err := c.Write([]byte("echo")); err != nil {
				return err
			}
			netnstest.Check(b.t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
			var buf [8]byte
			if n, err := c.Read(buf[:]); err == nil && string(buf[:n]) == "echo" {
				ok = true
				return nil
			}
		}
		return nil
	}))
	return ok
}

// tagAt is where forwarding programs of tests write their generation's tag.
const tagAt = 40

// forward is a codegen whose programs send frames of the test's type from port
// to port, mark them with tag and leave all others to the kernel.
func (b *bench) forward(tag byte) codegen {
	return func(prog *ir.Program, to planTarget, hooks [2]bool) (*compiled, error) {
		c := &compiled{}
		var err error
		if c.layout, err = to.plan(prog); err != nil {
			return nil, err
		}
		for k, wanted := range hooks {
			if wanted {
				c.objects[k] = forwardObject(hookKind(k), b.ifindex, tag)
			}
		}
		return c, nil
	}
}

// object is a program of a hook's type without maps.
func object(k hookKind, insns asm.Instructions) *backend.Object {
	o := *backend.Dispatcher(backend.Hook(k))
	o.Insns, o.Maps = insns, nil
	return &o
}

func forwardObject(k hookKind, ifindex [2]int, tag byte) *backend.Object {
	data, end, in, pass := int16(0), int16(4), int16(12), int32(2) // struct xdp_md, XDP_PASS
	if k == hookTC {
		data, end, in, pass = 76, 80, 40, 0 // struct __sk_buff, TC_ACT_OK
	}
	return object(k, asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, data, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, end, asm.Word),
		asm.LoadMem(asm.R6, asm.R1, in, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 60),
		asm.JGT.Reg(asm.R4, asm.R3, "pass"),
		asm.LoadMem(asm.R5, asm.R2, 12, asm.Half),
		asm.JNE.Imm(asm.R5, netnstest.EtherType<<8&0xff00|netnstest.EtherType>>8, "pass"),
		asm.StoreImm(asm.R2, tagAt, int64(tag), asm.Byte),
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Imm(asm.R1, int32(ifindex[1])),
		asm.JEq.Imm(asm.R6, int32(ifindex[0]), "send"),
		asm.Mov.Imm(asm.R1, int32(ifindex[0])),
		asm.FnRedirect.Call().WithSymbol("send"),
		asm.Return(),
		asm.Mov.Imm(asm.R0, pass).WithSymbol("pass"),
		asm.Return(),
	})
}

// empty is a core program without tables.
func empty() *ir.Program { return &ir.Program{Level: ir.Core, Arch: "v1model", Name: "empty"} }

func (b *bench) load(p *Plane, seq uint64, tag byte) {
	b.t.Helper()
	p.codegen = b.forward(tag)
	g, err := p.Prepare(dataplane.Config{Program: empty(), Sequence: seq, KeepState: true})
	netnstest.Check(b.t, err)
	netnstest.Check(b.t, g.Commit())
}

// flow sends numbered frames from the far end of port 0 to that of port 1.
func (b *bench) flow() *tagFlow {
	b.t.Helper()
	out, in := netnstest.Packets(b.t, b.far[0], "eth0"), netnstest.Packets(b.t, b.far[1], "eth0")
	f := &tagFlow{}
	f.Flow = netnstest.StartFlow(b.t, out, in, func(n uint64) []byte {
		return netnstest.Frame([6]byte{2, 0, 0, 0, 2, 1}, [6]byte{2, 0, 0, 0, 2, 0}, n)
	}, func(frame []byte) {
		tag := uint32(frame[tagAt])
		if tag < f.tag.Load() {
			f.back.Add(1)
		}
		f.tag.Store(tag)
	})
	return f
}

// tagFlow is a flow that looks at the tags of forward.
type tagFlow struct {
	*netnstest.Flow
	tag  atomic.Uint32 // of the last frame
	back atomic.Uint32 // frames with a lower tag than the one before
}

// noLoss ends a flow. Its frames have arrived once, and none met a generation
// older than the one that the frame before it met.
func noLoss(t *testing.T, f *tagFlow) {
	t.Helper()
	sent, lost, doubled := f.Stop()
	if lost != 0 || doubled != 0 {
		t.Errorf("of %d frames %d were lost and %d doubled", sent, lost, doubled)
	}
	if n := f.back.Load(); n != 0 {
		t.Errorf("%d frames went through a generation that had been replaced", n)
	}
	t.Logf("%d frames", sent)
}

var hookNames = []string{"tc", "xdp"}
