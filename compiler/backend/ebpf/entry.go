package ebpf

import (
	"fmt"

	"github.com/p4nic/p4nic/compiler/ir"
)

// The entry word (D2): action id in bits 56..63; below it the packed parameters,
// or in bits 0..31 the index of the action-data slot.
const actionShift = 56

// NeedsSlot tells whether entries with this action need an action-data slot.
func (t *Table) NeedsSlot(action int) bool {
	return action >= 0 && action < len(t.Actions) && t.Actions[action].InSlot
}

// EncodeWord gives the word of Entry[e.Handle]. Where needsSlot is true, slot
// must hold EncodeData(e) before the word is stored; else slot is ignored.
func (t *Table) EncodeWord(e *ir.Entry, slot uint32) (word uint64, needsSlot bool) {
	word = uint64(uint8(e.Action)) << actionShift
	if t.NeedsSlot(e.Action) {
		return word | uint64(slot), true
	}
	if e.Action < 0 || e.Action >= len(t.Actions) {
		return word, false
	}
	for i, p := range t.Actions[e.Action].Params {
		if i >= len(e.Args) {
			break
		}
		for j, l := range p.Limbs {
			word |= limbOf(e.Args[i], j, len(p.Limbs), l.Width) << l.Off
		}
	}
	return word, false
}

// EncodeData gives the content of the entry's action-data slot, nil where the
// action needs none.
func (t *Table) EncodeData(e *ir.Entry) []byte {
	if !t.NeedsSlot(e.Action) {
		return nil
	}
	b := make([]byte, t.Data.ValueSize)
	t.PutData(b, e)
	return b
}

// PutData is EncodeData into the memory of a slot, for an action that needs one.
func (t *Table) PutData(b []byte, e *ir.Entry) {
	clear(b)
	for i, p := range t.Actions[e.Action].Params {
		if i >= len(e.Args) {
			break
		}
		for j, l := range p.Limbs {
			putLimb(b, l, limbOf(e.Args[i], j, len(p.Limbs), l.Width))
		}
	}
}

// DecodeWord reads an entry back: its action and arguments. data is asked for the
// content of a slot where the word refers to one.
func (t *Table) DecodeWord(word uint64, data func(slot uint32) ([]byte, error)) (action int, args [][]byte, err error) {
	action = int(word >> actionShift)
	if action >= len(t.Actions) {
		return 0, nil, fmt.Errorf("table %s: word %#x: no action %d", t.IR.Name, word, action)
	}
	a := &t.Actions[action]
	var slot []byte
	if a.InSlot {
		if slot, err = data(uint32(word)); err != nil {
			return 0, nil, err
		}
		if len(slot) < int(t.Data.ValueSize) {
			return 0, nil, fmt.Errorf("table %s: slot %d has %d bytes, want %d", t.IR.Name, uint32(word), len(slot), t.Data.ValueSize)
		}
	}
	for _, p := range a.Params {
		vs := make([]uint64, len(p.Limbs))
		for j, l := range p.Limbs {
			if a.InSlot {
				vs[j] = getLimb(slot, l)
			} else {
				vs[j] = word >> l.Off & maskOf(l.Width)
			}
		}
		args = append(args, limbsToBytes(vs, p.Width))
	}
	return action, args, nil
}
