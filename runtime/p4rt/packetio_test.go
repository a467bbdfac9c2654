package p4rt

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/store"
)

// cable is a CPU port: what comes out of it is kept, what goes in is the test's.
type cable struct {
	mu      sync.Mutex
	receive func([]byte)
	out     [][]byte
	err     error // of the next PacketOut
	connect error // of SetPacketIn
}

func (c *cable) SetPacketIn(f func([]byte)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f != nil && c.connect != nil {
		return c.connect
	}
	c.receive = f
	return nil
}

func (c *cable) PacketOut(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.err
	c.err = nil
	if err == nil {
		c.out = append(c.out, bytes.Clone(frame))
	}
	return err
}

func (c *cable) CPUStats() (dataplane.Stats, error) { return dataplane.Stats{}, nil }

func (c *cable) in(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.receive(frame)
}

// sent is the frames since the last call.
func (c *cable) sent() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := ""
	for _, f := range c.out {
		s += hex.EncodeToString(f) + " "
	}
	c.out = nil
	return s
}

// packetBundle compiles packetio.p4.
func packetBundle(t testing.TB) []byte {
	t.Helper()
	res, err := driver.Compile(driver.Options{Path: "../dataplane/testdata/packetio.p4"})
	if err != nil || res.Core == nil {
		t.Fatalf("packetio.p4: %v", err)
	}
	raw, err := res.Bundle("test")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// packetRig is a server with packetio.p4 and a primary.
func packetRig(t testing.TB, set bool) (*rig, *cable, *session) {
	t.Helper()
	c := &cable{}
	r := newRig(t, func(o *Options) { o.Load = nil; o.Packets = c })
	r.stop()
	r.sopts.Load = func(c store.Config) (*ir.Program, error) {
		_, p, err := LoadBundle(c.Device)
		return p, err
	}
	r.start()
	s := r.primary()
	if set {
		r.setBundle(packetBundle(t))
	}
	return r, c, s
}

func (r *rig) setBundle(raw []byte) {
	r.t.Helper()
	info, _, err := LoadBundle(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = r.client.SetForwardingPipelineConfig(r.t.Context(), &setRequest{DeviceId: 1, ElectionId: eid(1),
		Action: p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, Config: &p4v1.ForwardingPipelineConfig{P4Info: info, P4DeviceConfig: raw}})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (c *session) packetOut(m *p4v1.PacketOut) {
	c.t.Helper()
	if err := c.s.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Packet{Packet: m}}); err != nil {
		c.t.Fatal(err)
	}
}

// fence waits until the server has handled all messages before it: it answers
// one that is always refused. Other messages that come first are given back.
func (c *session) fence() []*p4v1.StreamMessageResponse {
	c.t.Helper()
	mark := &p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Other{Other: &anypb.Any{TypeUrl: "test/fence"}}}
	if err := c.s.Send(mark); err != nil {
		c.t.Fatal(err)
	}
	var out []*p4v1.StreamMessageResponse
	for {
		m, err := c.s.Recv()
		if err != nil {
			c.t.Fatal(err)
		}
		if m.GetError().GetOther() != nil {
			return out
		}
		out = append(out, m)
	}
}

func metadata(kv ...any) []*p4v1.PacketMetadata {
	var out []*p4v1.PacketMetadata
	for i := 0; i < len(kv); i += 2 {
		out = append(out, &p4v1.PacketMetadata{MetadataId: uint32(kv[i].(int)), Value: []byte(kv[i+1].(string))})
	}
	return out
}

