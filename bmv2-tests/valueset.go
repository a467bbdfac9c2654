package bmv2tests

import (
	"fmt"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
)

// SetValueSet replaces the members of a parser value set.
func (e *ssaEngine) SetValueSet(index int, members [][]ir.Match) error {
	return e.in.SetValueSet(index, members)
}

// SetValueSet replaces the members of a parser value set, before packets come.
func (k *kernelEngine) SetValueSet(index int, members [][]ir.Match) error {
	if index < 0 || index >= len(k.l.ValueSets) {
		return fmt.Errorf("there is no value set %d", index)
	}
	t := k.l.ValueSets[index]
	es, err := t.Members(members)
	if err != nil {
		return err
	}
	lin := t.Engine.(*backend.Linear)
	rows, err := lin.EncodeRows(es)
	if err != nil {
		return err
	}
	all := make([]byte, lin.Rows.ValueSize)
	copy(all, rows)
	if err := k.maps[lin.Rows.Name].Put(uint32(0), all); err != nil {
		return err
	}
	return k.maps[lin.Control.Name].Put(uint32(0), lin.ControlWord(0, len(es)))
}
