package bmv2tests

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// Generator makes frames and table contents from one seed, the same every time.
// Both draw values of a width from the same small pools, so that frames meet
// entries.
type Generator struct{ r *rand.Rand }

// NewGenerator is a generator for a seed.
func NewGenerator(seed uint64) *Generator {
	return &Generator{rand.New(rand.NewPCG(seed, 0x70346e6963))}
}

func (g *Generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func pick[T any](g *Generator, xs ...T) T { return xs[g.r.IntN(len(xs))] }

// mac, ipv4 and ipv6 are the pools of addresses.
func (g *Generator) mac() string {
	return fmt.Sprintf("02:00:00:00:00:%02x", pick(g, 1, 1, 1, 1, 1, 2, 3))
}

func (g *Generator) ipv4() netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, byte(g.r.IntN(3)), byte(g.r.IntN(4))})
}

func (g *Generator) ipv6() netip.Addr {
	a := [16]byte{0x20, 1, 0x0d, 0xb8, 15: byte(g.r.IntN(4))}
	a[7] = byte(g.r.IntN(3))
	return netip.AddrFrom16(a)
}

// number is a value of a field or key of w bits: likely one that occurs
// elsewhere, sometimes any.
func (g *Generator) number(w int) *big.Int {
	v := new(big.Int)
	switch {
	case g.chance(4):
		return v.SetBytes(g.bytes(ir.ByteWidth(w))).Rsh(v, uint(ir.ByteWidth(w)*8-w))
	case w == 128:
		return v.SetBytes(g.ipv6().AsSlice())
	case w == 48:
		return v.SetUint64(0x020000000000 | uint64(pick(g, 1, 1, 1, 1, 1, 2, 3)))
	case w == 32:
		return v.SetBytes(g.ipv4().AsSlice())
	case w == 16:
		return v.SetUint64(uint64(g.port()))
	case w == 12:
		return v.SetUint64(uint64(pick(g, 0, 0, 0, 5, 100)))
	case w == 9:
		return v.SetUint64(uint64(g.r.IntN(4)))
	case w == 8:
		return v.SetUint64(uint64(pick(g, 0, 1, 1, 6, 17, 58, 64)))
	}
	return v.Rsh(v.SetBytes(g.bytes(ir.ByteWidth(w))), uint(ir.ByteWidth(w)*8-w))
}

// port is a port of TCP and UDP, and whatever else has 16 bits.
func (g *Generator) port() int { return pick(g, 0, 1, 1, 1, 1, 2, 2, 3, 80) }

func (g *Generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.r.Uint32())
	}
	return b
}

// Ingress is the port of a frame.
func (g *Generator) Ingress() uint32 { return uint32(g.r.IntN(4)) }

// Frame is a frame in the notation of packetcase.ParseFrame, and its bytes: most
// are correct, of every shape; some have wrong fields, flipped bits, or end
// anywhere.
func (g *Generator) Frame() (string, []byte, error) {
	s, err := g.mutate(g.whole())
	if err != nil {
		return s, nil, err
	}
	b, err := packetcase.ParseFrame(s)
	return s, b, err
}

// whole is a frame before it is spoilt.
func (g *Generator) whole() string {
	if g.chance(2) {
		return fmt.Sprintf("hex %x", g.bytes(g.r.IntN(120)))
	}
	var ls []string
	add := func(format string, args ...any) { ls = append(ls, fmt.Sprintf(format, args...)) }
	dst := g.mac()
	if g.chance(5) {
		dst = pick(g, "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:05", "33:33:00:00:00:01")
	}
	add("eth dst=%s src=02:00:00:00:09:%02x", dst, g.r.IntN(256))
	for n := pick(g, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2); n > 0; n-- {
		add("vlan pcp=%d dei=%d vid=%d", g.r.IntN(8), g.r.IntN(2), g.number(12))
	}
	switch n := g.r.IntN(100); {
	case n < 6:
		add("arp op=%d sha=%s spa=%s tha=%s tpa=%s", 1+g.r.IntN(2), g.mac(), g.ipv4(), g.mac(), g.ipv4())
	case n < 55:
		g.layers4(add)
	case n < 97:
		g.layers6(add)
	default:
		add("hex %x", g.bytes(g.r.IntN(60)))
	}
	return strings.Join(ls, " / ")
}

