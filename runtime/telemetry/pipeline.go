package telemetry

import (
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"strconv"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

// Our own container and the module that defines it (yang/p4nic-pipeline.yang).
const (
	pipelineContainer = "pipeline"
	pipelineModule    = "p4nic-pipeline"
	tablePath         = "/p4nic-pipeline:pipeline/tables/table[name]"
	entryPath         = tablePath + "/entries/entry[match]"
	counterPath       = "/p4nic-pipeline:pipeline/counters/counter[name]"
	cellPath          = counterPath + "/cells/cell[index:uint32]"
	dropPath          = "/p4nic-pipeline:pipeline/drops/drop[reason]"
)

// pipelineRow is /pipeline/state.
type pipelineRow struct {
	name, arch, digest, engine string
}

func pipelineState(st *store.Store, engine string) *Source {
	text := func(f func(*pipelineRow) string) func(*pipelineRow) (Value, bool) {
		return func(p *pipelineRow) (Value, bool) { return str(f(p)), true }
	}
	t := Type{Kind: String}
	s := newSource(OriginP4nic, "/p4nic-pipeline:pipeline", []def[pipelineRow]{
		{"state/name", t, text(func(p *pipelineRow) string { return p.name }), operational, nil},
		{"state/architecture", t, text(func(p *pipelineRow) string { return p.arch }), operational, nil},
		{"state/digest", t, text(func(p *pipelineRow) string { return p.digest }), operational, nil},
		{"state/engine", t, text(func(p *pipelineRow) string { return p.engine }), operational, nil},
	})
	s.events = []Event{StoreChanged}
	var last *store.Pipeline // whose digest is known; collect runs under the hub's lock
	var row *Row
	s.collect = func(string, *Frame) ([]*Row, error) {
		p := st.Pipeline()
		if p == nil {
			return nil, nil
		}
		if p != last {
			sum := sha256.Sum256(p.Config.Device)
			last, row = p, &Row{Data: &pipelineRow{p.Program.Name, p.Program.Arch, hex.EncodeToString(sum[:]), engine}}
		}
		return []*Row{{Data: row.Data}}, nil
	}
	return s
}

// tableRow is a row of /pipeline/tables/table.
type tableRow struct {
	t            *entity.Table
	used         int
	counted      bool
	hits, misses uint64
}

func tableName(r *tableRow) (Value, bool) { return str(r.t.Name), true }

func tables(st *store.Store) *Source {
	text, u64 := Type{Kind: String}, Type{Kind: Uint64}
	s := newSource(OriginP4nic, tablePath, []def[tableRow]{
		{"name", text, tableName, applied, nil},
		{"state/name", text, tableName, applied, nil},
		{"state/size", u64, func(r *tableRow) (Value, bool) { return num(uint64(r.t.Size)), true }, operational, nil},
		{"state/occupancy", u64, func(r *tableRow) (Value, bool) { return num(uint64(r.used)), true }, operational, nil},
		{"state/utilization", Type{Kind: Decimal64, Digits: 2}, func(r *tableRow) (Value, bool) {
			return num(uint64(r.used) * 10000 / uint64(max(r.t.Size, 1))), true
		}, operational, nil},
	})
	s.events, s.Parted = []Event{StoreChanged}, true
	s.collect = func(part string, _ *Frame) ([]*Row, error) {
		var rows []*Row
		v := st.Snapshot(nil)
		for _, t := range partTables(v, part) {
			rows = append(rows, &Row{Keys: []string{t.Name}, Data: &tableRow{t: t, used: v.Count(t.Index)}})
		}
		return rows, nil
	}
	return s
}

// partTables are the tables of a snapshot's pipeline, or the one of that name.
func partTables(v *store.Snapshot, part string) []*entity.Table {
	switch {
	case v.Pipeline == nil:
		return nil
	case part == "":
		return v.Pipeline.Schema.Tables
	}
	if t := v.Pipeline.Schema.Table(part); t != nil {
		return []*entity.Table{t}
	}
	return nil
}

// tableCounts sums the direct counters: misses are what the default action
// counted, hits what the entries that are there now counted.
func tableCounts(st *store.Store) *Source {
	u64 := Type{Kind: Uint64}
	s := newSource(OriginP4nic, tablePath, []def[tableRow]{
		{"state/hits", u64, func(r *tableRow) (Value, bool) { return num(r.hits), r.counted }, counted, nil},
		{"state/misses", u64, func(r *tableRow) (Value, bool) { return num(r.misses), r.counted }, counted, nil},
	})
	s.Parted, s.Counts = true, true
	s.collect = func(part string, _ *Frame) ([]*Row, error) {
		var rows []*Row
		v := st.Snapshot(nil)
		for _, t := range partTables(v, part) {
			if t.Counter == "" {
				continue
			}
			r := &tableRow{t: t, counted: true}
			err := eachCounted(v, t, func(e *entity.Entry, c entity.Counter) {
				if e.Handle == 0 {
					r.misses = c.Packets
				} else {
					r.hits += c.Packets
				}
			})
			if err != nil {
				return nil, err
			}
			rows = append(rows, &Row{Keys: []string{t.Name}, Data: r})
		}
		return rows, nil
	}
	return s
}

// counterBatch is the number of counters that are asked for at once.
const counterBatch = 4096

// eachCounted gives the entries of a table with a direct counter, the default
// first, then by handle. An entry is valid until yield returns.
func eachCounted(v *store.Snapshot, t *entity.Table, yield func(*entity.Entry, entity.Counter)) error {
	batch := make([]entity.Entry, min(v.Count(t.Index)+1, counterBatch))
	out := make([]entity.Counter, len(batch))
	batch[0] = *v.Default(t.Index)
	for n, next := 1, uint32(0); ; n = 0 {
		read, from := v.Fill(t.Index, next, batch[n:])
		if err := v.Counters(t.Index, batch[:n+read], out); err != nil {
			return err
		}
		for i := range n + read {
			yield(&batch[i], out[i])
		}
		if next = from; next == 0 {
			return nil
		}
	}
}

// cellRow is a row of an indirect counter, or of one of its cells.
type cellRow struct {
	name  string
	index uint32
	size  uint64
	c     entity.Counter
}

func cellName(r *cellRow) (Value, bool) { return str(r.name), true }

func cellIndex(r *cellRow) (Value, bool) { return num(uint64(r.index)), true }

// indirectCounters are the counters of a program with their sizes.
func indirectCounters(p *store.Pipeline, part string) []cellRow {
	if p == nil {
		return nil
	}
	var out []cellRow
	for _, in := range p.Program.Instances {
		if in.Type == nil || in.Type.Name != "counter" && in.Type.Name != "Counter" || part != "" && in.Name != part {
			continue
		}
		if len(in.Args) == 0 {
			continue
		}
		if c, ok := in.Args[0].(*ir.Const); ok && c.Val.IsUint64() && c.Val.Cmp(big.NewInt(1<<32)) < 0 {
			out = append(out, cellRow{name: in.Name, size: c.Val.Uint64()})
		}
	}
	return out
}

func counters(st *store.Store) *Source {
	text := Type{Kind: String}
	s := newSource(OriginP4nic, counterPath, []def[cellRow]{
		{"name", text, cellName, applied, nil},
		{"state/name", text, cellName, applied, nil},
		{"state/size", Type{Kind: Uint64}, func(r *cellRow) (Value, bool) { return num(r.size), true }, operational, nil},
	})
	s.events, s.Parted = []Event{StoreChanged}, true
	s.collect = func(part string, _ *Frame) ([]*Row, error) {
		var rows []*Row
		for _, c := range indirectCounters(st.Pipeline(), part) {
			rows = append(rows, &Row{Keys: []string{c.name}, Data: &c})
		}
		return rows, nil
	}
	return s
}

func cells(st *store.Store) *Source {
	u32, u64 := Type{Kind: Uint32}, Type{Kind: Uint64}
	s := newSource(OriginP4nic, cellPath, []def[cellRow]{
		{"index", u32, cellIndex, applied, nil},
		{"state/index", u32, cellIndex, applied, nil},
		{"state/packets", u64, func(r *cellRow) (Value, bool) { return num(r.c.Packets), true }, counted, nil},
		{"state/octets", u64, func(r *cellRow) (Value, bool) { return num(r.c.Bytes), true }, counted, nil},
	})
	s.Parted = true
	s.length = func() int {
		n := uint64(0)
		for _, c := range indirectCounters(st.Pipeline(), "") {
			n += c.size
		}
		return int(n)
	}
	s.collect = func(part string, _ *Frame) ([]*Row, error) {
		var rows []*Row
		v := st.Snapshot(nil)
		for _, c := range indirectCounters(v.Pipeline, part) {
			for at := uint64(0); at < c.size; at += counterBatch {
				index := make([]uint32, min(c.size-at, counterBatch))
				for i := range index {
					index[i] = uint32(at) + uint32(i)
				}
				out := make([]entity.Counter, len(index))
				if err := v.Cells(c.name, index, out); err != nil {
					return nil, err
				}
				for i, n := range index {
					rows = append(rows, &Row{Keys: []string{c.name, strconv.FormatUint(uint64(n), 10)},
						Data: &cellRow{name: c.name, index: n, c: out[i]}})
				}
			}
		}
		return rows, nil
	}
	return s
}

// Drop is what an engine dropped for one reason.
type Drop struct {
	Reason         string
	Packets, Bytes uint64
}

func drops(read func() ([]Drop, error)) *Source {
	text, u64 := Type{Kind: String}, Type{Kind: Uint64}
	reason := func(d *Drop) (Value, bool) { return str(d.Reason), true }
	s := newSource(OriginP4nic, dropPath, []def[Drop]{
		{"reason", text, reason, applied, nil},
		{"state/reason", text, reason, applied, nil},
		{"state/packets", u64, func(d *Drop) (Value, bool) { return num(d.Packets), true }, counted, nil},
		{"state/octets", u64, func(d *Drop) (Value, bool) { return num(d.Bytes), true }, counted, nil},
	})
	s.collect = func(string, *Frame) ([]*Row, error) {
		if read == nil {
			return nil, nil
		}
		all, err := read()
		if err != nil {
			return nil, err
		}
		var rows []*Row
		for _, d := range all {
			rows = append(rows, &Row{Keys: []string{d.Reason}, Data: &d})
		}
		return rows, nil
	}
	return s
}
