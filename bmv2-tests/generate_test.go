package bmv2tests

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/internal/packetcase"
)

var rounds = flag.Int("rounds", 1, "how often the generated tests play, each time with other seeds")

// batch is a content of the tables and frames for it.
type batch struct {
	content []packetcase.Content
	in      []packetcase.Packet
	text    []string
}

func generate(t testing.TB, p *Program, seed uint64, frames int, fill func(*Generator) ([]packetcase.Content, error)) batch {
	t.Helper()
	g := NewGenerator(seed)
	var b batch
	var err error
	b.content, err = fill(g)
	check(t, err)
	for range frames {
		text, data, err := g.Frame()
		check(t, err)
		b.in = append(b.in, packetcase.Packet{Port: g.Ingress(), Data: data})
		b.text = append(b.text, text)
	}
	return b
}

// anything fills the tables with entries that know nothing of the program.
func anything(p *Program, entries int) func(*Generator) ([]packetcase.Content, error) {
	return func(g *Generator) ([]packetcase.Content, error) { return g.Content(p.Core, entries) }
}

// routing fills the router's tables so that most look-ups hit: nearly all values
// that occur have an entry, and most entries do not end the packet's way.
func routing(p *Program) func(*Generator) ([]packetcase.Content, error) {
	return func(g *Generator) ([]packetcase.Content, error) {
		var b strings.Builder
		add := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
		// most gives the first action, or now and then one of the others, or "".
		most := func(first string, others ...string) string {
			if g.chance(88) {
				return first
			}
			return pick(g, append(others, "")...)
		}
		entry := func(key, action string) {
			if action != "" {
				add("%s -> %s", key, action)
			}
		}
		for port := range 4 {
			for _, vlan := range []int{0, 5, 100} {
				entry(fmt.Sprintf("interfaces port=%d vlan=%d", port, vlan),
					most(fmt.Sprintf("set_interface(%d, 02:00:00:00:00:01)", pick(g, 1, 1, 1, 2)), "to_host()", "drop()"))
				entry(fmt.Sprintf("egress_interfaces port=%d vlan=%d", port, vlan),
					most(fmt.Sprintf("set_source(%s)", g.mac()), "drop()"))
			}
			for i := range 12 {
				a := [4]byte{10, 0, byte(i / 4), byte(i % 4)}
				entry(fmt.Sprintf("neighbours_v4 port=%d address=%d.%d.%d.%d", port, a[0], a[1], a[2], a[3]),
					most(fmt.Sprintf("set_neighbour(02:00:00:00:02:%02x)", i), "to_host()", "drop()"))
				entry(fmt.Sprintf("neighbours_v6 port=%d address=2001:db8:0:%d::%d", port, i/4, i%4),
					most(fmt.Sprintf("set_neighbour(02:00:00:00:06:%02x)", i), "to_host()", "drop()"))
			}
		}
		for _, vrf := range []int{1, 2} {
			for i := range 3 {
				entry(fmt.Sprintf("ipv4_routes vrf=%d prefix=10.0.%d.0/24", vrf, i), most(fmt.Sprintf("set_group(%d)", g.r.IntN(4)), "to_host()", "drop()"))
				entry(fmt.Sprintf("ipv4_routes vrf=%d prefix=10.0.%d.%d/%d", vrf, i, g.r.IntN(4), 25+g.r.IntN(8)), pick(g, "set_group(0)", "set_group(3)", "to_host()", "drop()"))
				entry(fmt.Sprintf("ipv6_routes vrf=%d prefix=2001:db8:0:%d::/64", vrf, i), most(fmt.Sprintf("set_group(%d)", g.r.IntN(4)), "to_host()", "drop()"))
				entry(fmt.Sprintf("ipv6_routes vrf=%d prefix=2001:db8:0:%d::%d/%d", vrf, i, g.r.IntN(4), 65+g.r.IntN(64)), pick(g, "set_group(0)", "set_group(3)", "to_host()", "drop()"))
			}
		}
		for i := range 4 {
			entry(fmt.Sprintf("next_hop_groups group=%d", i), most(fmt.Sprintf("set_buckets(%d, %d)", g.r.IntN(4), g.r.IntN(5)), "drop()"))
		}
		for i := range 8 {
			entry(fmt.Sprintf("buckets bucket=%d", i), most(fmt.Sprintf("set_next_hop(%d)", g.r.IntN(8)), "drop()"))
			port, vlan := g.r.IntN(4), pick(g, 0, 5, 100)
			entry(fmt.Sprintf("next_hops next_hop=%d", i), most(pick(g,
				fmt.Sprintf("via_v4(%d, %d, %s)", port, vlan, g.ipv4()),
				fmt.Sprintf("via_v6(%d, %d, %s)", port, vlan, g.ipv6()),
				fmt.Sprintf("on_link(%d, %d)", port, vlan)), "to_host()", "drop()"))
		}
		for range 12 {
			key := func(format string, args ...any) string {
				if g.chance(40) {
					return ""
				}
				return fmt.Sprintf(format, args...)
			}
			for _, t := range []struct {
				name string
				addr func() string
			}{{"acl", func() string { return g.ipv4().String() }}, {"acl6", func() string { return g.ipv6().String() }}} {
				add("%s prio=%d %s %s dst=%s %s %s -> %s", t.name, g.r.IntN(8), key("port=%d", g.r.IntN(4)), key("src=%s", t.addr()), t.addr(),
					key("protocol=%d&&&%d", pick(g, 6, 17), pick(g, 255, 254, 4)), key("dst_port=%d..%d", g.r.IntN(3), 3+g.r.IntN(90)), pick(g, "permit()", "deny()"))
			}
		}
		return packetcase.ParseEntries(p.Core, b.String())
	}
}

