package access

import (
	"fmt"
	"strconv"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	gribi "github.com/openconfig/gribi/v1/proto/service"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/internal/p4wire"
	"github.com/p4nic/p4nic/proto/routespb"
)

// method is what the gate knows of an RPC.
type method struct {
	open  bool         // whoever comes in may call it
	needs []Permission // one of these at least
	// check looks at each message that the client sends, beyond needs; nil = no
	// need to. It returns what is missing.
	check func(r *rights, m any) *missing
	// writes tells whether a message changes something: then it is subject to
	// the write rate and is recorded. nil = never.
	writes func(m any) bool
}

// missing is the permission that a message would need.
type missing struct {
	permission Permission
	scope      string // ` for role "routing"`, " for /interfaces"; "" = at all
}

func always(any) bool { return true }

// methods is the table of all RPCs that nicd serves; one that is not here needs
// all rights.
func methods() map[string]*method {
	open := &method{open: true}
	return map[string]*method{
		"/grpc.health.v1.Health/Check":                                   open,
		"/grpc.health.v1.Health/List":                                    open,
		"/grpc.health.v1.Health/Watch":                                   open,
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      open,
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": open,

		"/p4.v1.P4Runtime/Capabilities": open,
		"/p4.v1.P4Runtime/Read": {needs: []Permission{P4RTRead}, check: func(r *rights, m any) *missing {
			return onRole(r, P4RTRead, m)
		}},
		"/p4.v1.P4Runtime/GetForwardingPipelineConfig": {needs: []Permission{P4RTRead}},
		"/p4.v1.P4Runtime/Write": {needs: []Permission{P4RTWrite}, writes: always, check: func(r *rights, m any) *missing {
			return onRole(r, P4RTWrite, m)
		}},
		"/p4.v1.P4Runtime/SetForwardingPipelineConfig": {needs: []Permission{P4RTPipeline}, check: func(r *rights, m any) *missing {
			return onRole(r, P4RTPipeline, m)
		}, writes: func(m any) bool {
			s, ok := m.(*p4v1.SetForwardingPipelineConfigRequest)
			return !ok || s.GetAction() != p4v1.SetForwardingPipelineConfigRequest_VERIFY
		}},
		"/p4.v1.P4Runtime/StreamChannel": {needs: []Permission{P4RTRead, P4RTWrite, P4RTPipeline, P4RTPacket}, check: streamMessage, writes: func(m any) bool {
			s, ok := m.(*p4v1.StreamMessageRequest)
			return ok && s.GetArbitration().GetElectionId() != nil
		}},

		"/gribi.gRIBI/Get":   {needs: []Permission{GRIBIRead}},
		"/gribi.gRIBI/Flush": {needs: []Permission{GRIBIWrite}, writes: always},
		"/gribi.gRIBI/Modify": {needs: []Permission{GRIBIWrite}, writes: func(m any) bool {
			r, ok := m.(*gribi.ModifyRequest)
			return ok && (len(r.GetOperation()) > 0 || r.GetElectionId() != nil)
		}},

		"/gnmi.gNMI/Capabilities": open,
		"/gnmi.gNMI/Get": {needs: []Permission{GNMIGet}, check: func(r *rights, m any) *missing {
			g, ok := m.(*gpb.GetRequest)
			if !ok {
				return unknown(r, GNMIGet)
			}
			return onPaths(r, GNMIGet, g.GetPrefix(), g.GetPath())
		}},
		"/gnmi.gNMI/Subscribe": {needs: []Permission{GNMISubscribe}, check: subscribed},
		"/gnmi.gNMI/Set":       {needs: []Permission{GNMISet}, check: set, writes: always},

		"/p4nic.v1.Nicd/Status":   {needs: []Permission{NicdRead}},
		"/p4nic.v1.Nicd/Detach":   {needs: []Permission{NicdWrite}, writes: always},
		"/p4nic.v1.Routes/List":   {needs: []Permission{RoutesRead}},
		"/p4nic.v1.Routes/Get":    {needs: []Permission{RoutesRead}},
		"/p4nic.v1.Routes/Add":    {needs: []Permission{RoutesWrite}, writes: func(m any) bool { r, ok := m.(*routespb.AddRequest); return !ok || !r.GetDryRun() }},
		"/p4nic.v1.Routes/Delete": {needs: []Permission{RoutesWrite}, writes: func(m any) bool { r, ok := m.(*routespb.DeleteRequest); return !ok || !r.GetDryRun() }},
	}
}

