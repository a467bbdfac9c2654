package daemon

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	sdwan "github.com/p4nic/p4nic/docs/examples/sdwan/controller"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
)

// What the rerouting test does: a prefix moves round a ring of next hops, which
// differ in the MAC that packets leave with, so that a frame shows which one it
// took.
const (
	reroutes    = 1000
	ring        = 128      // a frame may wait for half a round and still be judged
	ahead       = ring / 4 // changes that may be made while the oldest frame waits
	inFlight    = 128      // frames, but for those of one tick
	reroutePort = 7778
)

// TestReroute: gribi:GR17: 1,000 route changes over gRIBI under a stream of
// packets: none that was sent after a change was acknowledged takes an older
// way, none is lost, and gNMI counts them all within two intervals.
func TestReroute(t *testing.T) {
	for _, c := range []struct {
		name  string
		flags []string
		bpf   bool
	}{
		{"sim", []string{"--engine", "sim", "--port", "1=s1", "--port", "2=s2"}, false},
		{"tc", []string{"--port", "1=s1,hook=tc", "--port", "2=s2,hook=tc"}, true},
		{"xdp", []string{"--port", "1=s1,hook=xdp", "--port", "2=s2,hook=xdp"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.bpf {
				netnstest.NeedBPF(t)
			}
			reroute(t, c.flags)
		})
	}
}

func reroute(t *testing.T, flags []string) {
	net := newWires(t)
	config := filepath.Join(t.TempDir(), "nicd.yaml")
	netnstest.Check(t, os.WriteFile(config, []byte("network-instances:\n  - {name: DEFAULT, id: 0}\n"), 0o600))
	d := newNicd(t, net.sw, append([]string{"--config", config}, flags...)...)
	d.start()
	c := d.client()
	router := bundleOf(t, compileFile(t, "../../p4src/router.p4"))
	netnstest.Check(t, d.load(c, router, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
	d.write(c, router, p4.Update_INSERT,
		"interfaces port=1 vlan=0 set_interface vrf=0 mac=02:00:00:00:01:01",
		"egress_interfaces port=2 vlan=0 set_source mac=02:00:00:00:02:01")
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute) // on an emulated machine
	defer cancel()
	in, err := sdwan.NewInjector(ctx, c.Conn, 1)
	netnstest.Check(t, err)
	defer in.Close()
	for i := range ring {
		netnstest.Check(t, in.AddNextHop(ctx, sdwan.NextHop{
			Index: uint64(i + 1), Address: fmt.Sprintf("10.0.2.%d", 100+i), Interface: "s2", MAC: fmt.Sprintf("02:aa:00:00:00:%02x", i),
		}))
	}
	netnstest.Check(t, in.Route(ctx, "198.51.100.0/24", 1))

	f := &routedFlow{out: netnstest.Packets(t, net.h1, "eth0"), in: netnstest.Packets(t, net.h2, "eth0"), stop: make(chan struct{}), done: make(chan error, 2)}
	go f.send()
	go f.receive()
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for i := 1; i <= few(reroutes); i++ {
		for first := true; first || uint32(i) > f.seen.Load()+ahead; first = false {
			select {
			case <-pace.C: // some frames between two changes
			case <-ctx.Done():
				t.Fatalf("change %d: the last frame that arrived was sent after change %d", i, f.seen.Load())
			}
		}
		netnstest.Check(t, in.Route(ctx, "198.51.100.0/24", uint64(i%ring+1)))
		f.acknowledged.Store(uint32(i))
	}
	close(f.stop)
	netnstest.Check(t, <-f.done)
	netnstest.Check(t, <-f.done)
	sent := f.sent.Load()
	t.Logf("%d frames under %d changes: %d lost, %d took an older way", sent, few(reroutes), sent-f.received.Load(), f.old)
	if f.received.Load() != sent || f.old != 0 {
		t.Errorf("%d of %d frames arrived, %d took an older way than was acknowledged", f.received.Load(), sent, f.old)
	}
	if sent < uint64(few(reroutes)) {
		t.Errorf("only %d frames were sent", sent)
	}
	readings := 0
	var last uint64
	watch, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	err = sdwan.Watch(watch, c.Conn, "s2", "out-pkts", 200*time.Millisecond, func(r sdwan.Reading) {
		if readings, last = readings+1, r.Packets; last == sent || readings == 3 {
			stop()
		}
	})
	if last != sent {
		t.Errorf("gNMI counts %d packets out after %d readings, %d were sent (%v)", last, readings, sent, err)
	}
	netnstest.Check(t, c.Close())
	d.detach()
}

// routedFlow is a stream of frames that carry how many changes were acknowledged
// when they were sent.
type routedFlow struct {
	out, in      *netns.Packets
	stop         chan struct{}
	done         chan error
	acknowledged atomic.Uint32
	seen         atomic.Uint32 // acknowledged of the last frame that arrived
	sent         atomic.Uint64
	finished     atomic.Bool
	received     atomic.Uint64
	old          uint64
}

// frame is a valid UDP packet to the prefix.
func (f *routedFlow) frame(acknowledged uint32) []byte {
	b := make([]byte, 14+20+8+4)
	copy(b, []byte{2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 1, 2, 8, 0})
	ip := b[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	copy(ip[12:], []byte{10, 0, 1, 2, 198, 51, 100, 1})
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum))
	binary.BigEndian.PutUint16(ip[22:], reroutePort)
	binary.BigEndian.PutUint16(ip[24:], 12)
	binary.BigEndian.PutUint32(ip[28:], acknowledged)
	return b
}

// send goes on at about 20,000 frames a second.
func (f *routedFlow) send() {
	runtime.LockOSThread() // ends with the goroutine
	pinCPU()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	defer f.finished.Store(true)
	for {
		select {
		case <-f.stop:
			f.done <- nil
			return
		case <-tick.C:
		}
		if f.sent.Load() > f.received.Load()+inFlight {
			continue // a slow switch: what waits too long cannot be judged
		}
		for range framesPerMS {
			if err := f.out.Send(f.frame(f.acknowledged.Load())); err != nil {
				f.done <- err
				return
			}
			f.sent.Add(1)
		}
	}
}

// receive ends when all frames are there, or none has come for a while.
func (f *routedFlow) receive() {
	quiet := time.Now()
	for !f.finished.Load() || f.received.Load() < f.sent.Load() {
		frame, err := f.in.Recv(time.Now().Add(20 * time.Millisecond))
		if err != nil {
			if f.finished.Load() && time.Since(quiet) > 3*time.Second {
				break
			}
			continue
		}
		if len(frame) < 46 || frame[23] != 17 || binary.BigEndian.Uint16(frame[36:]) != reroutePort {
			continue
		}
		quiet = time.Now()
		f.received.Add(1)
		acknowledged := binary.BigEndian.Uint32(frame[42:])
		f.seen.Store(acknowledged)
		// Later changes may be in force already; half the ring is later, half older.
		if (uint32(frame[5])-acknowledged)%ring >= ring/2 {
			f.old++
		}
	}
	f.done <- nil
}
