package routemap

import (
	"cmp"
	"slices"

	pb "github.com/p4nic/p4nic/proto/bindingspb"
	"github.com/p4nic/p4nic/runtime/rib"
)

// neighbourKeyOf packs the key of a neighbour; ok is false where the pipeline
// has no table for it.
func (f *fib) neighbourEntry(k neighbourKey) (t *tableMap, key string, ok bool) {
	t = f.neighbour[family(k.address)]
	if t == nil || t.deeds[pb.Deed_SET_MAC] == nil {
		return nil, "", false
	}
	key, err := t.pack(values{pb.Meaning_PORT: number(uint64(k.port)), pb.Meaning_VLAN: number(uint64(k.vlan)), pb.Meaning_ADDRESS: k.address.AsSlice()})
	if err != nil {
		f.m.log.Warn("a neighbour has no place in the pipeline", "port", k.port, "address", k.address, "error", err)
		return nil, "", false
	}
	return t, key, true
}

// programNeighbours makes the entries of neighbours what is known of them.
func (f *fib) programNeighbours(keys []neighbourKey) {
	s := &sink{m: f.m, pl: f.pl}
	for _, k := range keys {
		f.putNeighbour(k, s)
	}
	s.flush()
}

// putNeighbour brings one to the sink. Where the table's key has no VLAN, the
// same address on two VLANs of a port is one entry: the last one known.
func (f *fib) putNeighbour(k neighbourKey, s *sink) {
	t, key, ok := f.neighbourEntry(k)
	if !ok {
		return
	}
	id := t.t.Name + key
	have, present := f.installed[id]
	mac := f.m.known[k]
	failed := func(err error) {
		if err != nil {
			f.m.log.Warn("a neighbour is not in the datapath", "port", k.port, "address", k.address, "error", err)
		}
	}
	if mac == (rib.MAC{}) {
		if present && have.from == k {
			delete(f.installed, id)
			s.remove(t, key, 0, call{done: failed})
		}
		return
	}
	if present && have.mac == mac {
		f.installed[id] = neighbourEntry{mac, k}
		return
	}
	a, err := t.make(pb.Deed_SET_MAC, values{pb.Meaning_MAC: mac[:]})
	if err != nil {
		failed(err)
		return
	}
	f.installed[id] = neighbourEntry{mac, k}
	s.put(t, key, 0, a, "", present, call{done: func(err error) {
		if err != nil && !present {
			delete(f.installed, id)
		}
		failed(err)
	}})
}

func (m *Map) knownKeys() []neighbourKey {
	out := make([]neighbourKey, 0, len(m.known))
	for k := range m.known {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b neighbourKey) int {
		return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.vlan, b.vlan), a.address.Compare(b.address))
	})
	return out
}