// unknown refuses a message that is not read here to all but those with the
// permission for everything.
func unknown(r *rights, p Permission) *missing {
	if r.full {
		return nil
	}
	return &missing{p, " for a message of an unknown form"}
}

// roled are the requests of P4Runtime that name a role.
type roled interface {
	GetRole() string
	GetRoleId() uint64
}

// onRole checks the role of a request. Of Read only the name exists.
func onRole(r *rights, p Permission, m any) *missing {
	var role string
	switch x := m.(type) {
	case *p4wire.Write:
		head, _, err := x.Request()
		if err != nil {
			return nil // the server refuses it
		}
		//lint:ignore SA1019 older clients name roles by number
		role = roleName(head.GetRole(), head.GetRoleId())
	case roled:
		role = roleName(x.GetRole(), x.GetRoleId())
	case interface{ GetRole() string }:
		role = x.GetRole()
	default:
		return unknown(r, p)
	}
	if r.mayRole(p, role) {
		return nil
	}
	return &missing{p, forRole(role)}
}

// roleName is a role by its name or, as older clients say it, its number.
func roleName(name string, id uint64) string {
	if name == "" && id != 0 {
		return strconv.FormatUint(id, 10)
	}
	return name
}

func forRole(role string) string {
	if role == "" {
		return " for the default role"
	}
	return fmt.Sprintf(" for role %q", role)
}

// streamMessage checks a message of StreamChannel. A client that wants to be
// primary must be able to do something that only a primary can.
func streamMessage(r *rights, m any) *missing {
	s, ok := m.(*p4v1.StreamMessageRequest)
	if !ok {
		return unknown(r, P4RTWrite)
	}
	switch u := s.GetUpdate().(type) {
	case *p4v1.StreamMessageRequest_Arbitration:
		role := arbitratedRole(u.Arbitration)
		if u.Arbitration.GetElectionId() == nil {
			return nil
		}
		for _, p := range []Permission{P4RTWrite, P4RTPipeline, P4RTPacket} {
			if r.mayRole(p, role) {
				return nil
			}
		}
		return &missing{P4RTWrite, forRole(role)}
	case *p4v1.StreamMessageRequest_Packet, *p4v1.StreamMessageRequest_DigestAck:
		// Of which role the stream is primary only its server knows; that it may be
		// was checked with the arbitration.
		if !r.may(P4RTPacket) {
			return &missing{P4RTPacket, ""}
		}
	}
	return nil
}

func arbitratedRole(a *p4v1.MasterArbitrationUpdate) string {
	//lint:ignore SA1019 older clients name roles by number
	return roleName(a.GetRole().GetName(), a.GetRole().GetId())
}

// receives tells whether a message of StreamChannel may go to the client: what is
// in packets and digests is not for everyone who may write.
func receives(r *rights, m any) bool {
	s, ok := m.(*p4v1.StreamMessageResponse)
	if !ok || r.full {
		return true
	}
	switch s.GetUpdate().(type) {
	case *p4v1.StreamMessageResponse_Packet, *p4v1.StreamMessageResponse_Digest:
		return r.may(P4RTPacket)
	}
	return true
}

func onPaths(r *rights, p Permission, prefix *gpb.Path, paths []*gpb.Path) *missing {
	if len(paths) == 0 { // the server says what it makes of that; the prefix is all it can mean
		paths = []*gpb.Path{nil}
	}
	for _, path := range paths {
		if !r.mayPath(p, prefix, path) {
			return &missing{p, " for " + pathText(prefix, path)}
		}
	}
	return nil
}

func subscribed(r *rights, m any) *missing {
	s, ok := m.(*gpb.SubscribeRequest)
	if !ok {
		return unknown(r, GNMISubscribe)
	}
	list := s.GetSubscribe()
	if list == nil { // a poll
		return nil
	}
	var paths []*gpb.Path
	for _, x := range list.GetSubscription() {
		paths = append(paths, x.GetPath())
	}
	return onPaths(r, GNMISubscribe, list.GetPrefix(), paths)
}

func set(r *rights, m any) *missing {
	s, ok := m.(*gpb.SetRequest)
	if !ok {
		return unknown(r, GNMISet)
	}
	return onPaths(r, GNMISet, s.GetPrefix(), setPaths(s))
}

func setPaths(s *gpb.SetRequest) []*gpb.Path {
	paths := append([]*gpb.Path{}, s.GetDelete()...)
	for _, list := range [][]*gpb.Update{s.GetReplace(), s.GetUpdate(), s.GetUnionReplace()} {
		for _, u := range list {
			paths = append(paths, u.GetPath())
		}
	}
	return paths
}