func (g *Generator) layers4(add func(string, ...any)) {
	extra := ""
	if g.chance(8) {
		extra += fmt.Sprintf(" opt=%x", g.bytes(4*(1+g.r.IntN(10))))
	}
	first := true
	if g.chance(12) {
		frag := pick(g, 0, 0, 1, 185, 8191)
		first = frag == 0
		extra += fmt.Sprintf(" flags=%d frag=%d", g.r.IntN(8), frag)
	}
	// Wrong fields, one in 30 each.
	for _, f := range []struct {
		name  string
		width int
	}{{"version", 4}, {"ihl", 4}, {"len", 16}, {"sum", 16}} {
		if g.chance(3) {
			v := g.r.IntN(1 << f.width)
			if f.name == "len" && g.chance(70) {
				v = 10 + g.r.IntN(60)
			}
			if f.name != "ihl" || !strings.Contains(extra, "opt=") {
				extra += fmt.Sprintf(" %s=%d", f.name, v)
			}
		}
	}
	add("ipv4 src=%s dst=%s ttl=%d tos=%d id=%d%s", g.ipv4(), g.odd4(), g.ttl(), g.r.IntN(256), g.r.IntN(65536), extra)
	if first {
		g.upper(add, false)
	} else {
		add("hex %x", g.bytes(g.r.IntN(60)))
	}
}

// odd4 is a destination, now and then one that is nobody's.
func (g *Generator) odd4() string {
	if g.chance(4) {
		return pick(g, "224.0.0.5", "255.255.255.255", "127.0.0.1", "0.0.0.0")
	}
	return g.ipv4().String()
}

func (g *Generator) layers6(add func(string, ...any)) {
	extra := ""
	if g.chance(3) {
		extra += fmt.Sprintf(" version=%d", g.r.IntN(16))
	}
	if g.chance(5) {
		extra += fmt.Sprintf(" len=%d", g.r.IntN(100))
	}
	src, dst := g.ipv6().String(), g.ipv6().String()
	odd := []string{"fe80::1", "ff02::1", "::", "::1", "febf::ffff"}
	if g.chance(4) {
		dst = pick(g, odd...)
	}
	if g.chance(4) {
		src = pick(g, odd...)
	}
	add("ipv6 src=%s dst=%s hops=%d tc=%d flow=%d%s", src, dst, g.ttl(), g.r.IntN(256), g.r.IntN(1<<20), extra)
	if g.chance(6) {
		add("hop")
	}
	g.upper(add, true)
}

func (g *Generator) ttl() int {
	return pick(g, 0, 1, 2, 2, 3, 32, 64, 64, 64, 64, 64, 64, 64, 128, 255, 255)
}

func (g *Generator) upper(add func(string, ...any), six bool) {
	switch g.r.IntN(8) {
	case 0, 1, 2:
		add("tcp sport=%d dport=%d seq=%d flags=%d", g.port(), g.port(), g.r.Uint32(), g.r.IntN(64))
	case 3, 4, 5:
		add("udp sport=%d dport=%d", g.port(), g.port())
	case 6:
		if six {
			add("icmpv6 type=%d code=%d", pick(g, 1, 128, 129, 132, 133, 135, 136, 137, 138), g.r.IntN(8))
		} else {
			add("icmp type=%d code=%d", pick(g, 0, 3, 8, 11), g.r.IntN(8))
		}
	}
	n := g.r.IntN(40)
	if g.chance(5) {
		n = g.r.IntN(1400)
	}
	add("hex %x", g.bytes(n))
}

// mutate spoils some frames.
func (g *Generator) mutate(s string) (string, error) {
	b, err := packetcase.ParseFrame(s)
	if err != nil {
		return s, err
	}
	n := len(b)
	if g.chance(15) && n < 60 {
		s, n = s+" / pad 60", 60
	}
	if g.chance(12) {
		n = g.r.IntN(min(n, 80) + 1)
		s += fmt.Sprintf(" / cut %d", n)
	}
	if g.chance(12) && n > 0 {
		for range 1 + g.r.IntN(3) {
			s += fmt.Sprintf(" / flip %d", g.r.IntN(min(n, 64)*8))
		}
	}
	return s, nil
}

// Content fills the tables of p with up to n random entries each, after those of
// the program, and gives those that allow it a random default action.
func (g *Generator) Content(p *ir.Program, n int) ([]packetcase.Content, error) {
	content := make([]packetcase.Content, len(p.Tables))
	for i, t := range p.Tables {
		if len(t.Actions) == 0 {
			continue
		}
		es, def, err := t.Initial()
		if err != nil {
			return nil, err
		}
		if !t.ConstEntries && len(t.Keys) > 0 && slices.ContainsFunc(t.Actions, func(a ir.ActionRef) bool { return !a.DefaultOnly }) {
			size := n
			if t.NeedsPriority() {
				size = n / 8 // each matches much; misses are wanted too
			}
			if t.Size > 0 {
				size = min(size, t.Size-len(es))
			}
			for range size {
				e := g.entry(t)
				if e.Handle = uint32(len(es) + 1); !taken(es, e) {
					es = append(es, e)
				}
			}
		}
		if a := g.r.IntN(len(t.Actions)); !t.ConstDefault && !t.Actions[a].TableOnly && g.chance(15) {
			def = ir.Entry{Action: a, Args: g.args(t, a)}
		}
		content[i] = packetcase.Content{Entries: es, Default: def}
	}
	return content, nil
}

