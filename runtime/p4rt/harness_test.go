package p4rt

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/store"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

// Ids of infoOf: tables and actions count from 1 in order of declaration.
const (
	idExact = 0x02000001 + iota
	idACL
	idRoutes
	idConst
	idInit
	idKeyless
	idTheConst
)

const (
	idNoAction = 0x01000001 + iota
	idSet
	idDrop
	idDefaultOnly
	idTableOnly
)

const (
	idCells   = 0x12000001
	idUnknown = 0x02ffffff
)

// Ids of the program "objects".
const (
	idSelected = 0x02000001 + iota
	idVia
	idMetered
)

const (
	idSelector = 0x11000001
	idProfile  = 0x11000002
	idMeter    = 0x14000001
	idRegister = 0x16000001
	idPairs    = 0x16000002
	idValueSet = 0x03000001
	idDigest   = 0x17000001
)

// infoOf makes the P4Info of a program of storetest.
func infoOf(p *ir.Program) *p4configv1.P4Info {
	info := &p4configv1.P4Info{PkgInfo: &p4configv1.PkgInfo{Arch: "v1model", Name: p.Name}}
	ids := map[*ir.Action]uint32{}
	for i, a := range p.Actions {
		ids[a] = 0x01000001 + uint32(i)
		m := &p4configv1.Action{Preamble: &p4configv1.Preamble{Id: ids[a], Name: a.Name}}
		for j, v := range a.Params {
			m.Params = append(m.Params, &p4configv1.Action_Param{Id: uint32(j + 1), Name: v.Name, Bitwidth: int32(ir.Width(v.Type))})
		}
		info.Actions = append(info.Actions, m)
	}
	kinds := map[ir.MatchKind]p4configv1.MatchField_MatchType{
		ir.MatchExact: p4configv1.MatchField_EXACT, ir.MatchLPM: p4configv1.MatchField_LPM, ir.MatchTernary: p4configv1.MatchField_TERNARY,
		ir.MatchRange: p4configv1.MatchField_RANGE, ir.MatchOptional: p4configv1.MatchField_OPTIONAL,
	}
	for i, t := range p.Tables {
		m := &p4configv1.Table{Preamble: &p4configv1.Preamble{Id: 0x02000001 + uint32(i), Name: t.Name}, Size: int64(t.Size)}
		for j, k := range t.Keys {
			if k.Kind == ir.MatchSelector {
				continue
			}
			m.MatchFields = append(m.MatchFields, &p4configv1.MatchField{Id: uint32(j + 1), Name: k.Name, Bitwidth: int32(ir.Width(k.Expr.Type())),
				Match: &p4configv1.MatchField_MatchType_{MatchType: kinds[k.Kind]}})
		}
		for _, a := range t.Actions {
			ref := &p4configv1.ActionRef{Id: ids[a.Action]}
			switch {
			case a.DefaultOnly:
				ref.Scope = p4configv1.ActionRef_DEFAULT_ONLY
			case a.TableOnly:
				ref.Scope = p4configv1.ActionRef_TABLE_ONLY
			}
			m.ActionRefs = append(m.ActionRefs, ref)
		}
		if t.Counters != nil {
			id := 0x13000001 + uint32(i)
			m.DirectResourceIds = append(m.DirectResourceIds, id)
			info.DirectCounters = append(info.DirectCounters, &p4configv1.DirectCounter{Preamble: &p4configv1.Preamble{Id: id, Name: t.Counters.Name}, DirectTableId: m.Preamble.Id})
		}
		if t.Meters != nil {
			info.DirectMeters = append(info.DirectMeters, &p4configv1.DirectMeter{Preamble: &p4configv1.Preamble{Id: 0x15000001, Name: t.Meters.Name}, DirectTableId: m.Preamble.Id,
				Spec: &p4configv1.MeterSpec{Unit: p4configv1.MeterSpec_BYTES}})
		}
		if t.SupportTimeout {
			m.IdleTimeoutBehavior = p4configv1.Table_NOTIFY_CONTROL
		}
		if in := t.Implementation; in != nil {
			id := idProfile
			if in.Name == "ingress.selector" {
				id = idSelector
			}
			m.ImplementationId = uint32(id)
			a := &p4configv1.ActionProfile{Preamble: &p4configv1.Preamble{Id: uint32(id), Name: in.Name}, TableIds: []uint32{m.Preamble.Id}, Size: 2}
			if in.Kind() == "action_selector" {
				a.WithSelector, a.Size, a.MaxGroupSize = true, 4, 5
			}
			info.ActionProfiles = append(info.ActionProfiles, a)
		}
		info.Tables = append(info.Tables, m)
	}
	objectsInfo(info, p)
	for _, in := range p.Instances {
		if in.Kind() == "counter" {
			info.Counters = append(info.Counters, &p4configv1.Counter{Preamble: &p4configv1.Preamble{Id: idCells, Name: in.Name}, Size: in.Args[0].(*ir.Const).Val.Int64()})
		}
	}
	return info
}

