package gnmi

import (
	"context"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

// Set implements the RPC: deletes, replaces, updates, in that order, as one
// transaction (gnmi:GN15, GN16).
func (s *Server) Set(ctx context.Context, r *gpb.SetRequest) (*gpb.SetResponse, error) {
	ext, err := s.extensions(r.GetExtension(), &rpc{arbitration: true})
	if err != nil {
		return nil, err
	}
	if len(r.GetUnionReplace()) > 0 {
		return nil, unimplemented("union_replace is not supported: there is one origin, replace it")
	}
	s.setting.Lock()
	defer s.setting.Unlock()
	if err := s.masters.admit(ext.arbitration); err != nil {
		return nil, err
	}
	out := &gpb.SetResponse{}
	prefix := r.GetPrefix()
	if prefix.GetTarget() != "" || prefix.GetOrigin() != "" {
		out.Prefix = &gpb.Path{Target: prefix.GetTarget(), Origin: prefix.GetOrigin()}
	}
	done := func(q telemetry.Query, path *gpb.Path, op gpb.UpdateResult_Operation) {
		p := &gpb.Path{Origin: path.GetOrigin()}
		p.Elem = append(append(p.Elem, prefix.GetElem()...), path.GetElem()...)
		out.Response = append(out.Response, &gpb.UpdateResult{Path: p, Op: op})
	}
	c, err := s.newCandidate(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range r.GetDelete() {
		q, err := query(prefix, p)
		if err != nil {
			return nil, err
		}
		if err := c.remove(q); err != nil {
			return nil, err
		}
		done(q, p, gpb.UpdateResult_DELETE)
	}
	for _, list := range []struct {
		updates []*gpb.Update
		op      gpb.UpdateResult_Operation
	}{{r.GetReplace(), gpb.UpdateResult_REPLACE}, {r.GetUpdate(), gpb.UpdateResult_UPDATE}} {
		for _, u := range list.updates {
			q, err := query(prefix, u.GetPath())
			if err != nil {
				return nil, err
			}
			body, err := s.body(q, u.GetVal())
			if err != nil {
				return nil, err
			}
			if list.op == gpb.UpdateResult_REPLACE {
				c.reset(q)
			}
			for _, a := range body {
				if err := c.assign(a); err != nil {
					return nil, err
				}
			}
			done(q, u.GetPath(), list.op)
		}
	}
	if err := c.commit(); err != nil {
		return nil, err
	}
	out.Timestamp = s.clock.Now().UnixNano()
	return out, nil
}
