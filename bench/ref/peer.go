package ref

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/p4nic/p4nic/bench"
	"github.com/p4nic/p4nic/internal/netns"
)

// peer is a public program that can be measured beside a reference, given as an
// ELF that its own build makes.
type peer struct {
	function string // of All
	program  string // in the ELF
	add      func(s *Scenario, spec *ebpf.CollectionSpec, n int) (*bench.Candidate, error)
}

func peers() map[string]peer {
	return map[string]peer{
		// xdp-tools, xdp-forward/xdp_forward.bpf.c: routes and neighbours of the
		// kernel, which the adapter writes by netlink.
		"xdp-forward": {"l3", "xdp_fwd_fib_full", addXDPForward},
		// katran, katran/lib/bpf/balancer.bpf.c, IPIP, default options; the adapter
		// fills VIPs, rings, reals and a table of connections for each CPU.
		"katran": {"maglev", "balancer_ingress", addKatran},
	}
}

// PeerNames lists the peers that there are adapters for.
func PeerNames() []string { return []string{"katran", "xdp-forward"} }

// AddPeer adds the program of an ELF where it does the function with that name;
// else, and on tc, for which none of them is, it does nothing. It must run inside
// bench.Isolated.
func (s *Scenario) AddPeer(name, file, function string, n int) error {
	p := peers()[name]
	if p.function != function || s.Hook != bench.XDP {
		return nil
	}
	spec, err := ebpf.LoadCollectionSpec(file)
	if err != nil {
		return err
	}
	prog := spec.Programs[p.program]
	if prog == nil {
		return fmt.Errorf("%s has no program %s", file, p.program)
	}
	// Only that program, with the flags of the driver's program array.
	spec.Programs = map[string]*ebpf.ProgramSpec{p.program: prog}
	prog.AttachType = ebpf.AttachXDP
	prog.Flags |= 1 << 5 // BPF_F_XDP_HAS_FRAGS
	c, err := p.add(s, spec, n)
	if err != nil {
		return err
	}
	c.Name, c.Code = name, nil // helpers of theirs are not interpreted
	s.Candidates = append(s.Candidates, c)
	return nil
}

func (s *Scenario) loadPeer(spec *ebpf.CollectionSpec) (*ebpf.Collection, error) {
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return nil, err
	}
	s.OnClose(coll.Close)
	return coll, nil
}

func addXDPForward(s *Scenario, spec *ebpf.CollectionSpec, n int) (*bench.Candidate, error) {
	network, err := NewNetwork(n) // the same as the references'
	if err != nil {
		return nil, err
	}
	coll, err := s.loadPeer(spec)
	if err != nil {
		return nil, err
	}
	ns, err := netns.Current()
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	const dev = "p4nic-bench"
	own := make(net.HardwareAddr, 6)
	putMAC(own, network.OwnMAC())
	if err := netns.Veth(netns.End{NS: ns, Name: dev, MAC: own.String(), Addrs: []string{"9.0.0.1/16"}}, netns.End{NS: ns, Name: dev + "1"}); err != nil {
		return nil, err
	}
	index, err := ns.Index(dev)
	if err != nil {
		return nil, err
	}
	if err := ns.Sysctl("net/ipv4/ip_forward", "1"); err != nil {
		return nil, err
	}
	gateway := func(hop int) net.IP { return net.IPv4(9, 0, 1, byte(hop)) }
	for hop := range network.Hops {
		mac := make(net.HardwareAddr, 6)
		putMAC(mac, network.HopMAC(hop))
		if err := ns.AddNeighbour(dev, gateway(hop).String(), mac.String()); err != nil {
			return nil, err
		}
	}
	for _, r := range network.Routes {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], r.Addr)
		route := &netlink.Route{LinkIndex: index, Gw: gateway(r.Hop), Dst: &net.IPNet{IP: a[:], Mask: net.CIDRMask(r.Len, 32)}}
		if err := ns.Netlink().RouteAdd(route); err != nil {
			return nil, fmt.Errorf("route %s/%d: %w", netip.AddrFrom4(a), r.Len, err)
		}
	}
	if err := coll.Maps["xdp_tx_ports"].Put(uint32(index), uint32(index)); err != nil {
		return nil, err
	}
	c := candidate(coll, spec, "xdp_fwd_fib_full")
	c.Verdict, c.Want, c.Note = Redirected(bench.XDP), network.Want, "the kernel's own routes and neighbours"
	return c, nil
}

func addKatran(s *Scenario, spec *ebpf.CollectionSpec, n int) (*bench.Candidate, error) {
	// What only takes memory here.
	if m := spec.Maps["server_id_map"]; m != nil {
		m.MaxEntries = 1024
	}
	if m := spec.Maps["ch_rings"]; m != nil {
		m.MaxEntries = vipCount * ringSize
	}
	coll, err := s.loadPeer(spec)
	if err != nil {
		return nil, err
	}
	t := &tables{coll: coll}
	t.put("ctl_array", uint32(0), [8]byte{2, 0, 0, 0, 0, 9}) // the default router's MAC
	type definition struct {
		Addr  [16]byte
		Port  uint16
		Proto uint8
		Pad   uint8
	}
	var places []uint32
	for i := range uint32(vipCount) {
		var d definition
		binary.BigEndian.PutUint32(d.Addr[:], 0xc0000264+i)
		d.Port = be16(443)
		for _, d.Proto = range []uint8{protoTCP, protoUDP} {
			t.put("vip_map", d, [2]uint32{0, i})
		}
		for _, r := range maglevRing(int(i)) {
			places = append(places, r+1) // its real 0 stands for none
		}
	}
	t.array("ch_rings", places)
	for i := range uint32(realCount) {
		var r [20]byte
		binary.BigEndian.PutUint32(r[:], 0xac120000+i)
		t.put("reals", i+1, r)
	}
	ncpu, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, err
	}
	for cpu := range uint32(ncpu) {
		lru, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.LRUHash, KeySize: 40, ValueSize: 16, MaxEntries: uint32(max(4*n, 1<<12))})
		if err != nil {
			return nil, err
		}
		s.OnClose(func() { lru.Close() })
		t.put("lru_mapping", cpu, lru)
	}
	if t.err != nil {
		return nil, t.err
	}
	c := candidate(coll, spec, "balancer_ingress")
	c.Verdict, c.Note = 3 /* XDP_TX */, "table of connections, statistics"
	return c, verifyKatran(c.Prog, s.Frames)
}

// verifyKatran checks that flows come out whole, in a correct IP header, and the
// same flow to the same real.
func verifyKatran(p *ebpf.Program, frames *bench.Frames) error {
	rng := rand.New(rand.NewPCG(9, 0))
	for range 100 {
		in := frames.At(rng.IntN(frames.N))
		var real uint32
		for range 2 {
			o := ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)+64)}
			verdict, err := p.Run(&o)
			if err != nil {
				return err
			}
			out := o.DataOut
			if verdict != 3 || len(out) != len(in)+20 || !bytes.Equal(out[34:], in[14:]) || checksum(0, out[14:34]) != 0 || out[23] != 4 {
				return fmt.Errorf("verdict %d, packet comes out wrong\nin  %x\nout %x", verdict, in, out)
			}
			to := binary.BigEndian.Uint32(out[30:])
			if to < 0xac120000 || to >= 0xac120000+realCount || real != 0 && to != real {
				return errors.New("a flow goes to no real, or to two")
			}
			real = to
		}
	}
	return nil
}
