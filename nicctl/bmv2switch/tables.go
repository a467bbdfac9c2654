package bmv2switch

import (
	"fmt"
	"math"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
	"github.com/p4nic/p4nic/compiler/stf"
)

// standard is the service that every target has; the first argument of its methods
// is a context, of which there is one.
const standard = "standard"

const context0 = int32(0)

var _ stf.Engine = (*Switch)(nil)

// Kinds of match parameters of the switch.
const (
	paramExact   = int32(0)
	paramLPM     = int32(1)
	paramTernary = int32(2)
	paramRange   = int32(4)
)

// key is an entry's match as the switch takes it.
func key(t *ir.Table, e ir.Entry) []fields {
	var out []fields
	i := 0
	for _, k := range t.Keys {
		if k.Kind == ir.MatchSelector {
			continue
		}
		m := e.Match[i]
		i++
		w := ir.Width(k.Expr.Type())
		switch k.Kind {
		case ir.MatchExact:
			out = append(out, fields{paramExact, fields{m.Value}})
		case ir.MatchLPM:
			out = append(out, fields{paramLPM, nil, fields{m.Value, int32(m.PrefixLen)}})
		case ir.MatchRange:
			low, high := m.Value, m.Mask
			if high == nil {
				low, high = make([]byte, ir.ByteWidth(w)), ones(w)
			}
			out = append(out, fields{paramRange, nil, nil, nil, nil, fields{low, high}})
		default: // ternary; optional is ternary with all bits or none
			value, mask := m.Value, m.Mask
			switch {
			case k.Kind == ir.MatchOptional && value != nil:
				mask = ones(w)
			case k.Kind == ir.MatchOptional || mask == nil:
				value, mask = make([]byte, ir.ByteWidth(w)), make([]byte, ir.ByteWidth(w))
			}
			out = append(out, fields{paramTernary, nil, nil, fields{value, mask}})
		}
	}
	return out
}

// ones is w bits of ones in machine form.
func ones(w int) []byte {
	b := make([]byte, ir.ByteWidth(w))
	for i := range b {
		b[i] = 0xff
	}
	if w%8 != 0 {
		b[0] = 1<<(w%8) - 1
	}
	return b
}

// options carries the priority; to the switch the smallest number comes first.
func options(t *ir.Table, e ir.Entry) fields {
	if !t.NeedsPriority() {
		return fields{}
	}
	return fields{int32(math.MaxInt32 - e.Priority)}
}

// args are arguments, never nil: an absent list is no empty one.
func args(list [][]byte) [][]byte { return append([][]byte{}, list...) }

func actionName(t *ir.Table, action int) string { return passes.ControlName(t.Actions[action].Action) }

// Insert implements stf.Engine.
func (s *Switch) Insert(table int, e ir.Entry) error {
	t := s.program.Tables[table]
	var handle int32
	read := func(r *reader) (err error) {
		handle, err = r.i32()
		return err
	}
	var err error
	switch e.Ref {
	case ir.RefMember, ir.RefGroup:
		method, handles := "bm_mt_indirect_add_entry", s.members
		if e.Ref == ir.RefGroup {
			method, handles = "bm_mt_indirect_ws_add_entry", s.groups
		}
		target, is := handles[t.Implementation.Name][e.Target]
		if !is {
			return fmt.Errorf("table %s: there is no member or group %d", t.Name, e.Target)
		}
		err = s.call(standard, method, fields{context0, t.Name, key(t, e), target, options(t, e)}, read)
	default:
		err = s.call(standard, "bm_mt_add_entry", fields{context0, t.Name, key(t, e), actionName(t, e.Action), args(e.Args), options(t, e)}, read)
	}
	if err != nil {
		return err
	}
	if s.entries[table] == nil {
		s.entries[table] = map[uint32]int32{}
	}
	s.entries[table][e.Handle] = handle
	return nil
}

// handle is the switch's handle of an entry that Insert made.
func (s *Switch) handle(table int, handle uint32) (int32, error) {
	h, is := s.entries[table][handle]
	if !is {
		return 0, &stf.Unsupported{Reason: "entries of the program and default actions have no handle on the switch"}
	}
	return h, nil
}

