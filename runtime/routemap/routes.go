package routemap

import (
	"errors"
	"fmt"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/rib"
)

// runRoutes brings routes to the sink: first what is new or different, then what
// is gone. It gives the number of entries that went.
func (f *fib) runRoutes(list []*rib.Route, s *sink) (room int) {
	for _, rt := range list {
		if rt.Best() != nil {
			f.putRoute(rt, s)
		}
	}
	s.flush()
	for _, rt := range list {
		if rt.Best() == nil {
			if rt.FIB.Present {
				room++
			}
			f.removeRoute(rt, s, "")
		}
	}
	s.flush()
	return room
}

func (f *fib) putRoute(rt *rib.Route, s *sink) {
	fam := family(rt.Prefix.Addr())
	g := rt.Best()
	st := f.groups[g]
	var err error
	switch {
	case st == nil:
		err = fmt.Errorf("next-hop group %s is not programmed", g.Name())
	case st.bad[fam] != nil:
		err = st.bad[fam]
	}
	if err != nil || !f.grouped(fam) {
		f.wait(g, rt)
	}
	if err != nil {
		f.removeRoute(rt, s, err.Error())
		return
	}
	a := st.target[fam]
	present := rt.FIB.Present && f.adopted == nil
	if present && rt.FIB.Action == a.action && rt.FIB.Args == a.args {
		rt.State, rt.Problem = rib.Programmed, ""
		return
	}
	key, prio, err := f.keys[fam].pack(rt)
	if err != nil {
		f.removeRoute(rt, s, err.Error())
		return
	}
	s.put(f.route[fam], key, prio, a, "", present, call{fib: f, rt: rt, a: a})
}

// wait notes that rt must be looked at again when g changes.
func (f *fib) wait(g *rib.Group, rt *rib.Route) {
	if f.waiting[g] == nil {
		f.waiting[g] = map[*rib.Route]bool{}
	}
	f.waiting[g][rt] = true
}

// removeRoute takes the entry of a route out; problem is why, "" = the route is
// gone. What the RIB does not say is not forwarded.
func (f *fib) removeRoute(rt *rib.Route, s *sink, problem string) {
	if f.adopted != nil {
		if rt.Best() != nil {
			f.told = append(f.told, toldRoute{rt: rt, problem: problem})
		}
		return
	}
	rt.State, rt.Problem = rib.Unprogrammed, ""
	if problem != "" {
		rt.State, rt.Problem = rib.Failed, problem
	}
	if !rt.FIB.Present {
		return
	}
	fam := family(rt.Prefix.Addr())
	key, prio, err := f.keys[fam].pack(rt)
	if err != nil {
		rt.Problem = err.Error()
		return
	}
	s.remove(f.route[fam], key, prio, call{fib: f, rt: rt, gone: true})
}

// routeDone notes what became of an update of a route.
func (f *fib) routeDone(rt *rib.Route, a act, gone bool, err error) {
	if f.adopted != nil {
		t := toldRoute{rt: rt, to: rib.FIBRoute{Present: true, Action: a.action, Args: a.args}}
		if err != nil {
			t = toldRoute{rt: rt, problem: err.Error()}
		}
		f.told = append(f.told, t)
		return
	}
	switch {
	case err != nil:
		if e := (*entity.Error)(nil); errors.As(err, &e) && e.Reason == entity.Full && !gone {
			f.full = append(f.full, rt)
		}
		rt.State, rt.Problem = rib.Failed, err.Error()
	case gone:
		rt.FIB = rib.FIBRoute{}
	default:
		rt.FIB = rib.FIBRoute{Present: true, Action: a.action, Args: a.args}
		rt.State, rt.Problem = rib.Programmed, ""
	}
}
