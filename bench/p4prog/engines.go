package p4prog

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/bench"
	"github.com/p4nic/p4nic/bench/ref"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

// Workload is the content of one table, and the keys that packets look up in it.
type Workload struct {
	Name  string
	Sizes []int // numbers of entries it is measured with
	keys  []field
	make  func(r *rand.Rand, n int) (entries []ir.Entry, key func() []byte)
}

// field is a key of the table and of the frame behind the Ethernet header.
type field struct {
	name string
	bits int
	kind string
}

func five(address int) []field {
	return []field{{"src", address, "ternary"}, {"dst", address, "ternary"}, {"proto", 8, "ternary"}, {"sport", 16, "range"}, {"dport", 16, "range"}}
}

// Workloads lists the tables that the engines are measured with. Seeds are fixed.
func Workloads() []Workload {
	return []Workload{
		{"lpm4", []int{500000}, []field{{"dst", 32, "lpm"}}, internet4},
		{"lpm4-hosts", []int{500000}, []field{{"dst", 32, "lpm"}}, hosts(4)},
		{"lpm4-vrf", []int{500000}, []field{{"vrf", 16, "exact"}, {"dst", 32, "lpm"}}, vrfs},
		{"lpm6", []int{200000}, []field{{"dst", 128, "lpm"}}, internet6},
		{"lpm6-hosts", []int{200000}, []field{{"dst", 128, "lpm"}}, hosts(16)},
		{"acl4", []int{100, 1000, 4000, 10000}, five(32), rules(4, false)},
		{"acl4-masks", []int{1000, 4000}, five(32), rules(4, true)},
		{"acl6", []int{100, 1000, 4000, 10000}, five(128), rules(16, false)},
	}
}

// source is a v1model program with the table: with what "hit" packets go by
// whether there is an entry, with "data" where the entry's action says, counted;
// with "none" there is no table.
func (w *Workload) source(with string, size int) string {
	var h, k strings.Builder
	for _, f := range w.keys {
		fmt.Fprintf(&h, "    bit<%d> %s;\n", f.bits, f.name)
		fmt.Fprintf(&k, "            hdr.key.%s : %s;\n", f.name, f.kind)
	}
	table, apply := "", "sm.egress_spec = 1;"
	counters, counter := "", ""
	switch with {
	case "hit":
		apply = "if (t.apply().hit) { sm.egress_spec = 1; } else { sm.egress_spec = 2; }"
	case "data":
		apply = "t.apply();"
		counters, counter = "        counters = hits;\n", "    direct_counter(CounterType.packets_and_bytes) hits;\n"
	}
	if with != "none" {
		action := "NoAction"
		if with == "data" {
			action = "to"
		}
		table = fmt.Sprintf(`    action to(bit<9> port) { sm.egress_spec = port; }
%s    table t {
        key = {
%s        }
        actions = { %s; }
        default_action = %s;
        size = %d;
%s    }
`, counter, k.String(), action, map[string]string{"hit": "NoAction", "data": "to(2)"}[with], size, counters)
	}
	return fmt.Sprintf(`#include <core.p4>
#include <v1model.p4>
header ethernet_t { bit<48> dst; bit<48> src; bit<16> type; }
header key_t {
%s}
struct headers { ethernet_t eth; key_t key; }
struct meta_t { }
parser P(packet_in b, out headers hdr, inout meta_t m, inout standard_metadata_t sm) {
    state start { b.extract(hdr.eth); b.extract(hdr.key); transition accept; }
}
control V(inout headers hdr, inout meta_t m) { apply { } }
control I(inout headers hdr, inout meta_t m, inout standard_metadata_t sm) {
%s    apply { %s }
}
control E(inout headers hdr, inout meta_t m, inout standard_metadata_t sm) { apply { } }
control C(inout headers hdr, inout meta_t m) { apply { } }
control D(packet_out b, in headers hdr) { apply { b.emit(hdr.eth); b.emit(hdr.key); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
`, h.String(), table, apply)
}