// objectsInfo adds what the program "objects" has besides tables.
func objectsInfo(info *p4configv1.P4Info, p *ir.Program) {
	bits := func(w int32) *p4configv1.P4DataTypeSpec {
		return &p4configv1.P4DataTypeSpec{TypeSpec: &p4configv1.P4DataTypeSpec_Bitstring{Bitstring: &p4configv1.P4BitstringLikeTypeSpec{
			TypeSpec: &p4configv1.P4BitstringLikeTypeSpec_Bit{Bit: &p4configv1.P4BitTypeSpec{Bitwidth: w}}}}}
	}
	pair := &p4configv1.P4DataTypeSpec{TypeSpec: &p4configv1.P4DataTypeSpec_Struct{Struct: &p4configv1.P4NamedType{Name: "pair_t"}}}
	for _, in := range p.Instances {
		size := int64(0)
		if len(in.Args) > 0 {
			size = in.Args[0].(*ir.Const).Val.Int64()
		}
		pre := func(id uint32) *p4configv1.Preamble { return &p4configv1.Preamble{Id: id, Name: in.Name} }
		switch in.Name {
		case "ingress.meter":
			info.Meters = append(info.Meters, &p4configv1.Meter{Preamble: pre(idMeter), Size: size, Spec: &p4configv1.MeterSpec{Unit: p4configv1.MeterSpec_PACKETS}})
		case "ingress.register":
			info.Registers = append(info.Registers, &p4configv1.Register{Preamble: pre(idRegister), Size: int32(size), TypeSpec: bits(12)})
		case "ingress.pairs":
			info.Registers = append(info.Registers, &p4configv1.Register{Preamble: pre(idPairs), Size: int32(size), TypeSpec: pair})
			four := &p4configv1.P4DataTypeSpec{TypeSpec: &p4configv1.P4DataTypeSpec_Bitstring{Bitstring: &p4configv1.P4BitstringLikeTypeSpec{
				TypeSpec: &p4configv1.P4BitstringLikeTypeSpec_Int{Int: &p4configv1.P4IntTypeSpec{Bitwidth: 4}}}}}
			info.TypeInfo = &p4configv1.P4TypeInfo{Structs: map[string]*p4configv1.P4StructTypeSpec{"pair_t": {Members: []*p4configv1.P4StructTypeSpec_Member{
				{Name: "a", TypeSpec: bits(8)}, {Name: "b", TypeSpec: four}}}}}
		case "ingress.digest":
			info.Digests = append(info.Digests, &p4configv1.Digest{Preamble: pre(idDigest), TypeSpec: pair})
		}
	}
	for _, v := range p.ValueSets {
		info.ValueSets = append(info.ValueSets, &p4configv1.ValueSet{Preamble: &p4configv1.Preamble{Id: idValueSet, Name: v.Name}, Size: int32(v.Size), Match: []*p4configv1.MatchField{
			{Id: 1, Name: "type", Bitwidth: 16, Match: &p4configv1.MatchField_MatchType_{MatchType: p4configv1.MatchField_EXACT}},
			{Id: 2, Name: "mask", Bitwidth: 8, Match: &p4configv1.MatchField_MatchType_{MatchType: p4configv1.MatchField_TERNARY}}}})
	}
}

