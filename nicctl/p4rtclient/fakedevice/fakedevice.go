package fakedevice

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Device is one device, with id 1.
type Device struct {
	p4.UnimplementedP4RuntimeServer
	limits Limits
	server *grpc.Server

	mu      sync.Mutex
	streams []*stream
	highest *p4.Uint128 // ever
	info    *p4config.P4Info
	config  []byte
	commits int
	entries []*p4.TableEntry // in order of insertion, default entries too
	writes  int
	refuse  func(*p4.Update) *p4.Error
}

// stream is one StreamChannel.
type stream struct {
	id *p4.Uint128 // nil = backup
}

// New makes a device without a pipeline.
func New(l Limits) *Device {
	d := &Device{limits: l, server: grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))}
	p4.RegisterP4RuntimeServer(d.server, d)
	return d
}

// Serve answers on a listener until Stop.
func (d *Device) Serve(l net.Listener) error { return d.server.Serve(l) }

// Stop ends the device.
func (d *Device) Stop() { d.server.Stop() }

// Refuse makes the device ask f about every update; nil of f lets it pass.
func (d *Device) Refuse(f func(*p4.Update) *p4.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse = f
}

// Config is the p4_device_config that was set last.
func (d *Device) Config() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.config
}

// Entries is the number of entries, default entries not counted.
func (d *Device) Entries() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, e := range d.entries {
		if !e.GetIsDefaultAction() {
			n++
		}
	}
	return n
}

// Writes is the number of Write RPCs so far.
func (d *Device) Writes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes
}

func known(id uint64) error {
	if id != 1 {
		return status.Errorf(codes.NotFound, "device %d is unknown", id)
	}
	return nil
}

// Capabilities implements the RPC.
func (d *Device) Capabilities(context.Context, *p4.CapabilitiesRequest) (*p4.CapabilitiesResponse, error) {
	if d.limits.NoCapabilities {
		return nil, status.Error(codes.Unimplemented, "Method not found")
	}
	v := d.limits.APIVersion
	if v == "" {
		v = "1.5.0"
	}
	return &p4.CapabilitiesResponse{P4RuntimeApiVersion: v}, nil
}

// StreamChannel implements the RPC: arbitration for one role.
func (d *Device) StreamChannel(g p4.P4Runtime_StreamChannelServer) error {
	st := &stream{}
	d.mu.Lock()
	if d.limits.Controllers > 0 && len(d.streams) >= d.limits.Controllers {
		d.mu.Unlock()
		return status.Error(codes.ResourceExhausted, "too many controllers")
	}
	d.streams = append(d.streams, st)
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.streams = slices.DeleteFunc(d.streams, func(o *stream) bool { return o == st })
	}()
	for {
		m, err := g.Recv()
		if err != nil {
			return nil
		}
		a := m.GetArbitration()
		if a == nil {
			continue
		}
		answer, err := d.arbitrate(st, a)
		if err != nil {
			return err
		}
		if err := g.Send(&p4.StreamMessageResponse{Update: &p4.StreamMessageResponse_Arbitration{Arbitration: answer}}); err != nil {
			return err
		}
	}
}

func less(a, b *p4.Uint128) bool {
	return a.GetHigh() < b.GetHigh() || a.GetHigh() == b.GetHigh() && a.GetLow() < b.GetLow()
}

func same(a, b *p4.Uint128) bool { return !less(a, b) && !less(b, a) }

func (d *Device) arbitrate(st *stream, a *p4.MasterArbitrationUpdate) (*p4.MasterArbitrationUpdate, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := known(a.GetDeviceId()); err != nil {
		return nil, err
	}
	id := a.GetElectionId()
	if id == nil && d.limits.RefuseUnsetElection {
		return nil, status.Error(codes.InvalidArgument, "election_id is missing")
	}
	for _, o := range d.streams {
		if o != st && o.id != nil && id != nil && same(o.id, id) {
			return nil, status.Error(codes.InvalidArgument, "election id is used")
		}
	}
	st.id = id
	if id != nil && (d.highest == nil || !less(id, d.highest)) {
		d.highest = id
	}
	p := d.primary()
	out := &p4.MasterArbitrationUpdate{DeviceId: 1, ElectionId: d.highest}
	code := codes.AlreadyExists
	switch {
	case p == st:
		code = codes.OK
	case p == nil && !d.limits.NeverNotFound:
		code = codes.NotFound
	}
	switch {
	case d.limits.OwnElectionID:
		out.ElectionId = id
	case d.limits.LiveElectionID && p == nil:
		out.ElectionId = nil
	case d.limits.LiveElectionID:
		out.ElectionId = p.id
	}
	out.Status = &rpcstatus.Status{Code: int32(code)}
	return out, nil
}