// TestPacketOut: what enters the pipeline, and what is refused with what words;
// a refusal changes nothing and the stream stays.
func TestPacketOut(t *testing.T) {
	r, c, s := packetRig(t, true)
	sent := uint64(0)
	for _, tc := range []struct {
		name string
		m    *p4v1.PacketOut
		err  error  // of the engine
		want string // the frame
		code codes.Code
		text string
	}{
		// egress_port 9 bits, to_ingress 1 bit, pad 6 bits.
		{name: "p4rt:PK2 canonical", m: &p4v1.PacketOut{Metadata: metadata(1, "\x02", 2, "\x00", 3, "\x00"), Payload: []byte("payload")}, want: "0100" + hex.EncodeToString([]byte("payload"))},
		{name: "p4rt:PK5 all bits", m: &p4v1.PacketOut{Metadata: metadata(1, "\x01\xff", 2, "\x01", 3, "\x3f"), Payload: []byte{7}}, want: "ffff07"},
		{name: "p4rt:PK2 any order, padded values", m: &p4v1.PacketOut{Metadata: metadata(3, "\x00", 2, "\x00\x00\x01", 1, "\x00\x00\x01\x01"), Payload: []byte{7}}, want: "80c007"},
		{name: "@padding left out", m: &p4v1.PacketOut{Metadata: metadata(1, "\x02", 2, "\x01"), Payload: []byte{7}}, want: "014007"},
		{name: "p4rt:PK7 no payload", m: &p4v1.PacketOut{Metadata: metadata(1, "\x02", 2, "\x00")}, want: "0100"},
		{name: "p4rt:PK2 missing", m: &p4v1.PacketOut{Metadata: metadata(1, "\x02"), Payload: []byte{7}},
			code: codes.InvalidArgument, text: "packet-out: metadata to_ingress (id 2) is missing"},
		{name: "p4rt:PK2 unknown", m: &p4v1.PacketOut{Metadata: metadata(1, "\x02", 2, "\x00", 9, "\x00")},
			code: codes.InvalidArgument, text: "packet-out: metadata_id 9 is unknown"},
		{name: "p4rt:PK2 id 0", m: &p4v1.PacketOut{Metadata: metadata(1, "\x02", 2, "\x00", 0, "\x00")},
			code: codes.InvalidArgument, text: "packet-out: metadata_id 0 is unknown"},
		{name: "p4rt:PK2 twice", m: &p4v1.PacketOut{Metadata: metadata(1, "\x02", 2, "\x00", 1, "\x02")},
			code: codes.InvalidArgument, text: "packet-out: metadata egress_port (id 1) is given twice"},
		{name: "p4rt:B11 too wide", m: &p4v1.PacketOut{Metadata: metadata(1, "\x02\x00", 2, "\x00")},
			code: codes.OutOfRange, text: "packet-out: metadata egress_port: 0x0200 does not fit bit<9>"},
		{name: "p4rt:B3 empty value", m: &p4v1.PacketOut{Metadata: metadata(1, "", 2, "\x00")},
			code: codes.OutOfRange, text: "packet-out: metadata egress_port: (empty) does not fit bit<9>"},
		{name: "p4rt:PK8 too long", m: &p4v1.PacketOut{Metadata: metadata(1, "\x02", 2, "\x00")}, err: &dataplane.FrameSize{Length: 70000, Max: 65535},
			code: codes.InvalidArgument, text: "packet-out: a packet of 70000 bytes, headers for the pipeline included: the CPU port takes 65535 at most"},
		{name: "the engine fails", m: &p4v1.PacketOut{Metadata: metadata(1, "\x02", 2, "\x00")}, err: errors.New("the device is gone"),
			code: codes.Unavailable, text: "packet-out: the device is gone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.err = tc.err
			s.packetOut(tc.m)
			got := s.fence()
			want := ""
			if tc.want != "" {
				sent++
				want = tc.want + " "
			}
			if f := c.sent(); f != want {
				t.Errorf("the pipeline got %q, want %q", f, want)
			}
			switch {
			case tc.code == codes.OK && len(got) > 0:
				t.Errorf("answered %v", got)
			case tc.code != codes.OK && len(got) != 1:
				t.Fatalf("answers: %v", got)
			case tc.code != codes.OK:
				e := got[0].GetError()
				if codes.Code(e.GetCanonicalCode()) != tc.code || e.GetMessage() != tc.text {
					t.Errorf("p4rt:SE1: %v %q\nwant %v %q", codes.Code(e.GetCanonicalCode()), e.GetMessage(), tc.code, tc.text)
				}
				if !proto.Equal(e.GetPacketOut().GetPacketOut(), tc.m) {
					t.Errorf("p4rt:SE1: the error is about %v", e.GetPacketOut())
				}
			}
		})
	}
	if n := r.server.PacketCounts(); n.Out != sent || n.Refused != 8 {
		t.Errorf("counts %+v, want %d out", n, sent)
	}
}

