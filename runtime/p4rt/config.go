package p4rt

import (
	"context"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

type setRequest = p4v1.SetForwardingPipelineConfigRequest

// SetForwardingPipelineConfig implements the RPC (p4rt:F1-F10, D1).
func (s *Server) SetForwardingPipelineConfig(_ context.Context, r *setRequest) (*p4v1.SetForwardingPipelineConfigResponse, error) {
	if err := s.device(r.GetDeviceId()); err != nil {
		return nil, err
	}
	done, err := s.arbiter.begin(roleOf(r), r.GetElectionId())
	if err != nil {
		return nil, err
	}
	defer done()
	var mode store.Mode
	switch r.GetAction() {
	case p4v1.SetForwardingPipelineConfigRequest_VERIFY:
		mode = store.Verify
	case p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT:
		mode = store.Commit
	case p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT:
		mode = store.Reconcile
	case p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_SAVE, p4v1.SetForwardingPipelineConfigRequest_COMMIT:
		return nil, status.Errorf(codes.Unimplemented, "%s is not supported: use RECONCILE_AND_COMMIT, which keeps the entries, or VERIFY_AND_COMMIT", r.GetAction())
	default:
		return nil, status.Errorf(codes.InvalidArgument, "action %s: use VERIFY, VERIFY_AND_COMMIT or RECONCILE_AND_COMMIT", r.GetAction())
	}
	s.setting.Lock()
	defer s.setting.Unlock()
	b, err := s.compile(r.GetConfig())
	if err != nil {
		return nil, rpcError(err)
	}
	if pp := b.info.GetPkgInfo().GetPlatformProperties(); !s.store.Able(entity.MulticastGroup) &&
		(pp.GetMulticastGroupTableSize() > 0 || pp.GetMulticastGroupTableTotalReplicas() > 0 || pp.GetMulticastGroupTableMaxReplicasPerEntry() > 0) {
		return nil, rpcError(invalid("config.p4info: pkg_info.platform_properties asks for multicast groups, which this engine does not have"))
	}
	if old := s.bound.Load(); mode != store.Verify && old != nil && !old.packetIn.equal(&b.packetIn) {
		s.packets.switching.Store(true)
		defer s.packets.switching.Store(false)
	}
	if err := s.store.SetPipeline(mode, b.pipe); err != nil {
		return nil, rpcError(err)
	}
	if mode != store.Verify {
		s.bound.Store(b)
	}
	return &p4v1.SetForwardingPipelineConfigResponse{}, nil
}

// compile reads and checks a config. Errors are *entity.Error.
func (s *Server) compile(c *p4v1.ForwardingPipelineConfig) (*binding, error) {
	switch {
	case c == nil:
		return nil, invalid("config is not set")
	case c.GetP4Info() == nil:
		return nil, invalid("config.p4info is not set")
	case len(c.GetP4DeviceConfig()) == 0:
		return nil, invalid("config.p4_device_config is empty: it must be a p4nic bundle (nicctl build) or bmv2 JSON")
	}
	own, program, err := s.load(c)
	if err != nil {
		return nil, invalid("config.p4_device_config: %w", err)
	}
	if own != nil {
		if d := difference(c.GetP4Info().ProtoReflect(), own.ProtoReflect()); d != "" {
			return nil, invalid("config.p4info is not the bundle's: %s", d)
		}
	}
	// As set, unknown fields included, for Get (p4rt:F10).
	info, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.GetP4Info())
	if err != nil {
		return nil, invalid("config.p4info: %w", err)
	}
	pl, err := store.NewPipeline(store.Config{HasCookie: c.GetCookie() != nil, Cookie: c.GetCookie().GetCookie(), P4Info: info, Device: c.GetP4DeviceConfig()}, program)
	if err != nil {
		return nil, within(err, "config.p4_device_config")
	}
	b, err := bind(c.GetP4Info(), pl)
	if err != nil {
		return nil, within(err, "config.p4info")
	}
	return b, nil
}

// load reads the program: a bundle, or bmv2 JSON, whose P4Info is the Set's (D5,
// Q4).
func (s *Server) load(c *p4v1.ForwardingPipelineConfig) (own *p4configv1.P4Info, _ *ir.Program, _ error) {
	if json, is := bmv2.DeviceConfig(c.GetP4DeviceConfig()); is {
		p, err := bmv2.Import(json, c.GetP4Info(), "")
		return nil, p, err
	}
	return s.opts.Load(c.GetP4DeviceConfig())
}

// GetForwardingPipelineConfig implements the RPC (p4rt:F10-F14, D-3).
func (s *Server) GetForwardingPipelineConfig(_ context.Context, r *p4v1.GetForwardingPipelineConfigRequest) (*p4v1.GetForwardingPipelineConfigResponse, error) {
	if err := s.device(r.GetDeviceId()); err != nil {
		return nil, err
	}
	out := &p4v1.GetForwardingPipelineConfigResponse{}
	b, err := s.binding(s.store.Pipeline())
	if err != nil || b == nil {
		return out, rpcError(err)
	}
	c := &p4v1.ForwardingPipelineConfig{}
	out.Config = c
	switch t := r.GetResponseType(); t {
	case p4v1.GetForwardingPipelineConfigRequest_ALL:
		c.P4Info, c.P4DeviceConfig = b.info, b.pipe.Config.Device
	case p4v1.GetForwardingPipelineConfigRequest_COOKIE_ONLY:
	case p4v1.GetForwardingPipelineConfigRequest_P4INFO_AND_COOKIE:
		c.P4Info = b.info
	case p4v1.GetForwardingPipelineConfigRequest_DEVICE_CONFIG_AND_COOKIE:
		c.P4DeviceConfig = b.pipe.Config.Device
	default:
		return nil, status.Errorf(codes.InvalidArgument, "response_type %d is unknown", t)
	}
	if b.pipe.Config.HasCookie {
		c.Cookie = &p4v1.ForwardingPipelineConfig_Cookie{Cookie: b.pipe.Config.Cookie}
	}
	return out, nil
}
