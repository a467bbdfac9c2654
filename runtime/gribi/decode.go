package gribi

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"

	aftpb "github.com/openconfig/gribi/v1/proto/gribi_aft"
	spb "github.com/openconfig/gribi/v1/proto/service"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/runtime/rib"
)

// decode turns an operation into the RIB's form. What is wrong with it is in
// Op.Invalid.
func decode(in *spb.AFTOperation) rib.Op {
	op := rib.Op{Instance: in.GetNetworkInstance()}
	switch in.GetOp() {
	case spb.AFTOperation_ADD:
		op.Kind = rib.Add
	case spb.AFTOperation_REPLACE:
		op.Kind = rib.Replace
	case spb.AFTOperation_DELETE:
		op.Kind = rib.Delete
	default:
		op.Invalid = fmt.Sprintf("operation %v is none of ADD, REPLACE and DELETE", in.GetOp())
		return op
	}
	var err error
	switch e := in.GetEntry().(type) {
	case *spb.AFTOperation_Ipv4:
		v := e.Ipv4.GetIpv4Entry()
		err = prefix(&op, e.Ipv4.GetPrefix(), 4)
		if err == nil && op.Kind != rib.Delete {
			if v.GetDecapsulateHeader() != 0 {
				err = fmt.Errorf("prefix %s: decapsulate_header is not supported", op.Prefix)
			}
			op.Route = rib.RouteSpec{Group: v.GetNextHopGroup().GetValue(), GroupInstance: v.GetNextHopGroupNetworkInstance().GetValue(), Metadata: string(v.GetEntryMetadata().GetValue())}
		}
	case *spb.AFTOperation_Ipv6:
		v := e.Ipv6.GetIpv6Entry()
		err = prefix(&op, e.Ipv6.GetPrefix(), 6)
		if err == nil && op.Kind != rib.Delete {
			if v.GetDecapsulateHeader() != 0 {
				err = fmt.Errorf("prefix %s: decapsulate_header is not supported", op.Prefix)
			}
			op.Route = rib.RouteSpec{Group: v.GetNextHopGroup().GetValue(), GroupInstance: v.GetNextHopGroupNetworkInstance().GetValue(), Metadata: string(v.GetEntryMetadata().GetValue())}
		}
	case *spb.AFTOperation_NextHopGroup:
		op.Entity, op.Group = rib.GroupEntity, e.NextHopGroup.GetId()
		if op.Kind != rib.Delete {
			err = group(&op, e.NextHopGroup.GetNextHopGroup())
		}
	case *spb.AFTOperation_NextHop:
		op.Entity, op.Hop = rib.HopEntity, e.NextHop.GetIndex()
		if op.Kind != rib.Delete {
			err = hop(&op, e.NextHop.GetNextHop())
		}
	case nil:
		err = fmt.Errorf("the operation has no entry")
	default:
		err = fmt.Errorf("entries of type %s are not supported", strings.TrimPrefix(fmt.Sprintf("%T", e), "*gribi.AFTOperation_"))
	}
	if err != nil {
		op.Invalid = err.Error()
	}
	return op
}

func prefix(op *rib.Op, text string, version int) error {
	op.Entity = rib.RouteEntity
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return fmt.Errorf("prefix %q is no IPv%d prefix ADDRESS/LENGTH", text, version)
	case p.Addr().Is4() != (version == 4):
		return fmt.Errorf("prefix %q is no IPv%d prefix", text, version)
	case p != p.Masked():
		return fmt.Errorf("prefix %s has bits beyond its length: %s is meant", p, p.Masked())
	}
	op.Prefix = p
	return nil
}

func group(op *rib.Op, v *aftpb.Afts_NextHopGroup) error {
	op.Next.Backup = v.GetBackupNextHopGroup().GetValue()
	op.Next.Members = make([]rib.MemberSpec, len(v.GetNextHop()))
	for i, m := range v.GetNextHop() {
		w := m.GetNextHop().GetWeight()
		if w != nil && w.GetValue() == 0 {
			return fmt.Errorf("next-hop group %d: next hop %d has weight 0", op.Group, m.GetIndex())
		}
		op.Next.Members[i] = rib.MemberSpec{Hop: m.GetIndex(), Weight: w.GetValue()}
	}
	return keep(op, v)
}

// keep stores the payload, which Get gives back.
func keep(op *rib.Op, v proto.Message) error {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(v)
	op.Raw = string(b)
	return err
}

const maxVLAN = 4094

func hop(op *rib.Op, v *aftpb.Afts_NextHop) error {
	s := &op.Spec
	if text := v.GetIpAddress().GetValue(); text != "" {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Is4In6() {
			return fmt.Errorf("next hop %d: %q is no IP address", op.Hop, text)
		}
		s.Address = a
	}
	if text := v.GetMacAddress().GetValue(); text != "" {
		m, err := net.ParseMAC(text)
		switch {
		case err != nil || len(m) != len(s.MAC):
			return fmt.Errorf("next hop %d: %q is no MAC address", op.Hop, text)
		case m[0]&1 != 0 || bytes.Equal(m, make([]byte, len(m))):
			return fmt.Errorf("next hop %d: %s is no MAC address of a station", op.Hop, text)
		}
		copy(s.MAC[:], m)
	}
	ref := v.GetInterfaceRef()
	s.Interface = ref.GetInterface().GetValue()
	if n := ref.GetSubinterface().GetValue(); n > maxVLAN {
		return fmt.Errorf("next hop %d: subinterface %d is no VLAN, which has 0..%d", op.Hop, n, maxVLAN)
	} else if n != 0 && s.Interface == "" {
		return fmt.Errorf("next hop %d: subinterface %d without an interface", op.Hop, n)
	} else {
		s.VLAN = uint32(n)
	}
	s.Instance = v.GetNetworkInstance().GetValue()
	s.Unsupported = unsupported(v)
	return keep(op, v)
}

// unsupported names the parts of a next hop that no pipeline does yet.
func unsupported(v *aftpb.Afts_NextHop) string {
	var out []string
	for _, part := range []struct {
		set  bool
		name string
	}{
		{v.GetDecapsulateHeader() != 0, "decapsulate_header"},
		{v.GetEncapsulateHeader() != 0, "encapsulate_header"},
		{v.GetIpInIp() != nil, "ip_in_ip"},
		{v.GetGre() != nil, "gre"},
		{len(v.GetEncapHeader()) > 0, "encap_header"},
		{len(v.GetPushedMplsLabelStack()) > 0, "pushed_mpls_label_stack"},
		{v.GetPopTopLabel().GetValue(), "pop_top_label"},
		{v.GetTunnelSrcIpAddress() != nil, "tunnel_src_ip_address"},
		{v.GetVniLabel() != nil, "vni_label"},
		{v.GetNetworkInstance().GetValue() != "" && v.GetIpAddress().GetValue() == "", "look-up in another network instance"},
	} {
		if part.set {
			out = append(out, part.name)
		}
	}
	return strings.Join(out, ", ")
}

func electionOf(id *spb.Uint128) rib.Election {
	return rib.Election{High: id.GetHigh(), Low: id.GetLow()}
}