// TestPacketOutRefused: p4rt:PK3 and what a server without pipeline or CPU port
// says.
func TestPacketOutRefused(t *testing.T) {
	m := &p4v1.PacketOut{Metadata: metadata(1, "\x02", 2, "\x00"), Payload: bytes.Repeat([]byte{1}, 20000)}
	refused := func(t *testing.T, s *session, code codes.Code, text string) {
		t.Helper()
		s.packetOut(m)
		got := s.fence()
		if len(got) != 1 {
			t.Fatalf("answers: %v", got)
		}
		if e := got[0].GetError(); codes.Code(e.GetCanonicalCode()) != code || e.GetMessage() != text || e.GetPacketOut() == nil || e.GetPacketOut().GetPacketOut() != nil {
			t.Errorf("answered %v\nwant %v %q", e, code, text)
		}
	}
	t.Run("no pipeline", func(t *testing.T) {
		_, _, s := packetRig(t, false)
		refused(t, s, codes.FailedPrecondition, "No forwarding pipeline config set for device 1")
	})
	t.Run("p4rt:PK3 not primary", func(t *testing.T) {
		r, c, _ := packetRig(t, true)
		b := r.session()
		b.arbitrate(nil)
		b.expect(codes.AlreadyExists, eid(1))
		refused(t, b, codes.PermissionDenied, "packet-out: this client is not primary")
		if f := c.sent(); f != "" {
			t.Errorf("the pipeline got %s", f)
		}
	})
	t.Run("no CPU port", func(t *testing.T) {
		r := newRig(t)
		refused(t, r.primary(), codes.Unimplemented, "packet-out: this engine has no CPU port")
	})
	t.Run("CPU port in trouble", func(t *testing.T) {
		c := &cable{connect: errors.New("no tap device")}
		r := newRig(t, func(o *Options) { o.Packets = c })
		refused(t, r.primary(), codes.Unavailable, "packet-out: no tap device")
	})
}

