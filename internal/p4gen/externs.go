package p4gen

import (
	"fmt"
	"strings"
)

// object is an extern object of the control.
type object struct {
	name string
	elem *typ // of a register
	size int
}

// objects declares the control's counters and registers.
func (g *gen) objects() {
	c := g.ctrl
	if g.on[fRegister] {
		for range 1 + g.r.IntN(2) {
			o := object{name: g.name("reg"), elem: g.number(), size: 1 + g.r.IntN(8)}
			if p, ok := g.find(func(p place) bool { return p.t.numeric() && p.rw }); ok && g.chance(60) {
				o.elem = p.t
			}
			g.cite("L38", "L99")
			if o.elem.kind == kBit {
				g.cite("L14")
			}
			g.line("register<%s>(%d) %s;", g.spell(o.elem), o.size, o.name)
			c.registers = append(c.registers, o)
		}
	}
	if g.on[fMeter] && c.std != "" {
		o := object{name: g.name("met"), size: 1 + g.r.IntN(4)}
		g.line("meter(%d, MeterType.%s) %s;", o.size, pick(g, []string{"packets", "bytes"}), o.name)
		c.meters = append(c.meters, o)
	}
	if g.on[fCounter] {
		o := object{name: g.name("cnt"), size: 1 + g.r.IntN(8)}
		g.cite("L38", "L99")
		g.line("counter(%d, CounterType.%s) %s;", o.size, pick(g, []string{"packets", "bytes", "packets_and_bytes"}), o.name)
		c.counters = append(c.counters, o)
	}
}

var hashes = []string{"crc32", "crc16", "csum16", "xor16", "identity", "crc32", "crc16"}

// externCall calls something of v1model.
func (g *gen) externCall() bool {
	b := g.body
	if b.kind == inFunction || g.ctrl == nil && b.kind != inState {
		return false
	}
	if b.kind == inState || g.ctrl.std == "" {
		return false // checksum blocks and parsers have theirs elsewhere
	}
	index := func(o object) string {
		if g.chance(40) {
			return fmt.Sprint(g.r.IntN(o.size + 1)) // one past the end, too
		}
		return "(bit<32>)" + g.at(g.expr(bits(1+g.r.IntN(4)), 2), pUnary)
	}
	switch g.r.IntN(14) {
	case 9, 10, 11:
		return g.on[fCopies] && g.copies()
	case 12:
		if g.on[fMeter] && len(g.ctrl.meters) > 0 {
			if p, ok := g.find(func(p place) bool { return p.rw && p.t.kind == kBit && p.t.w >= 2 && !p.std }); ok {
				o := pick(g, g.ctrl.meters)
				g.line("%s.execute_meter(%s, %s);", o.name, index(o), g.text(p))
				return true
			}
		}
	case 13:
		if g.on[fDigest] && !g.egress {
			t := g.number()
			g.line("digest<%s>(1, { %s, %s });", g.digestType(t), g.exprText(t, 2), g.exprText(&typ{kind: kBool}, 1))
			return true
		}
	case 0, 1:
		if len(g.ctrl.registers) > 0 {
			o := pick(g, g.ctrl.registers)
			if l := g.lvalue(o.elem); l != "" && g.chance(50) {
				g.line("%s.read(%s, %s);", o.name, l, index(o))
			} else {
				g.line("%s.write(%s, %s);", o.name, index(o), g.exprText(o.elem, 3))
			}
			return true
		}
	case 2:
		if len(g.ctrl.counters) > 0 {
			o := pick(g, g.ctrl.counters)
			g.line("%s.count(%s);", o.name, index(o))
			return true
		}
	case 3, 4:
		if g.on[fHash] {
			return g.hashCall()
		}
	case 5:
		if g.on[fRandom] {
			p, ok := g.find(func(p place) bool { return p.rw && p.t.kind == kBit && p.t.w <= 32 && !p.std })
			if !ok {
				return false
			}
			// Both ends alike: the kernel's random numbers are its own.
			v := g.spellNumber(g.value(p.t), p.t, true)
			g.line("random(%s, %s, %s);", g.text(p), v, v)
			return true
		}
	case 6:
		if g.on[fLog] {
			switch g.r.IntN(5) {
			case 0, 4:
				g.cite("L10")
				g.cite("L152")
				if g.chance(60) {
					g.cite("L57", "L22")
					g.line("log_msg(\"here\" ++ \" and there\");")
				} else {
					g.line("log_msg(\"here\");")
				}
			case 1:
				t := g.number()
				g.cite("L10")
				g.line("log_msg(\"value {}\", { %s });", g.exprText(t, 2))
			case 2:
				g.line("assert(%s);", g.exprText(&typ{kind: kBool}, 2))
			default:
				g.line("assume(%s);", g.exprText(&typ{kind: kBool}, 2))
			}
			return true
		}
	case 7:
		if g.on[fDrop] && g.chance(60) {
			g.line("if (%s) { mark_to_drop(%s); }", g.rare(), g.ctrl.std)
			return true
		}
	case 8:
		if g.on[fTruncate] && g.chance(50) {
			g.line("truncate(%d);", g.r.IntN(100))
			return true
		}
	}
	return false
}

