package gnmi

import (
	"cmp"
	"sync"

	"github.com/openconfig/gnmi/proto/gnmi_ext"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// rpc names what extensions are allowed on.
type rpc struct {
	depth, arbitration bool
}

// extended is what the extensions of a request say.
type extended struct {
	depth       int // 0 = any
	arbitration *gnmi_ext.MasterArbitration
}

// extensions reads the extensions of a request; on is nil where none is allowed.
// An extension changes what a request means, so one that is not known is refused.
func (s *Server) extensions(list []*gnmi_ext.Extension, on *rpc) (extended, error) {
	var out extended
	if on == nil {
		on = &rpc{}
	}
	for _, e := range list {
		switch x := e.GetExt().(type) {
		case *gnmi_ext.Extension_Depth:
			if !on.depth {
				return out, invalid("the depth extension belongs to Get and Subscribe")
			}
			if x.Depth.GetLevel() > maxElems {
				continue
			}
			out.depth = int(x.Depth.GetLevel())
		case *gnmi_ext.Extension_MasterArbitration:
			if !on.arbitration {
				return out, invalid("the master_arbitration extension belongs to Set")
			}
			out.arbitration = x.MasterArbitration
		case *gnmi_ext.Extension_History:
			return out, unimplemented("the history extension is not supported")
		case *gnmi_ext.Extension_Commit:
			return out, unimplemented("the commit extension is not supported")
		case *gnmi_ext.Extension_ConfigSubscription:
			return out, unimplemented("the config_subscription extension is not supported")
		case *gnmi_ext.Extension_RegisteredExt:
			return out, unimplemented("registered extension %v is not supported", x.RegisteredExt.GetId())
		default:
			return out, invalid("an extension is not set or not known")
		}
	}
	return out, nil
}

// electionID is a 128-bit election id.
type electionID struct{ high, low uint64 }

func (a electionID) compare(b electionID) int {
	return cmp.Or(cmp.Compare(a.high, b.high), cmp.Compare(a.low, b.low))
}

// masters remembers the highest election id of each role (gnmi:GN44).
type masters struct {
	mu      sync.Mutex
	highest map[string]electionID
}

// maxRoles bounds the roles that clients can make nicd remember.
const maxRoles = 1024

// admit checks a Set's election id; a Set without the extension is accepted.
func (m *masters) admit(a *gnmi_ext.MasterArbitration) error {
	if a == nil {
		return nil
	}
	if a.GetElectionId() == nil {
		return invalid("master_arbitration without election_id")
	}
	id, role := electionID{a.GetElectionId().GetHigh(), a.GetElectionId().GetLow()}, a.GetRole().GetId()
	m.mu.Lock()
	defer m.mu.Unlock()
	high, known := m.highest[role]
	if known && id.compare(high) < 0 {
		return status.Errorf(codes.PermissionDenied, "election_id {%d, %d} is not the highest of role %q, which is {%d, %d}", id.high, id.low, role, high.high, high.low)
	}
	if !known && len(m.highest) >= maxRoles {
		return status.Errorf(codes.ResourceExhausted, "%d roles are known, which is the limit", maxRoles)
	}
	m.highest[role] = id
	return nil
}
