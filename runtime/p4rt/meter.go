package p4rt

import (
	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

// meterInfo is an indirect meter of the P4Info.
type meterInfo struct {
	cellInfo
	spec *p4configv1.MeterSpec
}

// meterConfig checks rates against the meter's type (p4rt:MT5, MT9). nil is the
// default: everything is green.
func meterConfig(spec *p4configv1.MeterSpec, c *p4v1.MeterConfig) (*entity.MeterConfig, error) {
	if c == nil {
		return nil, nil
	}
	for _, v := range []struct {
		name  string
		value int64
	}{{"cir", c.GetCir()}, {"cburst", c.GetCburst()}, {"pir", c.GetPir()}, {"pburst", c.GetPburst()}, {"eburst", c.GetEburst()}} {
		if v.value < 0 {
			return nil, invalid("%s %d is negative", v.name, v.value)
		}
	}
	single := spec.GetType() != p4configv1.MeterSpec_TWO_RATE_THREE_COLOR
	switch {
	case single && c.GetPir() != c.GetCir():
		return nil, invalid("pir %d is not cir %d: the meter has a single rate", c.GetPir(), c.GetCir())
	case single && c.GetPburst() != c.GetCburst():
		return nil, invalid("pburst %d is not cburst %d: the meter has a single rate", c.GetPburst(), c.GetCburst())
	case spec.GetType() == p4configv1.MeterSpec_SINGLE_RATE_THREE_COLOR && c.GetEburst() > 0:
		return nil, unsupported("eburst %d: single rate meters with an excess burst are not supported", c.GetEburst())
	case c.GetEburst() != 0:
		return nil, invalid("eburst %d, but the meter is no single rate three color meter", c.GetEburst())
	case c.GetCir() > c.GetPir():
		return nil, invalid("cir %d is above pir %d", c.GetCir(), c.GetPir())
	}
	return &entity.MeterConfig{CIR: uint64(c.GetCir()), CBurst: uint64(c.GetCburst()), PIR: uint64(c.GetPir()), PBurst: uint64(c.GetPburst())}, nil
}

// noColourCounters refuses counters of each colour, which no engine keeps
// (p4rt:MT7, DR5).
func noColourCounters(d *p4v1.MeterCounterData) error {
	if d == nil {
		return nil
	}
	for _, c := range []*p4v1.CounterData{d.GetGreen(), d.GetYellow(), d.GetRed()} {
		if c.GetByteCount() != 0 || c.GetPacketCount() != 0 {
			return invalid("meter counters can only be reset, not set")
		}
	}
	return unsupported("counters of a meter's colours are not supported")
}

func meterMessage(m *entity.MeterConfig) *p4v1.MeterConfig {
	if m == nil {
		return nil
	}
	return &p4v1.MeterConfig{Cir: int64(m.CIR), Cburst: int64(m.CBurst), Pir: int64(m.PIR), Pburst: int64(m.PBurst), Eburst: int64(m.EBurst)}
}

// cellsUpdate makes an update of cells.
func cellsUpdate(kind entity.ObjectKind, name string, first, count uint32, v entity.Object) entity.Update {
	id := entity.ObjectID{Scope: entity.Scope{Kind: kind, Name: name}, ID: first}
	return entity.Update{Kind: entity.ModifyObject, Object: &entity.ObjectUpdate{ID: id, Count: count, Value: v}}
}

// meterCells decodes a write of an indirect meter (p4rt:MT1-MT7).
func (b *binding) meterCells(typ p4v1.Update_Type, m *p4v1.MeterEntry) (u entity.Update, skip bool, err error) {
	mi, err := byID(b, "meter", b.meters, m.GetMeterId())
	if err != nil {
		return u, false, err
	}
	if typ != p4v1.Update_MODIFY {
		return u, false, invalid("meter %s: a meter can only be modified, not %s", mi.Name, typ)
	}
	first, count, err := cells(m.GetIndex(), int64(mi.Size))
	var c *entity.MeterConfig
	if err == nil {
		if err = noColourCounters(m.GetCounterData()); err == nil {
			c, err = meterConfig(mi.spec, m.GetConfig())
		}
	}
	if err != nil {
		return u, false, within(err, "meter %s", mi.Name)
	}
	var v entity.Object
	if c != nil {
		v = c
	}
	return cellsUpdate(entity.Meter, mi.Name, first, count, v), count == 0, nil
}

// directMeter decodes a write of an entry's meter (p4rt:MT8).
func (b *binding) directMeter(typ p4v1.Update_Type, m *p4v1.DirectMeterEntry) (u entity.Update, err error) {
	if typ != p4v1.Update_MODIFY {
		return u, invalid("a direct meter can only be modified, not %s", typ)
	}
	if m.GetTableEntry() == nil {
		return u, invalid("direct_meter_entry.table_entry is not set")
	}
	t, err := b.find(m.GetTableEntry().GetTableId())
	if err != nil {
		return u, err
	}
	if u, err = t.meterTarget(m.GetTableEntry()); err == nil {
		if err = noColourCounters(m.GetCounterData()); err == nil {
			u.Meter, err = meterConfig(t.meter, m.GetConfig())
		}
	}
	return u, within(err, "table %s", t.Name)
}

// meterTarget names the entry that a direct meter belongs to.
func (t *tableInfo) meterTarget(te *p4v1.TableEntry) (u entity.Update, err error) {
	u.Table, u.Kind = t.Index, entity.SetMeter
	switch {
	case t.meter == nil:
		return u, invalid("it has no direct meter")
	case te.GetIsDefaultAction():
		return u, t.noDefaultMeter()
	case len(t.Fields) == 0:
		return u, invalid("it has no key, and no entry that could have a meter")
	}
	if u.Key, err = t.key(te.GetMatch()); err != nil {
		return u, err
	}
	u.Priority, err = t.priority(te.GetPriority())
	return u, err
}

func (t *tableInfo) noDefaultMeter() error {
	return unsupported("the default entry has no meter: packets that miss are not metered")
}

// meterQuery decodes a read of indirect meters (p4rt:MT2, MT3, MT6).
func (b *binding) meterQuery(m *p4v1.MeterEntry) (query, error) {
	if m.GetCounterData() != nil {
		return query{}, unsupported("counters of a meter's colours are not supported")
	}
	if m.GetMeterId() == 0 {
		if m.GetIndex() != nil {
			return query{}, invalid("meter_id is not set: all meters are read without index")
		}
		return query{run: func(rd *reader, _ *entity.Entry) error {
			for _, mi := range b.allMeters {
				if err := rd.meter(mi, 0, mi.Size); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
	mi, err := byID(b, "meter", b.meters, m.GetMeterId())
	if err != nil {
		return query{}, err
	}
	first, count, err := cells(m.GetIndex(), int64(mi.Size))
	if err != nil {
		return query{}, within(err, "meter %s", mi.Name)
	}
	return query{run: func(rd *reader, _ *entity.Entry) error { return rd.meter(mi, first, count) }}, nil
}

func (rd *reader) meter(mi *meterInfo, first, count uint32) error {
	id := entity.ObjectID{Scope: entity.Scope{Kind: entity.Meter, Name: mi.Name}}
	for i := range count {
		id.ID = first + i
		c, _ := rd.snap.Object(id).(*entity.MeterConfig)
		m := &p4v1.MeterEntry{MeterId: mi.id, Index: &p4v1.Index{Index: int64(id.ID)}, Config: meterMessage(c)}
		if err := rd.out.addMessage(&p4v1.Entity{Entity: &p4v1.Entity_MeterEntry{MeterEntry: m}}); err != nil {
			return err
		}
	}
	return nil
}

// directMeterQuery decodes a read of direct meters (p4rt:MT8).
func (b *binding) directMeterQuery(m *p4v1.DirectMeterEntry) (query, error) {
	te := m.GetTableEntry()
	switch {
	case te == nil:
		return query{}, invalid("direct_meter_entry.table_entry is not set")
	case m.GetCounterData() != nil:
		return query{}, unsupported("counters of a meter's colours are not supported")
	}
	whole := len(te.GetMatch()) == 0 && te.GetPriority() == 0
	if te.GetTableId() == 0 {
		if !whole {
			return query{}, invalid("table_id is not set: the meters of all tables are read without match or priority")
		}
		return query{run: func(rd *reader, _ *entity.Entry) error {
			for _, t := range b.inOrder {
				if t.meter == nil || te.GetIsDefaultAction() {
					continue
				}
				if err := rd.each(t, func(es []entity.Entry) error { return rd.directMeters(t, es) }); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
	t, err := b.find(te.GetTableId())
	if err != nil {
		return query{}, err
	}
	if whole && t.meter != nil && !te.GetIsDefaultAction() {
		return query{run: func(rd *reader, _ *entity.Entry) error {
			return rd.each(t, func(es []entity.Entry) error { return rd.directMeters(t, es) })
		}}, nil
	}
	u, err := t.meterTarget(te)
	if err != nil {
		return query{}, within(err, "table %s", t.Name)
	}
	return query{key: &store.Key{Table: t.Index, Key: u.Key, Priority: u.Priority}, run: func(rd *reader, e *entity.Entry) error {
		if e == nil {
			return entity.Errorf(entity.NotFound, "table %s: no entry %s", t.Name, t.FormatKey(u.Key, u.Priority))
		}
		return rd.directMeters(t, []entity.Entry{*e})
	}}, nil
}

func (rd *reader) directMeters(t *tableInfo, es []entity.Entry) error {
	for i := range es {
		err := rd.out.add(func(b []byte) []byte {
			b, dm := openMessage(b, 6) // Entity.direct_meter_entry
			b, te := openMessage(b, 1)
			b = t.appendIdentity(b, &es[i])
			b = appendUintField(b, 4, uint64(es[i].Priority))
			b = closeMessage(b, te)
			b = appendMeterConfig(b, 2, meterOf(&es[i]))
			return closeMessage(b, dm)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func meterOf(e *entity.Entry) *entity.MeterConfig {
	if e.Extra == nil {
		return nil
	}
	return e.Extra.Meter
}

// appendMeterConfig leaves the default out (p4rt:DR6, MT6).
func appendMeterConfig(b []byte, field byte, m *entity.MeterConfig) []byte {
	if m == nil {
		return b
	}
	b, at := openMessage(b, field)
	for i, v := range []uint64{m.CIR, m.CBurst, m.PIR, m.PBurst, m.EBurst} {
		b = appendUintField(b, byte(i+1), v)
	}
	return closeMessage(b, at)
}
