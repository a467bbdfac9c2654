package daemon

import (
	"bytes"
	"context"
	"encoding/hex"
	"testing"
	"time"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"

	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/nicdpb"
)

// controller is a primary with its stream.
type controller struct {
	t      *testing.T
	c      *p4rtclient.Client
	stream p4.P4Runtime_StreamChannelClient
	cancel context.CancelFunc
	in     chan *p4.StreamMessageResponse
	early  []byte // payload of a packet-in that may come first
}

func newController(t *testing.T, d *nicd, election uint64) *controller {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	k := &controller{t: t, c: d.client(), cancel: cancel, in: make(chan *p4.StreamMessageResponse, 100)}
	var err error
	k.stream, err = k.c.P4RT.StreamChannel(ctx)
	netnstest.Check(t, err)
	go func() {
		defer close(k.in)
		for {
			m, err := k.stream.Recv()
			if err != nil {
				return
			}
			k.in <- m
		}
	}()
	k.send(&p4.StreamMessageRequest{Update: &p4.StreamMessageRequest_Arbitration{
		Arbitration: &p4.MasterArbitrationUpdate{DeviceId: 1, ElectionId: &p4.Uint128{Low: election}}}})
	if code := codes.Code(k.next().GetArbitration().GetStatus().GetCode()); code != codes.OK {
		t.Fatalf("arbitration: %v", code)
	}
	return k
}

func (k *controller) close() {
	k.cancel()
	netnstest.Check(k.t, k.c.Close())
}

func (k *controller) send(m *p4.StreamMessageRequest) {
	k.t.Helper()
	netnstest.Check(k.t, k.stream.Send(m))
}

func (k *controller) packetOut(port string, again string, payload []byte) {
	k.t.Helper()
	k.send(&p4.StreamMessageRequest{Update: &p4.StreamMessageRequest_Packet{Packet: &p4.PacketOut{Payload: payload,
		Metadata: []*p4.PacketMetadata{{MetadataId: 1, Value: []byte(port)}, {MetadataId: 2, Value: []byte(again)}}}}})
}

func (k *controller) next() *p4.StreamMessageResponse {
	k.t.Helper()
	select {
	case m, ok := <-k.in:
		if ok {
			return m
		}
		k.t.Fatal("the stream ended")
	case <-time.After(10 * time.Second):
		k.t.Fatal("no message")
	}
	return nil
}

// packetIn reads the next packet-in, metadata as hex words.
func (k *controller) packetIn(metadata string, payload []byte) {
	k.t.Helper()
	p := k.next().GetPacket()
	if k.early != nil && bytes.Equal(p.GetPayload(), k.early) {
		p = k.next().GetPacket()
	}
	k.early = nil
	got := ""
	for _, m := range p.GetMetadata() {
		got += hex.EncodeToString(m.GetValue()) + " "
	}
	if got != metadata+" " || !bytes.Equal(p.GetPayload(), payload) {
		k.t.Errorf("packet-in %s%x\nwant %s %x", got, p.GetPayload(), metadata, payload)
	}
}

// TestPacketIO: p4rt:PK1-PK3, F17, D8 with a real nicd: packets of the network at
// the controller, packets of the controller in the network; after a crash too.
func TestPacketIO(t *testing.T) {
	program := bundleOf(t, compileFile(t, "../dataplane/testdata/packetio.p4"))
	for _, e := range []struct {
		name string
		args []string
	}{
		{"sim", []string{"--engine", "sim", "--port", "1=s1", "--port", "2=s2"}},
		{"tc", []string{"--port", "1=s1,hook=tc", "--port", "2=s2,hook=tc"}},
		{"xdp", []string{"--port", "1=s1,hook=xdp", "--port", "2=s2,hook=xdp"}},
	} {
		t.Run(e.name, func(t *testing.T) {
			if e.name != "sim" {
				netnstest.NeedBPF(t)
			}
			net := newWires(t)
			d := newNicd(t, net.sw, e.args...)
			h1, h2 := netnstest.Packets(t, net.h1, "eth0"), netnstest.Packets(t, net.h2, "eth0")
			frame := func(last byte, n uint64) []byte {
				return netnstest.Frame([6]byte{2, 0, 0, 0, 0, last}, [6]byte{2, 0, 0, 0, 0, 1}, n)
			}
			arrives := func(p *netns.Packets, want []byte) {
				t.Helper()
				for deadline := time.Now().Add(10 * time.Second); ; {
					f, err := p.Recv(deadline)
					netnstest.Check(t, err)
					if bytes.Equal(f, want) {
						return
					}
				}
			}
			d.start()
			c := d.client()
			netnstest.Check(t, d.load(c, program, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
			d.write(c, program, p4.Update_INSERT, "l2 dst=02:00:00:00:00:99 forward port=2")
			// Nobody is primary: no harm done. It may still wait in a queue when somebody
			// becomes primary, who gets it then.
			early := frame(0x55, 0)
			netnstest.Check(t, h1.Send(early))
			netnstest.Check(t, c.Close())
			for life := range uint64(2) {
				k := newController(t, d, 10+life)
				k.early = early
				netnstest.Check(t, h1.Send(frame(0x55, 1)))
				k.packetIn("01 05 0a 3c", frame(0x55, 1))
				netnstest.Check(t, h2.Send(frame(0x55, 2)))
				k.packetIn("02 05 0a 3c", frame(0x55, 2))
				k.packetOut("\x02", "\x00", frame(0x77, 3))
				arrives(h2, frame(0x77, 3))
				k.packetOut("\x00", "\x01", frame(0x55, 4))
				k.packetIn("01fe 05 0a 3e", frame(0x55, 4))
				k.packetOut("\x00", "\x01", frame(0x99, 5))
				arrives(h2, frame(0x99, 5))
				k.packetOut("\x02", "", nil)
				if err := k.next().GetError(); codes.Code(err.GetCanonicalCode()) != codes.OutOfRange {
					t.Errorf("got %v", err)
				}
				k.close()
				if life == 0 {
					d.kill()
					if e.name != "sim" {
						// The datapath goes on; what is for the controller is dropped.
						netnstest.Check(t, h1.Send(frame(0x55, 6)))
						netnstest.Check(t, h1.Send(frame(0x99, 7)))
						arrives(h2, frame(0x99, 7))
					}
					d.start()
				}
			}
			// p4rt:PK3: without a primary packets are dropped, and the operator sees it.
			c = d.client()
			defer c.Close()
			var st *nicdpb.CPUPort
			netnstest.Eventually(t, 10*time.Second, "a packet without a primary is counted", func() bool {
				netnstest.Check(t, h1.Send(frame(0x55, 8)))
				r, err := nicdpb.NewNicdClient(c.Conn).Status(t.Context(), &nicdpb.StatusRequest{})
				netnstest.Check(t, err)
				st = r.GetCpuPort()
				return st.GetNoPrimary() > 0
			})
			if st.GetProblem() != "" || st.GetPacketIns() < 3 || st.GetPacketOuts() != 3 || st.GetRefused() != 1 || st.GetSlowClient()+st.GetMalformed()+st.GetPortDrops() != 0 {
				t.Errorf("status: %v", st)
			}
			d.detach()
		})
	}
}