// taken tells whether an entry has the same match. Equal priorities are allowed:
// then the lower handle wins.
func taken(es []ir.Entry, e ir.Entry) bool {
	for _, o := range es {
		same := true
		for i := range e.Match {
			a, b := o.Match[i], e.Match[i]
			same = same && bytes.Equal(a.Value, b.Value) && bytes.Equal(a.Mask, b.Mask) && a.PrefixLen == b.PrefixLen
		}
		if same {
			return true
		}
	}
	return false
}

func (g *Generator) entry(t *ir.Table) ir.Entry {
	var e ir.Entry
	for _, k := range t.Keys {
		e.Match = append(e.Match, g.match(k))
	}
	if t.NeedsPriority() {
		e.Priority = int32(1 + g.r.IntN(40))
	}
	for {
		// Programs name the action with an effect first.
		if e.Action = 0; g.chance(20) {
			e.Action = g.r.IntN(len(t.Actions))
		}
		if !t.Actions[e.Action].DefaultOnly {
			break
		}
	}
	e.Args = g.args(t, e.Action)
	return e
}

func (g *Generator) args(t *ir.Table, action int) [][]byte {
	var args [][]byte
	for _, p := range t.Actions[action].Action.DataParams() {
		w := ir.Width(p.Type)
		args = append(args, ir.MachineBytes(g.number(w), w))
	}
	return args
}

func (g *Generator) match(k ir.Key) ir.Match {
	ty := k.Expr.Type()
	w := ir.Width(ty)
	ones := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(w)), big.NewInt(1))
	n := g.number(w)
	v := ir.MachineBytes(n, w)
	free := k.Kind != ir.MatchExact && k.Kind != ir.MatchLPM
	if free && g.chance(50) {
		return ir.Match{}
	}
	switch k.Kind {
	case ir.MatchLPM:
		l := w - g.r.IntN(min(w, 12)+1)
		if g.chance(30) {
			l = g.r.IntN(w + 1)
		}
		mask := new(big.Int).Lsh(ones, uint(w-l))
		return ir.Match{Value: ir.MachineBytes(n.And(n, mask), w), PrefixLen: l}
	case ir.MatchTernary:
		mask := new(big.Int).Set(ones)
		switch g.r.IntN(4) {
		case 0:
			mask.Lsh(mask, uint(g.r.IntN(w)))
		case 1:
			mask = g.number(w)
		}
		mask.And(mask, ones)
		if mask.Sign() == 0 {
			return ir.Match{}
		}
		return ir.Match{Value: ir.MachineBytes(n.And(n, mask), w), Mask: ir.MachineBytes(mask, w)}
	case ir.MatchRange:
		lo, hi := n, g.number(w)
		if _, signed := ir.Underlying(ty).(*ir.Int); signed {
			for _, x := range []*big.Int{lo, hi} {
				if x.Bit(w-1) == 1 {
					x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(w)))
				}
			}
		}
		if lo.Cmp(hi) > 0 {
			lo, hi = hi, lo
		}
		return ir.Match{Value: ir.MachineBytes(lo, w), Mask: ir.MachineBytes(hi, w)}
	}
	return ir.Match{Value: v}
}

// Mutate gives a frame like b: cut or longer, bits flipped, bytes set to values
// that matter at edges.
func (g *Generator) Mutate(b []byte) []byte {
	b = bytes.Clone(b)
	switch g.r.IntN(6) {
	case 0:
		b = b[:g.r.IntN(len(b)+1)]
	case 1:
		b = append(b, g.bytes(g.r.IntN(30))...)
	}
	for range g.r.IntN(5) {
		if len(b) == 0 {
			break
		}
		at := g.r.IntN(len(b))
		switch g.r.IntN(3) {
		case 0:
			b[at] ^= 1 << g.r.IntN(8)
		case 1:
			b[at] = pick[byte](g, 0, 1, 2, 0x7f, 0x80, 0xfe, 0xff)
		case 2:
			b[at] = byte(g.r.Uint32())
		}
	}
	return b
}