// digestType is a tuple of t and bool.
func (g *gen) digestType(t *typ) string { return "tuple<" + g.spell(t) + ", bool>" }

// copies makes the packet more than one, or sends it round again: each packet at
// most once, or it would never end.
func (g *gen) copies() bool {
	sm := g.ctrl.std
	first := sm + ".instance_type == 0"
	if g.chance(60) {
		first += " && " + g.at(g.boolean(1), pLAnd+1)
	}
	session := fmt.Sprint(1 + g.r.IntN(4)) // 4 does not exist
	kind := "I2E"
	if g.egress {
		kind = "E2E"
	}
	list := 1 + g.r.IntN(2)
	var call string
	switch n := g.r.IntN(4); {
	case n == 0:
		call = fmt.Sprintf("clone(CloneType.%s, %s)", kind, session)
	case n == 1:
		call = fmt.Sprintf("clone_preserving_field_list(CloneType.%s, %s, %d)", kind, session, list)
	case g.egress:
		// A recirculated packet is like a new one in egress: rarely, or none ends.
		first += " && " + g.rare()
		call = fmt.Sprintf("recirculate_preserving_field_list(%d)", list)
	case n == 2:
		call = fmt.Sprintf("resubmit_preserving_field_list(%d)", list)
	default:
		call = fmt.Sprintf("%s.mcast_grp = %d", sm, g.r.IntN(5))
	}
	g.line("if (%s) { %s; }", first, call)
	return true
}

// rare is a condition that few packets meet.
func (g *gen) rare() string {
	p, ok := g.find(func(p place) bool { return p.t.kind == kBit && p.t.w >= 4 && !p.konst })
	if !ok {
		return "false"
	}
	v := g.value(p.t)
	if v.BitLen() <= 1 { // zero is what everything holds at first
		v.SetInt64(5)
	}
	return g.text(p) + " == " + g.spellNumber(v, p.t, false)
}

// fieldList is a tuple of fields for a checksum or hash, whole bytes in all.
func (g *gen) fieldList(constants bool) string {
	var parts []string
	total := 0
	for range 1 + g.r.IntN(4) {
		p, ok := g.find(func(p place) bool {
			return (p.t.kind == kBit || p.t.kind == kInt || constants && g.on[fAggregate] && p.t.kind == kHeader && len(p.sizes) == 0 && p.t.width() > 0 && p.t.width()%8 == 0) && !p.std && !p.konst
		})
		if !ok {
			break
		}
		parts = append(parts, g.text(p))
		total += p.t.width()
	}
	if rest := total % 8; rest != 0 || len(parts) == 0 {
		parts = append(parts, g.literal(bits(8-rest)))
	}
	g.cite("L66")
	return "{ " + strings.Join(parts, ", ") + " }"
}

func (g *gen) hashCall() bool {
	p, ok := g.find(func(p place) bool { return p.rw && p.t.kind == kBit && p.t.w >= 2 && p.t.w <= 64 && !p.std })
	if !ok {
		return false
	}
	w := min(p.t.w, 32)
	base := g.literal(bits(w))
	maxText := fmt.Sprintf("%dw%d", w, 1+g.r.Uint64N(1<<min(w-1, 20)))
	if g.chance(30) {
		base = g.exprText(bits(w), 2)
	}
	g.line("hash(%s, HashAlgorithm.%s, %s, %s, %s);", g.text(p), pick(g, hashes), base, g.fieldList(true), maxText)
	return true
}

// checksums writes the body of a checksum block.
func (g *gen) checksums(verify bool) {
	if !g.on[fChecksum] {
		return
	}
	for range 1 + g.r.IntN(2) {
		p, ok := g.find(func(p place) bool {
			return (p.rw || verify) && p.t.kind == kBit && (p.t.w == 16 || p.t.w == 32) && len(p.sizes) == 0 && strings.HasPrefix(p.path, "hdr.")
		})
		if !ok {
			return
		}
		algo := "csum16"
		if p.t.w == 32 {
			algo = "crc32"
		} else if g.chance(20) {
			algo = "crc16"
		}
		name := map[bool]string{true: "verify_checksum", false: "update_checksum"}[verify]
		if g.has(fPayload, 60) {
			name += "_with_payload"
		}
		g.line("%s(%s, %s, %s, HashAlgorithm.%s);", name, g.exprText(&typ{kind: kBool}, 1), g.fieldList(false), g.text(p), algo)
	}
}