// Delete implements stf.Engine.
func (s *Switch) Delete(table int, handle uint32) error {
	h, err := s.handle(table, handle)
	if err != nil {
		return err
	}
	delete(s.entries[table], handle)
	t := s.program.Tables[table]
	method := "bm_mt_delete_entry"
	if t.Implementation != nil {
		method = "bm_mt_indirect_delete_entry"
	}
	return s.call(standard, method, fields{context0, t.Name, h}, nil)
}

// SetDefault implements stf.Engine.
func (s *Switch) SetDefault(table int, e ir.Entry) error {
	t := s.program.Tables[table]
	switch e.Ref {
	case ir.RefMember:
		return s.call(standard, "bm_mt_indirect_set_default_member", fields{context0, t.Name, s.members[t.Implementation.Name][e.Target]}, nil)
	case ir.RefGroup:
		return s.call(standard, "bm_mt_indirect_ws_set_default_group", fields{context0, t.Name, s.groups[t.Implementation.Name][e.Target]}, nil)
	}
	return s.call(standard, "bm_mt_set_default_action", fields{context0, t.Name, actionName(t, e.Action), args(e.Args)}, nil)
}

// counterValue reads a counter: bytes, then packets.
func counterValue(packets, bytes *uint64) func(*reader) error {
	return func(r *reader) error {
		return r.fields(func(id int16) (bool, error) {
			v, err := r.i64()
			switch id {
			case 1:
				*bytes = uint64(v)
			case 2:
				*packets = uint64(v)
			}
			return true, err
		})
	}
}

// Counter implements stf.Engine.
func (s *Switch) Counter(table int, handle uint32) (packets, bytes uint64, err error) {
	h, err := s.handle(table, handle)
	if err == nil {
		err = s.call(standard, "bm_mt_read_counter", fields{context0, s.program.Tables[table].Name, h}, counterValue(&packets, &bytes))
	}
	return packets, bytes, err
}

// InstanceCounter implements stf.Engine.
func (s *Switch) InstanceCounter(name string, index uint32) (packets, bytes uint64, err error) {
	err = s.call(standard, "bm_counter_read", fields{context0, name, int32(index)}, counterValue(&packets, &bytes))
	return packets, bytes, err
}

// SetInstanceCounter implements stf.CounterWriter.
func (s *Switch) SetInstanceCounter(name string, index uint32, packets, bytes uint64) error {
	return s.call(standard, "bm_counter_write", fields{context0, name, int32(index), fields{int64(bytes), int64(packets)}}, nil)
}

// instance finds an extern object.
func (s *Switch) instance(name string) (*ir.Instance, error) {
	for _, i := range s.program.Instances {
		if i.Name == name {
			return i, nil
		}
	}
	return nil, fmt.Errorf("there is no %s", name)
}

// registerWidth is the width of a register's cells; the switch's interface has 64
// bits for them.
func (s *Switch) registerWidth(name string) (int, error) {
	i, err := s.instance(name)
	if err != nil {
		return 0, err
	}
	w := ir.Width(i.Type.Args[0])
	if w < 1 || w > 64 {
		return 0, &stf.Unsupported{Reason: fmt.Sprintf("register %s: the switch tells values of up to 64 bits", name)}
	}
	return w, nil
}

// Register implements stf.Engine.
func (s *Switch) Register(name string, index uint32) ([]byte, error) {
	w, err := s.registerWidth(name)
	if err != nil {
		return nil, err
	}
	var v int64
	err = s.call(standard, "bm_register_read", fields{context0, name, int32(index)}, func(r *reader) (err error) {
		v, err = r.i64()
		return err
	})
	b := make([]byte, ir.ByteWidth(w))
	for i := range b {
		b[len(b)-1-i] = byte(v >> (8 * i))
	}
	return b, err
}

// SetRegister implements stf.Engine.
func (s *Switch) SetRegister(name string, index uint32, value []byte) error {
	if _, err := s.registerWidth(name); err != nil {
		return err
	}
	var v int64
	for _, b := range value {
		v = v<<8 | int64(b)
	}
	return s.call(standard, "bm_register_write", fields{context0, name, int32(index), v}, nil)
}