// primary is the live stream with the highest id ever; with NeverNotFound any
// live stream's highest id counts, as those servers promote. mu is held.
func (d *Device) primary() *stream {
	var best *stream
	for _, st := range d.streams {
		if st.id != nil && (best == nil || less(best.id, st.id)) {
			best = st
		}
	}
	if best != nil && !d.limits.NeverNotFound && !same(best.id, d.highest) {
		return nil
	}
	return best
}

// mayWrite checks the sender of a Write or Set. mu is held.
func (d *Device) mayWrite(device uint64, id *p4.Uint128) error {
	if err := known(device); err != nil {
		return err
	}
	if p := d.primary(); p == nil || id == nil || !same(p.id, id) {
		return status.Error(codes.PermissionDenied, "not primary")
	}
	return nil
}

// SetForwardingPipelineConfig implements the RPC.
func (d *Device) SetForwardingPipelineConfig(_ context.Context, r *p4.SetForwardingPipelineConfigRequest) (*p4.SetForwardingPipelineConfigResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.mayWrite(r.GetDeviceId(), r.GetElectionId()); err != nil {
		return nil, err
	}
	keep := false
	switch r.GetAction() {
	case p4.SetForwardingPipelineConfigRequest_VERIFY:
		if d.limits.NoVerify {
			return nil, status.Error(codes.Unimplemented, "VERIFY is not supported")
		}
		return &p4.SetForwardingPipelineConfigResponse{}, d.check(r.GetConfig())
	case p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT:
		if d.limits.OneCommit && d.commits > 0 {
			return nil, status.Error(codes.Unimplemented, "the pipeline was set already")
		}
	case p4.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT:
		switch {
		case d.limits.NoReconcile:
			return nil, status.Error(codes.Unimplemented, "RECONCILE_AND_COMMIT is not supported")
		case d.info == nil:
			return nil, status.Error(codes.InvalidArgument, "there is no pipeline to reconcile with")
		}
		keep = true
	default:
		return nil, status.Errorf(codes.Unimplemented, "%s is not supported", r.GetAction())
	}
	if err := d.check(r.GetConfig()); err != nil {
		return nil, err
	}
	d.info, d.config = r.GetConfig().GetP4Info(), r.GetConfig().GetP4DeviceConfig()
	d.commits++
	if !keep {
		d.entries = nil
		for _, t := range d.info.GetTables() {
			d.entries = append(d.entries, &p4.TableEntry{TableId: t.GetPreamble().GetId(), IsDefaultAction: true})
		}
	}
	return &p4.SetForwardingPipelineConfigResponse{}, nil
}

// check refuses what the device cannot realise.
func (d *Device) check(c *p4.ForwardingPipelineConfig) error {
	if c.GetP4Info() == nil || len(c.GetP4DeviceConfig()) == 0 {
		return status.Error(codes.InvalidArgument, "config is incomplete")
	}
	for _, t := range c.GetP4Info().GetTables() {
		n := t.GetSize()
		if d.limits.PowerOfTwo && n&(n-1) != 0 {
			return status.Errorf(codes.InvalidArgument, "table %s: size %d is not a power of two", t.GetPreamble().GetName(), n)
		}
		if d.limits.MaxTableSize > 0 && n > d.limits.MaxTableSize {
			return status.Errorf(codes.InvalidArgument, "table %s: size %d exceeds %d", t.GetPreamble().GetName(), n, d.limits.MaxTableSize)
		}
	}
	return nil
}

// GetForwardingPipelineConfig implements the RPC.
func (d *Device) GetForwardingPipelineConfig(_ context.Context, r *p4.GetForwardingPipelineConfigRequest) (*p4.GetForwardingPipelineConfigResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := known(r.GetDeviceId()); err != nil {
		return nil, err
	}
	if d.info == nil {
		if d.limits.NoPipelineIsError {
			return nil, status.Error(codes.FailedPrecondition, "no pipeline")
		}
		return &p4.GetForwardingPipelineConfigResponse{}, nil
	}
	return &p4.GetForwardingPipelineConfigResponse{Config: &p4.ForwardingPipelineConfig{P4Info: d.info, P4DeviceConfig: d.config}}, nil
}

func refuse(c codes.Code, format string, args ...any) *p4.Error {
	return &p4.Error{CanonicalCode: int32(c), Message: fmt.Sprintf(format, args...)}
}