// Scenario measures the workload with n entries: a constant next hop, with which
// the others are to be compared; the look-up alone; the look-up with action data
// and a direct counter; and the look-up in the kernel's own tables, where they can
// hold it.
func (w *Workload) Scenario(h bench.Hook, n int) (*ref.Scenario, error) {
	r := rand.New(rand.NewPCG(42, uint64(n)))
	entries, key := w.make(r, n)
	size := 0
	for _, f := range w.keys {
		size += f.bits / 8
	}
	frames, err := bench.MakeFrames(1<<20, max(60, 14+size), func(i int, b []byte) {
		copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5})
		copy(b[14:], key())
	})
	if err != nil {
		return nil, err
	}
	s := &ref.Scenario{Title: fmt.Sprintf("%s, %d entries", w.Name, n), Hook: h, Frames: frames, KeySize: max(size, 4), Entries: n, MemoryBound: true, Base: "look-up"}
	for _, c := range []struct {
		name, with string
		plain      bool
	}{{"constant", "none", false}, {"look-up", "hit", false}, {"look-up, data, counter", "data", false}, {"look-up, kernel's tables", "hit", true}} {
		if c.plain && (n > 1000 && w.keys[len(w.keys)-1].kind != "lpm" || h == bench.TC) {
			continue
		}
		if err := w.add(s, c.name, c.with, c.plain, entries); err != nil {
			s.Close()
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return s, nil
}

func (w *Workload) add(s *ref.Scenario, name, with string, plain bool, entries []ir.Entry) error {
	res, err := driver.Compile(driver.Options{Path: w.Name + ".p4",
		ReadFile: func(string) ([]byte, error) { return []byte(w.source(with, len(entries))), nil }})
	if err != nil {
		return err
	}
	if res.Diags.HasErrors() {
		return fmt.Errorf("%v", res.Diags.All()[0])
	}
	var content []packetcase.Content
	for range res.Core.Tables {
		c := packetcase.Content{Entries: slices.Clone(entries)}
		if with == "data" {
			for i := range c.Entries {
				c.Entries[i].Args = [][]byte{{0, 1}}
			}
			c.Default.Args = [][]byte{{0, 2}}
		}
		content = append(content, c)
	}
	x, err := Load(res.Core, content, Options{Hook: s.Hook, Plain: plain})
	if err != nil {
		return err
	}
	s.OnClose(x.Close)
	note := ""
	for _, t := range x.Layout.Tables {
		kib := uint64(0)
		for _, m := range t.Engine.Maps() {
			kib += (uint64(m.Stride()) + uint64(m.KeySize)) * uint64(m.MaxEntries) >> 10
		}
		note = fmt.Sprintf("%s, maps of %d KiB", t.Engine.Kind(), kib)
	}
	s.Candidates = append(s.Candidates, &bench.Candidate{Name: name, Note: note, Prog: x.Main, Again: x.LoadMain, Verdict: ref.Redirected(s.Hook), Code: x.Object.Insns, Maps: x.Maps})
	return nil
}

// prefixSet collects prefixes, each once, and draws keys in them.
type prefixSet struct {
	r       *rand.Rand
	seen    map[string]bool
	entries []ir.Entry
}

func (p *prefixSet) add(exact []byte, addr []byte, length int) bool {
	for i := length; i < 8*len(addr); i++ {
		addr[i/8] &^= 0x80 >> (i % 8)
	}
	id := string(exact) + string(addr) + string(rune(length))
	if p.seen[id] {
		return false
	}
	p.seen[id] = true
	e := ir.Entry{Handle: uint32(len(p.entries) + 1)}
	if exact != nil {
		e.Match = append(e.Match, ir.Match{Value: exact})
	}
	e.Match = append(e.Match, ir.Match{Value: addr, PrefixLen: length})
	p.entries = append(p.entries, e)
	return true
}

// key is an address within a prefix drawn anew.
func (p *prefixSet) key() []byte {
	e := &p.entries[p.r.IntN(len(p.entries))]
	var out []byte
	for _, m := range e.Match[:len(e.Match)-1] {
		out = append(out, m.Value...)
	}
	m := &e.Match[len(e.Match)-1]
	a := random(p.r, len(m.Value))
	for i := range m.PrefixLen {
		bit := byte(0x80 >> (i % 8))
		a[i/8] = a[i/8]&^bit | m.Value[i/8]&bit
	}
	return append(out, a...)
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// internet4 draws lengths as in a table of the Internet, addresses at random.
func internet4(r *rand.Rand, n int) ([]ir.Entry, func() []byte) {
	p := &prefixSet{r: r, seen: map[string]bool{}}
	for len(p.entries) < n {
		p.add(nil, random(r, 4), length4(r))
	}
	return p.entries, p.key
}

func length4(r *rand.Rand) int {
	switch k := r.IntN(100); {
	case k < 60:
		return 24
	case k < 64:
		return 25 + r.IntN(8)
	}
	return 12 + r.IntN(12)
}

// vrfs is 1,024 routing tables: one large, the others with a few routes.
func vrfs(r *rand.Rand, n int) ([]ir.Entry, func() []byte) {
	p := &prefixSet{r: r, seen: map[string]bool{}}
	for v := range 1023 {
		for range 10 {
			p.add(binary.BigEndian.AppendUint16(nil, uint16(v+1)), random(r, 4), length4(r))
		}
	}
	for len(p.entries) < n {
		p.add([]byte{0, 0}, random(r, 4), length4(r))
	}
	return p.entries, p.key
}

// hosts is hostile: every prefix is a single address anywhere.
func hosts(size int) func(r *rand.Rand, n int) ([]ir.Entry, func() []byte) {
	return func(r *rand.Rand, n int) ([]ir.Entry, func() []byte) {
		p := &prefixSet{r: r, seen: map[string]bool{}}
		for len(p.entries) < n {
			p.add(nil, random(r, size), 8*size)
		}
		return p.entries, p.key
	}
}

// internet6 has 30,000 blocks of 43 registries' /16s.
func internet6(r *rand.Rand, n int) ([]ir.Entry, func() []byte) {
	p := &prefixSet{r: r, seen: map[string]bool{}}
	tops := make([][]byte, 43)
	for i := range tops {
		tops[i] = []byte{0x20 | byte(r.IntN(16)), byte(r.Uint32())}
	}
	blocks := make([][]byte, 30000)
	for i := range blocks {
		blocks[i] = append(slices.Clone(tops[r.IntN(len(tops))]), random(r, 2)...)
	}
	for len(p.entries) < n {
		a := append(slices.Clone(blocks[r.IntN(len(blocks))]), random(r, 12)...)
		length := 48
		switch k := r.IntN(100); {
		case k < 12:
			length = 32
		case k < 42:
			length = 33 + r.IntN(15)
		case k < 50:
			length = 19 + r.IntN(13)
		case k < 54:
			length = 64
		case k < 56:
			length = 128
		}
		p.add(nil, a, length)
	}
	return p.entries, p.key
}

// rules are access lists as ClassBench makes them: networks that recur, prefixes
// of mixed lengths, ports that are any, one, above 1023 or a range. With masks the
// addresses' masks are bits anywhere. Nine keys of ten are drawn from a rule.
func rules(address int, masks bool) func(r *rand.Rand, n int) ([]ir.Entry, func() []byte) {
	return func(r *rand.Rand, n int) ([]ir.Entry, func() []byte) {
		networks := make([][]byte, 200)
		for i := range networks {
			networks[i] = random(r, address)
		}
		addr := func() ir.Match {
			v, m := slices.Clone(networks[r.IntN(len(networks))]), make([]byte, address)
			length := []int{0, 8, 16, 20, 24, 24, 28, 32, 32, 32}[r.IntN(10)] * address / 4
			for i := range length {
				m[i/8] |= 0x80 >> (i % 8)
			}
			for i := length / 2 / 8; i < address; i++ {
				v[i] = byte(r.Uint32())
			}
			if masks {
				copy(m, random(r, address))
			}
			for i := range v {
				v[i] &= m[i]
			}
			return ir.Match{Value: v, Mask: m}
		}
		port := func(above, ranges int) ir.Match {
			lo, hi := uint16(0), uint16(0xffff)
			switch k := r.IntN(100); {
			case k < above:
				lo = 1024
			case k < above+ranges:
				lo = uint16(r.Uint32())
				hi = lo + uint16(r.IntN(int(0xffff-lo)+1))
			case k < 60:
				lo = []uint16{22, 25, 53, 80, 123, 179, 443, 8080, uint16(r.Uint32())}[r.IntN(9)]
				hi = lo
			}
			return ir.Match{Value: binary.BigEndian.AppendUint16(nil, lo), Mask: binary.BigEndian.AppendUint16(nil, hi)}
		}
		var es []ir.Entry
		for i := range n {
			proto := ir.Match{Value: []byte{[]byte{6, 17}[r.IntN(2)]}, Mask: []byte{0xff}}
			if r.IntN(100) < 15 {
				proto = ir.Match{Value: []byte{0}, Mask: []byte{0}}
			}
			es = append(es, ir.Entry{Handle: uint32(i + 1), Priority: int32(n - i),
				Match: []ir.Match{addr(), addr(), proto, port(10, 5), port(10, 15)}})
		}
		key := func() []byte {
			var out []byte
			e := &es[r.IntN(len(es))]
			miss := r.IntN(10) == 0
			for i, m := range e.Match {
				v := random(r, len(m.Value))
				switch {
				case miss:
				case i < 3:
					for j := range v {
						v[j] = v[j]&^m.Mask[j] | m.Value[j]
					}
				default:
					lo, hi := binary.BigEndian.Uint16(m.Value), binary.BigEndian.Uint16(m.Mask)
					binary.BigEndian.PutUint16(v, lo+uint16(r.IntN(int(hi-lo)+1)))
				}
				out = append(out, v...)
			}
			return out
		}
		return es, key
	}
}