// TestPacketIn: p4rt:PK1: metadata exactly, canonical; to the primaries of all
// roles, to nobody else.
func TestPacketIn(t *testing.T) {
	r, c, s := packetRig(t, true)
	backup, other, otherBackup := r.session(), r.session(), r.session()
	backup.arbitrate(nil)
	backup.expect(codes.AlreadyExists, eid(1))
	for i, o := range []*session{other, otherBackup} {
		o.send(&p4v1.MasterArbitrationUpdate{DeviceId: 1, ElectionId: eid(uint64(9 - i)), Role: &p4v1.Role{Name: "monitor"}})
		o.expect([]codes.Code{codes.OK, codes.AlreadyExists}[i], eid(9))
	}
	for _, tc := range []struct{ name, frame, want string }{
		{"zeros", "00000000", `packet{metadata{metadata_id:1 value:"\x00"} metadata{metadata_id:2 value:"\x00"} metadata{metadata_id:3 value:"\x00"} metadata{metadata_id:4 value:"\x00"}}`},
		{"all bits", "ffffffff61", `packet{payload:"a" metadata{metadata_id:1 value:"\x01\xff"} metadata{metadata_id:2 value:"\x07"} metadata{metadata_id:3 value:"\x0f"} metadata{metadata_id:4 value:"\xff\xff"}}`},
		{"p4rt:PK5 port 1, reason 5, queue 10, length 60", "00da003c6162", `packet{payload:"ab" metadata{metadata_id:1 value:"\x01"} metadata{metadata_id:2 value:"\x05"} metadata{metadata_id:3 value:"\x0a"} metadata{metadata_id:4 value:"\x3c"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			frame, err := hex.DecodeString(tc.frame)
			if err != nil {
				t.Fatal(err)
			}
			want := &p4v1.StreamMessageResponse{}
			if err := prototext.Unmarshal([]byte(tc.want), want); err != nil {
				t.Fatal(err)
			}
			c.in(frame)
			for _, p := range []*session{s, other} {
				if got, err := p.s.Recv(); err != nil || !proto.Equal(got, want) {
					t.Errorf("got %v, %v\nwant %v", got, err, want)
				}
			}
		})
	}
	c.in([]byte{1, 2, 3}) // shorter than the header
	for _, p := range []*session{s, backup, other, otherBackup} {
		if got := p.fence(); len(got) > 0 {
			t.Errorf("unexpected: %v", got)
		}
	}
	if n, want := r.server.PacketCounts(), (PacketCounts{In: 6, Malformed: 1}); n != want {
		t.Errorf("counts %+v, want %+v", n, want)
	}
	// Nobody is primary: dropped and counted.
	s.cancel()
	other.cancel()
	s.expectEnd(codes.Canceled, "")
	other.expectEnd(codes.Canceled, "")
	backup.expect(codes.NotFound, eid(1))
	otherBackup.expect(codes.NotFound, eid(9))
	c.in(make([]byte, 60))
	if n := r.server.PacketCounts(); n.NoPrimary != 1 {
		t.Errorf("counts %+v", n)
	}
	// p4rt:A17: the next primary gets them.
	backup.arbitrate(eid(2))
	backup.expect(codes.OK, eid(2))
	c.in(make([]byte, 60))
	if got, err := backup.s.Recv(); err != nil || len(got.GetPacket().GetPayload()) != 56 {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestPacketHeaders: p4rt:PK4, F17: without controller headers bytes are what
// they are; the layout is that of the pipeline that runs.
func TestPacketHeaders(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Packets = &cable{} })
	c := r.opts.Packets.(*cable)
	s := r.primary()
	c.in(make([]byte, 60)) // before any pipeline
	if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, ""); err != nil {
		t.Fatal(err)
	}
	s.packetOut(&p4v1.PacketOut{Payload: []byte("abc")})
	s.packetOut(&p4v1.PacketOut{Payload: []byte("abc"), Metadata: metadata(1, "\x01")})
	got := s.fence()
	if len(got) != 1 || got[0].GetError().GetMessage() != "packet-out: metadata_id 1: the pipeline has no packet_out header, so a packet has no metadata" {
		t.Errorf("answers %v", got)
	}
	if f := c.sent(); f != "616263 " {
		t.Errorf("the pipeline got %s", f)
	}
	c.in([]byte("xyz"))
	if got, err := s.s.Recv(); err != nil || string(got.GetPacket().GetPayload()) != "xyz" || got.GetPacket().GetMetadata() != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if n := r.server.PacketCounts(); n.Malformed != 1 || n.In != 1 {
		t.Errorf("counts %+v", n)
	}
}

// TestSlowController: p4rt:PK6: a primary that does not read holds nobody up; of
// what it misses it is told by the counts, and the first packets are kept.
func TestSlowController(t *testing.T) {
	r, c, s := packetRig(t, true)
	const flood = 20000
	frame := make([]byte, 1004)
	for i := range flood {
		frame[4], frame[5] = byte(i>>8), byte(i)
		c.in(frame)
	}
	n := r.server.PacketCounts()
	if n.Slow == 0 || n.In+n.Slow != flood || n.In < maxPacketsWaiting {
		t.Errorf("counts %+v of %d packets", n, flood)
	}
	r.mustWrite() // others are served
	for i := range n.In {
		m, err := s.s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if p := m.GetPacket().GetPayload(); i < maxPacketsWaiting && (len(p) != 1000 || int(p[0])<<8|int(p[1]) != int(i)) {
			t.Fatalf("packet %d starts with %x", i, p[:2])
		}
	}
	if got := s.fence(); len(got) > 0 {
		t.Errorf("%d messages more than were queued", len(got))
	}
}

// TestQueueOrder: p4rt:SE3: arbitration first, stream errors last; who is not
// primary any more gets no packets.
func TestQueueOrder(t *testing.T) {
	packet := &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Packet{Packet: &p4v1.PacketIn{Payload: make([]byte, 4000)}}}
	st := newStream()
	st.push(&p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Error{Error: &p4v1.StreamError{}}})
	n := 0
	for st.pushPacket(packet) {
		n++
	}
	if n != maxPacketsWaiting {
		t.Errorf("%d packets wait", n)
	}
	st.push(st.answer(&store.Election{}, codes.OK))
	order, packets := "", 0
	for q := st.take(); q != nil; q = st.take() {
		for _, m := range q {
			kind := fmt.Sprintf("%T ", m.GetUpdate())
			if m.GetPacket() != nil {
				packets++
				if packets > 1 {
					continue
				}
			}
			order += kind
		}
	}
	if want := "*v1.StreamMessageResponse_Arbitration *v1.StreamMessageResponse_Packet *v1.StreamMessageResponse_Error "; order != want || packets != n || st.packets != 0 {
		t.Errorf("%s, %d packets, %d bytes left", order, packets, st.packets)
	}
	big := &p4v1.StreamMessageResponse{Update: &p4v1.StreamMessageResponse_Packet{Packet: &p4v1.PacketIn{Payload: make([]byte, maxBytesWaiting/2)}}}
	for i, want := range []bool{true, true, false} {
		if st.pushPacket(big) != want {
			t.Errorf("packet %d: bytes that wait are not bounded", i)
		}
	}
	st.push(st.answer(&store.Election{}, codes.AlreadyExists))
	if q := st.take(); len(q) != 1 || st.take() != nil || st.packets != 0 {
		t.Error("packets wait for a backup")
	}
}

// TestPacketLayoutRefused: p4rt:I4, X1, B7: what P4Info may say of controller headers.
func TestPacketLayoutRefused(t *testing.T) {
	raw := packetBundle(t)
	_, prog, err := LoadBundle(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		change func(*p4configv1.P4Info)
		want   string
	}{
		{"as compiled", func(*p4configv1.P4Info) {}, ""},
		{"another name", func(i *p4configv1.P4Info) { i.ControllerPacketMetadata[0].Preamble.Name = "digest" },
			"controller header digest: packet_in and packet_out are what there is"},
		{"twice", func(i *p4configv1.P4Info) {
			i.ControllerPacketMetadata = append(i.ControllerPacketMetadata, i.ControllerPacketMetadata[1])
		}, "controller header packet_out is there twice"},
		{"id twice", func(i *p4configv1.P4Info) { i.ControllerPacketMetadata[0].Metadata[1].Id = 1 },
			"controller header packet_in: field reason: id 1 is zero or used twice"},
		{"another width", func(i *p4configv1.P4Info) { i.ControllerPacketMetadata[0].Metadata[1].Bitwidth = 4 },
			"controller header packet_in: field reason: P4Info has 4 bits, the program 3"},
		{"a field less", func(i *p4configv1.P4Info) {
			m := i.ControllerPacketMetadata[0]
			m.Metadata = m.Metadata[:3]
		}, "controller header packet_in: P4Info has 3 fields and lacks length of the program's"},
		{"a field more", func(i *p4configv1.P4Info) {
			m := i.ControllerPacketMetadata[0]
			m.Metadata = append(m.Metadata, &p4configv1.ControllerPacketMetadata_Metadata{Id: 9, Name: "more", Bitwidth: 8})
		}, "controller header packet_in: P4Info has 5 fields, which are more than the program's"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			info, _, err := LoadBundle(raw)
			if err != nil {
				t.Fatal(err)
			}
			tc.change(info)
			b := &binding{info: info}
			if err := b.packetLayouts(prog); tc.want == "" && err != nil || tc.want != "" && (err == nil || err.Error() != tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	// What P4Info hides keeps its place.
	fields := []ir.Field{{Name: "a", Type: &ir.Bit{W: 3}}, {Name: "b", Type: &ir.Bit{W: 5}, Annos: []ir.Annotation{{Name: "hidden"}}}, {Name: "c", Type: &ir.Bit{W: 4}}}
	l, err := (&binding{}).packetLayout("packet_out", []*p4configv1.ControllerPacketMetadata_Metadata{{Id: 1, Name: "a", Bitwidth: 3}, {Id: 2, Name: "c", Bitwidth: 4}}, fields)
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.encode(&p4v1.PacketOut{Metadata: metadata(1, "\x07", 2, "\x09"), Payload: []byte{0x55}})
	if err != nil || hex.EncodeToString(f) != "e09055" {
		t.Errorf("p4rt:PK5: %x, %v", f, err)
	}
}

// FuzzPacketLayout: what is decoded encodes to the same bytes, whatever the
// widths.
func FuzzPacketLayout(f *testing.F) {
	f.Add([]byte{9, 1, 6}, []byte{1, 2, 3})
	f.Add([]byte{9, 3, 5, 128, 33}, bytes.Repeat([]byte{0xa5}, 40))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, widths, frame []byte) {
		l := &packetLayout{name: "packet_out"}
		for i, w := range widths {
			if w == 0 || i > 20 {
				return
			}
			l.fields = append(l.fields, packetField{id: uint32(i + 1), width: int(w)})
			l.bits += int(w)
		}
		in, ok := l.decode(frame)
		if !ok {
			if len(frame) >= l.size() {
				t.Fatalf("%d bytes are too few for %d bits", len(frame), l.bits)
			}
			return
		}
		out, err := l.encode(&p4v1.PacketOut{Metadata: in.GetMetadata(), Payload: in.GetPayload()})
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Clone(frame)
		if rest := l.bits % 8; rest != 0 {
			want[l.size()-1] &^= 0xff >> rest // what fills the last byte up is no field
		}
		if !bytes.Equal(out, want) {
			t.Fatalf("%x became %x", want, out)
		}
	})
}

// TestPacketsEnd: Close gives the CPU port back.
func TestPacketsEnd(t *testing.T) {
	r, c, s := packetRig(t, true)
	r.server.Close()
	if c.receive != nil {
		t.Error("the CPU port is still connected")
	}
	if _, err := s.s.Recv(); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("the stream goes on: %v", err)
	}
}