// device is the p4_device_config of a variant: a word before it, so that the
// first variant is not empty.
func device(variant string) []byte { return []byte("variant " + variant) }

func loadVariant(b []byte) (*p4configv1.P4Info, *ir.Program, error) {
	v, ok := strings.CutPrefix(string(b), "variant ")
	if !ok {
		return nil, nil, errors.New("no bundle")
	}
	p, err := storetest.Program(v)
	if err != nil {
		return nil, nil, err
	}
	return infoOf(p), p, nil
}

func variantInfo(t testing.TB, v string) *p4configv1.P4Info {
	t.Helper()
	p, err := storetest.Program(v)
	if err != nil {
		t.Fatal(err)
	}
	return infoOf(p)
}

// rig is a server over an in-memory connection, with a dataplane that keeps
// books.
type rig struct {
	t      testing.TB
	plane  *storetest.Plane
	store  *store.Store
	server *Server
	conn   *grpc.ClientConn
	client p4v1.P4RuntimeClient
	opts   Options
	sopts  store.Options
	stop   func()
}

func newRig(t testing.TB, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, plane: storetest.NewPlane()}
	r.sopts = store.Options{Dir: t.TempDir(), BootID: "boot", Load: func(c store.Config) (*ir.Program, error) {
		_, p, err := loadVariant(c.Device)
		return p, err
	}}
	r.opts = Options{Load: loadVariant}
	for _, c := range change {
		c(&r.opts)
	}
	r.start()
	t.Cleanup(func() {
		r.stop()
		if b := r.plane.Breaches(); len(b) > 0 {
			t.Errorf("the dataplane's contract was broken: %s", strings.Join(b, "; "))
		}
	})
	return r
}

func (r *rig) start() { r.startOn(r.plane) }

func (r *rig) startOn(plane dataplane.Plane) {
	r.t.Helper()
	var err error
	if r.store, err = store.Open(r.sopts); err != nil {
		r.t.Fatal(err)
	}
	if err := r.store.Start(plane); err != nil {
		r.t.Fatal(err)
	}
	r.opts.Store = r.store
	if r.server, err = NewServer(r.opts); err != nil {
		r.t.Fatal(err)
	}
	l := bufconn.Listen(1 << 20)
	g := grpc.NewServer(ServerOptions()...)
	r.server.Register(g)
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	r.conn, err = grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		r.t.Fatal(err)
	}
	r.client = p4v1.NewP4RuntimeClient(r.conn)
	r.stop = func() {
		r.conn.Close()
		r.server.Close()
		g.GracefulStop()
		if err := <-served; err != nil {
			r.t.Error(err)
		}
		if err := r.store.Close(); err != nil {
			r.t.Error(err)
		}
	}
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

func eid(low uint64) *p4v1.Uint128 { return &p4v1.Uint128{Low: low} }

// session is one StreamChannel.
type session struct {
	t      testing.TB
	s      p4v1.P4Runtime_StreamChannelClient
	cancel context.CancelFunc
}

func (r *rig) session() *session {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	s, err := r.client.StreamChannel(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(cancel)
	return &session{t: r.t, s: s, cancel: cancel}
}

func (c *session) send(m *p4v1.MasterArbitrationUpdate) {
	c.t.Helper()
	if err := c.s.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{Arbitration: m}}); err != nil && err != io.EOF {
		c.t.Fatal(err)
	}
}

