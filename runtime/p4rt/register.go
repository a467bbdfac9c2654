package p4rt

import (
	"runtime"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/runtime/entity"
)

// registerInfo is a register of the P4Info.
type registerInfo struct {
	cellInfo
	data    *dataType
	problem error // why its values cannot be shown
}

// registerCells decodes a write of a register (p4rt:R1-R4, D1-D3).
func (b *binding) registerCells(typ p4v1.Update_Type, r *p4v1.RegisterEntry) (u entity.Update, skip bool, err error) {
	ri, err := byID(b, "register", b.registers, r.GetRegisterId())
	if err != nil {
		return u, false, err
	}
	switch {
	case typ != p4v1.Update_MODIFY:
		err = invalid("a register can only be modified, not %s", typ)
	case ri.problem != nil:
		err = ri.problem
	case r.GetData() == nil:
		err = invalid("data is not set")
	}
	var first, count uint32
	if err == nil {
		first, count, err = cells(r.GetIndex(), int64(ri.Size))
	}
	var v []byte
	if err == nil {
		v, err = ri.data.parse(make([]byte, 0, ri.Bytes), r.GetData())
	}
	if err != nil {
		return u, false, within(err, "register %s", ri.Name)
	}
	return cellsUpdate(entity.Register, ri.Name, first, count, &entity.RegisterValue{Value: string(v)}), count == 0, nil
}

// registerQuery decodes a read of registers (p4rt:R4, R5, D-8).
func (b *binding) registerQuery(r *p4v1.RegisterEntry) (query, error) {
	if r.GetRegisterId() == 0 {
		if r.GetIndex() != nil {
			return query{}, invalid("register_id is not set: all registers are read without index")
		}
		return query{run: func(rd *reader, _ *entity.Entry) error {
			for _, ri := range b.allRegisters {
				if err := rd.register(ri, 0, ri.Size); err != nil {
					return err
				}
			}
			return nil
		}}, nil
	}
	ri, err := byID(b, "register", b.registers, r.GetRegisterId())
	if err != nil {
		return query{}, err
	}
	first, count, err := cells(r.GetIndex(), int64(ri.Size))
	if err != nil {
		return query{}, within(err, "register %s", ri.Name)
	}
	return query{run: func(rd *reader, _ *entity.Entry) error { return rd.register(ri, first, count) }}, nil
}

func (rd *reader) register(ri *registerInfo, first, count uint32) error {
	if ri.problem != nil {
		return within(ri.problem, "register %s", ri.Name)
	}
	values := make([][]byte, min(count, batchSize))
	for count > 0 {
		n := min(count, batchSize)
		if err := rd.snap.Registers(ri.Name, first, values[:n]); err != nil {
			return err
		}
		for i, v := range values[:n] {
			leaves, ok := ri.data.split(v)
			if !ok {
				return entity.Errorf(entity.Internal, "register %s: a value of %d bytes", ri.Name, len(v))
			}
			m, _ := ri.data.take(leaves)
			e := &p4v1.RegisterEntry{RegisterId: ri.id, Index: &p4v1.Index{Index: int64(first) + int64(i)}, Data: m}
			if err := rd.out.addMessage(&p4v1.Entity{Entity: &p4v1.Entity_RegisterEntry{RegisterEntry: e}}); err != nil {
				return err
			}
		}
		first, count = first+n, count-n
		runtime.Gosched()
	}
	return nil
}