// routerBatches are 10,000 frames over ten contents of router.p4: eight that
// route, two of anything; some with ROUTED_DSCP.
func routerBatches(t testing.TB, round int) (ps []*Program, bs []batch) {
	t.Helper()
	plain, err := Compile("../p4src/router.p4", nil)
	check(t, err)
	marked, err := Compile("../p4src/router.p4", nil, "ROUTED_DSCP=46")
	check(t, err)
	for i := range 10 {
		p := plain
		if i%3 == 2 {
			p = marked
		}
		fill := routing(p)
		if i >= 8 {
			fill = anything(p, 120)
		}
		ps = append(ps, p)
		bs = append(bs, generate(t, p, uint64(10*round+i), 1000, fill))
	}
	return ps, bs
}

// few is n, or less of it with -short.
func few(n int) int {
	if testing.Short() {
		return n / 5
	}
	return n
}

// TestGenerated: 10,000 generated frames through router.p4 leave every engine as
// they leave ir/exec, with the same counters.
func TestGenerated(t *testing.T) {
	eachKind(t, func(t *testing.T, k Kind) {
		for round := range *rounds {
			ps, bs := routerBatches(t, round)
			for i, b := range bs {
				compare(t, k, ps[i], b.content, b.in[:few(len(b.in))], func(j int) string {
					return fmt.Sprintf("round %d content %d frame %d: in %d %s", round, i, j, b.in[j].Port, b.text[j])
				})
			}
		}
	})
}

// TestGeneratedReach: what TestGenerated plays goes everywhere: it runs at
// least 95 % of the router, and a good part of the frames takes each way out.
func TestGeneratedReach(t *testing.T) {
	ps, bs := routerBatches(t, 0)
	c := NewCoverage(ps[0].Core)
	ways := map[string]int{}
	all := 0
	for i, b := range bs {
		if ps[i] == ps[0] {
			check(t, c.Play(b.content, b.in))
		}
		e := open(t, Reference(), ps[i], b.content).(*execEngine)
		for _, in := range b.in {
			all++
			r := e.m.Process(exec.Packet{Port: in.Port, Data: in.Data})
			switch {
			case r.Dropped && r.ParserError != 0:
				ways["too short"]++
			case r.Dropped:
				ways["dropped"]++
			case r.Outputs[0].Port == 509:
				ways["host"]++
			default:
				ways["forwarded"]++
			}
		}
	}
	t.Logf("%d frames: %v", all, ways)
	for _, w := range []string{"too short", "dropped", "host", "forwarded"} {
		if ways[w]*20 < all {
			t.Errorf("only %d of %d frames: %s", ways[w], all, w)
		}
	}
	missing, points := c.Missing()
	if len(missing)*20 > points {
		t.Errorf("%d of %d places never ran:\n%s", len(missing), points, strings.Join(missing, "\n"))
	}
}

// The generator gives the same for the same seed.
func TestGeneratorRepeats(t *testing.T) {
	a, b := NewGenerator(7), NewGenerator(7)
	for range 100 {
		x, _, err := a.Frame()
		check(t, err)
		if y, _, _ := b.Frame(); x != y {
			t.Fatalf("%s\n%s", x, y)
		}
	}
}

// TestMutated: frames made from those of each case, cut, longer, with bytes
// changed, leave every engine as they leave ir/exec; with the case's entries and
// with any.
func TestMutated(t *testing.T) {
	cs := loadCases(t)
	eachKind(t, func(t *testing.T, k Kind) {
		for i, c := range cs {
			p, err := c.Compile()
			check(t, err)
			content, err := c.Content(p)
			check(t, err)
			if refused(t, k, c, p, content) {
				continue
			}
			for round := range 2 * *rounds {
				seed := uint64(1000*(round+1) + i)
				g := NewGenerator(seed)
				if round%2 == 1 {
					content, err = g.Content(p.Core, 20)
					check(t, err)
				}
				var in []packetcase.Packet
				for range few(500) {
					from := pick(g, c.Steps...).In
					in = append(in, packetcase.Packet{Port: pick(g, from.Port, from.Port, g.Ingress()), Data: g.Mutate(from.Data)})
				}
				compare(t, k, p, content, in, func(j int) string {
					return fmt.Sprintf("%s seed %d frame %d: in %d %x", c.Name, seed, j, in[j].Port, in[j].Data)
				})
			}
		}
	})
}
