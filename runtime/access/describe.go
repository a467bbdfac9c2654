package access

import (
	"fmt"
	"strconv"
	"strings"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	gribi "github.com/openconfig/gribi/v1/proto/service"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/internal/gnmipath"
	"github.com/p4nic/p4nic/internal/p4wire"
	"github.com/p4nic/p4nic/proto/routespb"
)

// summary says in a few words what a request wants.
type summary map[string]string

func (s summary) count(key string, n int) {
	if n > 0 {
		s[key] = strconv.Itoa(n)
	}
}

func (s summary) text(key, value string) {
	if value != "" {
		s[key] = value
	}
}

// describe sums up a request and counts the changes that it asks for.
func describe(m any) (s summary, changes int) {
	s = summary{}
	switch r := m.(type) {
	case *p4wire.Write:
		kinds := r.Kinds()
		for t, n := range kinds.ByType {
			s.count(strings.ToLower(p4v1.Update_Type(t).String()), n)
		}
		head, _, _ := r.Request() // the server says what is wrong with it
		//lint:ignore SA1019 older clients name roles by number
		s.primary(roleName(head.GetRole(), head.GetRoleId()), head.GetElectionId())
		return s, kinds.Total
	case *p4v1.SetForwardingPipelineConfigRequest:
		s.text("action", strings.ToLower(r.GetAction().String()))
		s.text("program", r.GetConfig().GetP4Info().GetPkgInfo().GetName())
		s.count("device_config_bytes", len(r.GetConfig().GetP4DeviceConfig()))
		//lint:ignore SA1019 older clients name roles by number
		s.primary(roleName(r.GetRole(), r.GetRoleId()), r.GetElectionId())
	case *p4v1.StreamMessageRequest:
		a := r.GetArbitration()
		s.text("action", "arbitration")
		s.primary(arbitratedRole(a), a.GetElectionId())
	case *gribi.ModifyRequest:
		var t tally
		t.add(r)
		return t.summary(), len(r.GetOperation())
	case *gribi.FlushRequest:
		s.text("instance", r.GetName())
		if r.GetAll() != nil {
			s.text("instance", "all")
		}
	case *gpb.SetRequest:
		s.count("delete", len(r.GetDelete()))
		s.count("replace", len(r.GetReplace())+len(r.GetUnionReplace()))
		s.count("update", len(r.GetUpdate()))
		paths := setPaths(r)
		var texts []string
		for _, p := range paths[:min(len(paths), 4)] {
			texts = append(texts, clip(pathText(r.GetPrefix(), p)))
		}
		if len(paths) > len(texts) {
			texts = append(texts, "...")
		}
		s.text("paths", strings.Join(texts, " "))
		return s, len(paths)
	case *routespb.AddRequest:
		s.count("routes", len(r.GetRoutes()))
		return s, len(r.GetRoutes())
	case *routespb.DeleteRequest:
		s.count("routes", len(r.GetRoutes()))
		return s, len(r.GetRoutes())
	}
	return s, 1
}

// primary adds role and election id.
func (s summary) primary(role string, id *p4v1.Uint128) {
	s.text("role", clip(role))
	if id != nil {
		s["election"] = fmt.Sprintf("(%d,%d)", id.GetHigh(), id.GetLow())
	}
}

// tally counts the operations of gRIBI messages.
type tally struct {
	kinds    [4]int
	election *gribi.Uint128
}

func (t *tally) add(r *gribi.ModifyRequest) {
	for _, op := range r.GetOperation() {
		if k := op.GetOp(); k >= 0 && int(k) < len(t.kinds) {
			t.kinds[k]++
		}
	}
	if r.GetElectionId() != nil {
		t.election = r.GetElectionId()
	}
}

func (t *tally) summary() summary {
	s := summary{}
	for k, n := range t.kinds {
		s.count(strings.ToLower(gribi.AFTOperation_Operation(k).String()), n)
	}
	if t.election != nil {
		s["election"] = fmt.Sprintf("(%d,%d)", t.election.GetHigh(), t.election.GetLow())
	}
	return s
}

// maxValue bounds a value of a summary that a client chooses.
const maxValue = 200

func clip(s string) string {
	if len(s) > maxValue {
		return s[:maxValue] + "..."
	}
	return s
}

func pathText(prefix, path *gpb.Path) string {
	origin := prefix.GetOrigin()
	if path.GetOrigin() != "" {
		origin = path.GetOrigin()
	}
	if origin != "" {
		origin += ":"
	}
	return origin + gnmipath.Format(prefix, path)
}