// arbitrate sends an update for device 1 and the default role.
func (c *session) arbitrate(id *p4v1.Uint128) {
	c.t.Helper()
	c.send(&p4v1.MasterArbitrationUpdate{DeviceId: 1, ElectionId: id})
}

func (c *session) next() (*p4v1.MasterArbitrationUpdate, error) {
	m, err := c.s.Recv()
	if err != nil {
		return nil, err
	}
	if m.GetArbitration() == nil {
		c.t.Fatalf("got %v, not an arbitration", m)
	}
	return m.GetArbitration(), nil
}

// expect reads one notification and compares status code and highest election id
// (nil = unset).
func (c *session) expect(code codes.Code, highest *p4v1.Uint128) {
	c.t.Helper()
	m, err := c.next()
	if err != nil {
		c.t.Fatalf("stream: %v", err)
	}
	if got := codes.Code(m.GetStatus().GetCode()); got != code {
		c.t.Errorf("status %v, want %v", got, code)
	}
	e := m.GetElectionId()
	if (e == nil) != (highest == nil) || e.GetHigh() != highest.GetHigh() || e.GetLow() != highest.GetLow() {
		c.t.Errorf("election id %v, want %v", e, highest)
	}
}

// expectEnd reads the end of the stream.
func (c *session) expectEnd(code codes.Code, text string) {
	c.t.Helper()
	for {
		_, err := c.s.Recv()
		if err == nil {
			continue
		}
		if status.Code(err) != code || !strings.Contains(err.Error(), text) {
			c.t.Errorf("stream ended with %v, want %v %q", err, code, text)
		}
		return
	}
}

// primary makes a primary with election id 1.
func (r *rig) primary() *session {
	r.t.Helper()
	c := r.session()
	c.arbitrate(eid(1))
	c.expect(codes.OK, eid(1))
	return c
}

func (r *rig) setConfig(action p4v1.SetForwardingPipelineConfigRequest_Action, variant string) error {
	r.t.Helper()
	_, err := r.client.SetForwardingPipelineConfig(r.t.Context(), &p4v1.SetForwardingPipelineConfigRequest{DeviceId: 1, ElectionId: eid(1), Action: action,
		Config: &p4v1.ForwardingPipelineConfig{P4Info: variantInfo(r.t, variant), P4DeviceConfig: device(variant), Cookie: &p4v1.ForwardingPipelineConfig_Cookie{Cookie: 42}}})
	return err
}

// ready is a rig with a primary and a pipeline.
func ready(t testing.TB) *rig { return readyWith(t, "") }

func readyWith(t testing.TB, variant string) *rig {
	t.Helper()
	r := newRig(t)
	r.primary()
	if err := r.setConfig(p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, variant); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) write(us ...*p4v1.Update) error {
	r.t.Helper()
	_, err := r.client.Write(r.t.Context(), &p4v1.WriteRequest{DeviceId: 1, ElectionId: eid(1), Updates: us})
	return err
}

func (r *rig) mustWrite(us ...*p4v1.Update) {
	r.t.Helper()
	if err := r.write(us...); err != nil {
		r.t.Fatalf("write: %v %v", err, details(err))
	}
}

// details are the p4.v1.Errors of a failed batch.
func details(err error) []*p4v1.Error {
	var out []*p4v1.Error
	for _, d := range status.Convert(err).Details() {
		if e, ok := d.(*p4v1.Error); ok {
			out = append(out, e)
		}
	}
	return out
}

// read collects the entities of all messages.
func (r *rig) read(es ...*p4v1.Entity) ([]*p4v1.Entity, error) {
	r.t.Helper()
	s, err := r.client.Read(r.t.Context(), &p4v1.ReadRequest{DeviceId: 1, Entities: es})
	if err != nil {
		r.t.Fatal(err)
	}
	var out []*p4v1.Entity
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, m.GetEntities()...)
	}
}

func tableEntity(te *p4v1.TableEntry) *p4v1.Entity {
	return &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}}
}
