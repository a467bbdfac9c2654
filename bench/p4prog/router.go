package p4prog

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/bench"
	"github.com/p4nic/p4nic/bench/ref"
	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// routerContent fills router.p4 for a network: each next hop a group of one
// bucket, a neighbour behind it; no access list.
func routerContent(p *ir.Program, net *ref.Network) ([]packetcase.Content, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "interfaces port=0 vlan=0 -> set_interface(0, %#x)\n", net.RouterMAC)
	fmt.Fprintf(&b, "egress_interfaces port=%d vlan=0 -> set_source(%#x)\n", net.Port, net.OwnMAC())
	for hop := range net.Hops {
		gateway := 0x0afe0000 + hop
		fmt.Fprintf(&b, "next_hop_groups group=%d -> set_buckets(%d, 1)\n", hop, hop)
		fmt.Fprintf(&b, "buckets bucket=%d -> set_next_hop(%d)\n", hop, hop)
		fmt.Fprintf(&b, "next_hops next_hop=%d -> via_v4(%d, 0, %#x)\n", hop, net.Port, gateway)
		fmt.Fprintf(&b, "neighbours_v4 port=%d address=%#x -> set_neighbour(%#x)\n", net.Port, gateway, net.HopMAC(hop))
	}
	fmt.Fprintf(&b, "ipv4_routes vrf=0 prefix=0.0.0.0/0 -> set_group(0)\n")
	content, err := packetcase.ParseEntries(p, b.String())
	if err != nil {
		return nil, err
	}
	// The routes have one form; so many lines would take too long to read.
	for i, t := range p.Tables {
		if !strings.HasSuffix(t.Name, ".ipv4_routes") {
			continue
		}
		form := content[i].Entries[0]
		content[i].Entries = nil
		for k, r := range net.Routes {
			e := form
			e.Handle = uint32(k + 1)
			e.Match = []ir.Match{form.Match[0], {Value: be(r.Addr, 4), PrefixLen: r.Len}}
			e.Args = [][]byte{be(uint32(r.Hop), 2)}
			content[i].Entries = append(content[i].Entries, e)
		}
	}
	return content, nil
}

// RouterLines counts what router.p4 executes for a routed packet, by line.
func RouterLines(path string, h bench.Hook) ([]Line, error) {
	net, err := ref.NewNetwork(1)
	if err != nil {
		return nil, err
	}
	prog, err := Compile(path)
	if err != nil {
		return nil, err
	}
	content, err := routerContent(prog, net)
	if err != nil {
		return nil, err
	}
	x, err := Load(prog, content, Options{Hook: h})
	if err != nil {
		return nil, err
	}
	defer x.Close()
	return x.Lines(net.Frames.At(0))
}

func be(x uint32, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(x >> (8 * (n - 1 - i)))
	}
	return b
}

