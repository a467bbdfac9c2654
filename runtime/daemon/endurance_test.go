package daemon

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// What the endurance test does, and how fast frames flow meanwhile.
const (
	enduranceKills = 20 // a quarter of it with -short
	enduranceLoads = 20
	framesPerMS    = 20 // 20,000 packets/s
)

// stampedFlow sends numbered UDP frames at a fixed rate and checks what arrives:
// each once, in order, with four equal stamps.
type stampedFlow struct {
	in       *netns.Packets
	stop     chan struct{}
	sent     chan uint64
	done     chan error
	next     uint64 // number expected
	lost     uint64
	reorder  uint64
	mixed    uint64
	versions map[uint16]uint64
}

// pinCPU keeps the calling thread on the first CPU that it may use.
func pinCPU() {
	var may, one unix.CPUSet
	if unix.SchedGetaffinity(0, &may) != nil {
		return
	}
	for i := 0; i < 1024; i++ {
		if may.IsSet(i) {
			one.Set(i)
			_ = unix.SchedSetaffinity(0, &one)
			return
		}
	}
}

// udpFrame is Ethernet, IPv4, UDP to port 7777, and the stamps_h of stamp.p4.
func udpFrame(number uint64) []byte {
	f := make([]byte, 14+20+8+16)
	copy(f, []byte{2, 0, 0, 0, 2, 2, 2, 0, 0, 0, 1, 2, 8, 0})
	ip := f[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	copy(ip[12:], []byte{10, 0, 1, 2, 10, 0, 2, 2})
	binary.BigEndian.PutUint16(ip[22:], 7777)
	binary.BigEndian.PutUint16(ip[24:], 24)
	binary.BigEndian.PutUint64(ip[28:], number)
	return f
}

func startStamped(out, in *netns.Packets) *stampedFlow {
	f := &stampedFlow{in: in, stop: make(chan struct{}), sent: make(chan uint64, 1), done: make(chan error, 2), versions: map[uint16]uint64{}}
	go func() {
		// A veth hands frames to the backlog of the CPU that sends: a sender that
		// moves between CPUs would reorder them before they reach the switch.
		runtime.LockOSThread()
		pinCPU()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		start, n := time.Now(), uint64(0)
		defer func() { f.sent <- n }()
		for {
			select {
			case <-f.stop:
				return
			case <-tick.C:
			}
			due := uint64(time.Since(start).Milliseconds()) * framesPerMS
			// After a pause of the machine catch up gently, not in one burst.
			for burst := 0; n < due && burst < 10*framesPerMS; burst++ {
				if out.Send(udpFrame(n)) != nil {
					return
				}
				n++
			}
		}
	}()
	go func() { f.done <- f.collect() }()
	return f
}

func (f *stampedFlow) collect() error {
	limit, quiet := ^uint64(0), time.Time{}
	for f.next < limit {
		frame, err := f.in.Recv(time.Now().Add(20 * time.Millisecond))
		if limit == ^uint64(0) {
			select {
			case limit = <-f.sent:
				quiet = time.Now().Add(3 * time.Second)
			default:
			}
		}
		if err != nil {
			if !quiet.IsZero() && time.Now().After(quiet) {
				break
			}
			continue
		}
		if len(frame) < 58 || frame[23] != 17 || binary.BigEndian.Uint16(frame[36:]) != 7777 {
			continue
		}
		s := frame[42:]
		number := binary.BigEndian.Uint64(s)
		switch {
		case number > f.next:
			f.lost += number - f.next
			f.next = number + 1
		case number < f.next:
			f.reorder++
		default:
			f.next++
		}
		v := binary.BigEndian.Uint16(s[8:])
		for i := 10; i <= 14; i += 2 {
			if binary.BigEndian.Uint16(s[i:]) != v {
				f.mixed++
				break
			}
		}
		f.versions[v]++
	}
	if limit != ^uint64(0) && limit > f.next {
		f.lost += limit - f.next
	}
	return nil
}

// TestEndurance: principle 5, D1, D3, D6 (op:SP1, op:SP2, op:SP3, op:SP5):
// numbered UDP flows while nicd is killed and restarted and changed programs are
// loaded; nothing is lost, reordered or seen by two programs, and every
// acknowledged entry and count is there.
func TestEndurance(t *testing.T) {
	for _, hook := range []string{"tc", "xdp"} {
		t.Run(hook, func(t *testing.T) { endurance(t, hook) })
	}
}

// few is n, or a quarter with -short, as in an emulated kernel.
func few(n int) int {
	if testing.Short() {
		return n / 4
	}
	return n
}

func endurance(t *testing.T, hook string) {
	netnstest.NeedBPF(t)
	net := newWires(t)
	d := newNicd(t, net.sw, "--port", "1=s1,hook="+hook, "--port", "2=s2,hook="+hook)
	programs := map[int]pipeline{}
	for v := 1; v <= 2; v++ {
		programs[v] = bundleOf(t, compileFile(t, "testdata/stamp.p4", fmt.Sprintf("VERSION=%d", v)))
	}
	d.start()
	c := d.client()
	netnstest.Check(t, d.load(c, programs[1], p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
	d.write(c, programs[1], p4.Update_INSERT, "wires port=1 to_port port=2", "wires port=2 to_port port=1")
	flow := startStamped(netnstest.Packets(t, net.h1, "eth0"), netnstest.Packets(t, net.h2, "eth0"))

	ballast := map[string]bool{}
	add := func(version, n int) {
		var lines []string
		for i := range 5 {
			l := fmt.Sprintf("ballast mac=02:00:00:00:%02x:%02x NoAction", n, i)
			lines = append(lines, l)
			ballast[l] = true
		}
		d.write(c, programs[version], p4.Update_INSERT, lines...)
	}
	check := func(version int, when string) {
		got := d.entries(c, programs[version], "ballast", false)
		if len(got) != len(ballast) {
			t.Errorf("%s: %d entries, want %d", when, len(got), len(ballast))
		}
		for l := range ballast {
			if _, ok := got[l]; !ok {
				t.Errorf("%s: acknowledged entry is gone: %s", when, l)
			}
		}
	}
	version := 1
	for i := range few(enduranceKills) {
		add(version, i)
		netnstest.Check(t, c.Conn.Close())
		d.kill()
		d.start()
		c = d.client()
		check(version, fmt.Sprintf("restart %d", i+1))
	}
	for i := range few(enduranceLoads) {
		version = 3 - version
		netnstest.Check(t, d.load(c, programs[version], p4.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT))
		add(version, enduranceKills+i)
		check(version, fmt.Sprintf("load %d", i+1))
	}
	// A load that fails leaves the old program and its entries.
	bad := programs[version]
	bad.raw = bad.raw[:len(bad.raw)/2]
	if err := d.load(c, bad, p4.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT); err == nil {
		t.Error("half a bundle was loaded")
	}
	check(version, "after a load that failed")

	close(flow.stop)
	netnstest.Check(t, <-flow.done)
	counts := d.entries(c, programs[version], "wires", true)
	total := flow.next
	t.Logf("%s: %d frames, %d lost, %d reordered, %d mixed; by program %v", hook, total, flow.lost, flow.reorder, flow.mixed, flow.versions)
	if flow.lost != 0 || flow.reorder != 0 || flow.mixed != 0 {
		t.Errorf("%d frames lost, %d reordered, %d saw two programs", flow.lost, flow.reorder, flow.mixed)
	}
	if len(flow.versions) != 2 {
		t.Errorf("programs seen: %v, want both", flow.versions)
	}
	for entry, n := range counts {
		if strings.Contains(entry, "port=1 ") && n != int64(total) {
			t.Errorf("%s counted %d frames over all restarts and loads, %d were sent", entry, n, total)
		}
	}
	netnstest.Check(t, c.Close())
	d.detach()
}

// wires is a switch namespace with a host on each of two ports.
type wires struct{ h1, h2, sw *netns.NS }

func newWires(t testing.TB) wires {
	t.Helper()
	w := wires{netnstest.NS(t), netnstest.NS(t), netnstest.NS(t)}
	for _, n := range []*netns.NS{w.h1, w.h2, w.sw} { // nothing but our frames
		netnstest.Check(t, n.Sysctl("net/ipv6/conf/default/disable_ipv6", "1"))
	}
	for i, h := range []*netns.NS{w.h1, w.h2} {
		netnstest.Veth(t, netns.End{NS: h, Name: "eth0", MAC: fmt.Sprintf("02:00:00:00:%02x:02", i+1), Addrs: []string{fmt.Sprintf("10.0.%d.2/24", i+1)}},
			netns.End{NS: w.sw, Name: fmt.Sprintf("s%d", i+1), Addrs: []string{fmt.Sprintf("10.0.%d.1/24", i+1)}})
		// What XDP sends to a veth needs NAPI there.
		netnstest.Check(t, h.SetFeature("eth0", netns.GRO, true))
	}
	return w
}