// Router is router.p4 with n routes beside the C references with the same
// content: the same function on its own maps, and the plain L3 routers. off are
// sets of optimisations to leave out, each a candidate more; with parts the
// hand-written router also comes without each of its parts.
func Router(path string, h bench.Hook, n int, off [][]string, parts bool) (*ref.Scenario, error) {
	net, err := ref.NewNetwork(n)
	if err != nil {
		return nil, err
	}
	s := &ref.Scenario{Title: fmt.Sprintf("router.p4, %d routes", n), Hook: h, Frames: net.Frames,
		KeySize: 8, Entries: n, MemoryBound: ref.MemoryBound(n)}
	if err := addRouter(s, path, net, off, parts); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func addRouter(s *ref.Scenario, path string, net *ref.Network, off [][]string, parts bool) error {
	prog, err := Compile(path)
	if err != nil {
		return err
	}
	content, err := routerContent(prog, net)
	if err != nil {
		return err
	}
	x, err := Load(prog, content, Options{Hook: s.Hook})
	if err != nil {
		return err
	}
	s.OnClose(x.Close)
	add := func(name string, x *Program, note string) *bench.Candidate {
		c := &bench.Candidate{Name: name, Prog: x.Main, Again: x.LoadMain, Verdict: ref.Redirected(s.Hook), Want: net.Want, Note: note, Code: x.Object.Insns, Maps: x.Maps}
		s.Candidates = append(s.Candidates, c)
		return c
	}
	add("router.p4", x, fmt.Sprintf("%d stack slots", x.Object.StackSlots))
	dispatched := add("router.p4, dispatched", x, "as nicd attaches it")
	dispatched.Prog, dispatched.Again, dispatched.Code = x.Dispatcher, x.LoadDispatcher, nil
	for _, names := range off {
		y, err := Load(prog, content, Options{Hook: s.Hook, Off: names, Maps: x.Maps})
		if err != nil {
			return fmt.Errorf("without %v: %w", names, err)
		}
		s.OnClose(y.Close)
		add("router.p4, "+strings.Join(names, "+")+" off", y, "")
	}
	s.Base = "router.p4"
	given, strides, err := handMaps(x, content)
	if err != nil {
		return err
	}
	switch err := s.AddRouter(net, given, strides); {
	case err == ref.ErrNoClang:
		return nil
	case err != nil:
		return err
	}
	s.Base = s.Candidates[len(s.Candidates)-1].Name
	if parts {
		for _, part := range []string{"NO_STATS", "NO_COUNTERS", "NO_SUM", "NO_ACL", "NO_GROUPS"} {
			if err := s.AddRouter(net, given, strides, part); err != nil {
				return err
			}
		}
	}
	return s.AddL3(net)
}

// handMaps names the maps as router.bpf.c does: the kind's letter and the end of
// the table's name.
// Tables whose match structure only our code reads come as the kernel's own.
func handMaps(x *Program, content []packetcase.Content) (map[string]*ebpf.Map, map[string]uint32, error) {
	given, strides := map[string]*ebpf.Map{}, map[string]uint32{}
	plain, err := backend.PlanLayoutFor(x.Layout.Prog, x.Layout.NCPU, backend.LayoutOptions{Plain: true})
	if err != nil {
		return nil, nil, err
	}
	for i, t := range x.Layout.Tables {
		name := t.IR.Name[strings.LastIndexByte(t.IR.Name, '.')+1:]
		given["e_"+name] = x.Maps[t.Entry.Name]
		if t.Data != nil {
			given["d_"+name] = x.Maps[t.Data.Name]
		}
		switch e := t.Engine.(type) {
		case backend.Packed:
			kind, form := "m_", x.keyed
			if _, rows := plain.Tables[i].Engine.(*backend.Linear); rows {
				kind, form = "l_", x.counted
			}
			if given[kind+name], err = form(plain.Tables[i], content[i].Entries); err != nil {
				return nil, nil, err
			}
		case backend.Keyed:
			given["m_"+name] = x.Maps[e.Map().Name]
		case *backend.Linear:
			given["l_"+name] = x.Maps[e.Control.Name]
		}
		if t.Counter != nil {
			given["c_"+name] = x.Maps[t.Counter.Map.Name]
			switch name {
			case "acl":
				strides["acl_stride"] = t.Counter.Stride
			case "ipv4_routes":
				strides["route_stride"] = t.Counter.Stride
			}
		}
	}
	for ours, theirs := range map[string]string{backend.MapIfIndex: "ifindex", backend.MapPortStats: "portstats",
		backend.MapConst: "consts", backend.MapDevmap: "devmap", backend.MapPorts: "ports"} {
		given[theirs] = x.Maps[ours]
	}
	return given, strides, nil
}

// counted makes the control word of a plain table of rows, which is all that the
// hand-written programs read of one: they ask only whether it is empty.
func (x *Program) counted(t *backend.Table, entries []ir.Entry) (*ebpf.Map, error) {
	e := t.Engine.(*backend.Linear)
	m, err := ebpf.NewMap(e.Control.Spec())
	if err != nil {
		return nil, err
	}
	x.own = append(x.own, m)
	return m, m.Put(uint32(0), e.ControlWord(0, len(entries)))
}

// keyed makes and fills the kernel table of a plain layout.
func (x *Program) keyed(t *backend.Table, entries []ir.Entry) (*ebpf.Map, error) {
	e, ok := t.Engine.(backend.Keyed)
	if !ok {
		return nil, fmt.Errorf("table %s has no plain form by key", t.IR.Name)
	}
	m, err := ebpf.NewMap(e.Map().Spec())
	if err != nil {
		return nil, err
	}
	x.own = append(x.own, m)
	for i := range entries {
		k, err := e.EncodeKey(&entries[i])
		if err != nil {
			return nil, err
		}
		if err := m.Put(k, entries[i].Handle); err != nil {
			return nil, err
		}
	}
	return m, nil
}
