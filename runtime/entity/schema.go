package entity

import (
	"fmt"
	"math/big"

	"github.com/p4nic/p4nic/compiler/ir"
)

// DefaultTableSize is the capacity of a table whose program gives no size.
const DefaultTableSize = 1024

// Capacity is the number of entries that t can hold; their handles are
// 1..Capacity (D2).
func Capacity(t *ir.Table) int {
	n := t.Size
	if n <= 0 {
		n = DefaultTableSize
	}
	return max(n, len(t.Entries))
}

// Schema is the compiled view of a core program's tables.
type Schema struct {
	Program *ir.Program
	Tables  []*Table // same indices as Program.Tables
	byName  map[string]*Table

	profiles          map[string]*Profile
	meters, registers map[string]*Cells
	valueSets         map[string]*ValueSetInfo
	digests           map[string]bool
}

// Table is the compiled view of one table.
type Table struct {
	Index         int
	Name          string
	IR            *ir.Table
	Fields        []Field
	KeySize       int // bytes of a packed key
	Actions       []*Action
	Size          int // entries; handles are 1..Size
	NeedsPriority bool
	Const         bool   // entries cannot be written
	ConstDefault  bool   // the default action cannot be written
	Counter       string // control-plane name of the direct counter, or ""
	IdleTimeout   bool
	Meter         string // control-plane name of the direct meter, or ""
	Profile       string // control-plane name of the action profile, or ""
	// Implementation is that action profile, nil without one.
	Implementation *Profile
}

// Field is one key field. Its part of a packed key starts at off and holds,
// with n = ceil(Width/8):
//
//	exact     value n
//	lpm       value n, prefix length 2
//	ternary   value n, mask n; all zero = don't care
//	range     low n, high n; 0 to all ones = don't care
//	optional  1 or 0 = don't care, value n
type Field struct {
	Name   string
	Kind   ir.MatchKind
	Width  int // bits
	Signed bool
	off, n int
}

// size is the number of bytes of the field's part, 0 for a kind that has none.
func (f *Field) size() int {
	switch f.Kind {
	case ir.MatchExact:
		return f.n
	case ir.MatchLPM:
		return f.n + 2
	case ir.MatchTernary, ir.MatchRange:
		return 2 * f.n
	case ir.MatchOptional:
		return 1 + f.n
	}
	return 0
}

// Action is an action of a table.
type Action struct {
	Index       int    // in Table.Actions
	Name        string // control-plane name
	Params      []Param
	ArgSize     int // bytes of packed arguments
	TableOnly   bool
	DefaultOnly bool
}

// Param is a parameter that an entry supplies. Its packed form is the machine
// form, ceil(Width/8) bytes.
type Param struct {
	Name   string
	Width  int
	Signed bool
	off, n int
}

// NewSchema compiles the tables of a core program.
func NewSchema(p *ir.Program) (*Schema, error) {
	if p == nil {
		return nil, Errorf(Invalid, "no program")
	}
	s := &Schema{Program: p, byName: make(map[string]*Table, len(p.Tables))}
	for i, t := range p.Tables {
		ct, err := newTable(i, t)
		if err != nil {
			return nil, err
		}
		if s.byName[t.Name] != nil {
			return nil, Errorf(Invalid, "table %s occurs twice in the program", t.Name)
		}
		s.byName[t.Name] = ct
		s.Tables = append(s.Tables, ct)
	}
	if err := s.objects(); err != nil {
		return nil, err
	}
	return s, nil
}

// Table finds a table by control-plane name, or nil.
func (s *Schema) Table(name string) *Table { return s.byName[name] }

func newTable(i int, t *ir.Table) (*Table, error) {
	ct := &Table{Index: i, Name: t.Name, IR: t, Size: Capacity(t), NeedsPriority: t.NeedsPriority(),
		Const: t.HasEntries && t.ConstEntries, ConstDefault: t.ConstDefault, IdleTimeout: t.SupportTimeout}
	if t.Counters != nil {
		ct.Counter = t.Counters.Name
	}
	if t.Meters != nil {
		ct.Meter = t.Meters.Name
	}
	if t.Implementation != nil {
		ct.Profile = t.Implementation.Name
	}
	for _, k := range t.Keys {
		if k.Kind == ir.MatchSelector {
			continue // an input of the selector's hash, no part of the entry
		}
		f := Field{Name: k.Name, Kind: k.Kind, off: ct.KeySize}
		if k.Expr == nil {
			return nil, Errorf(Invalid, "table %s: key %s has no expression", t.Name, k.Name)
		}
		var err error
		if f.Width, f.Signed, err = scalar(k.Expr.Type()); err != nil {
			return nil, Errorf(Invalid, "table %s: key %s: %w", t.Name, k.Name, err)
		}
		f.n = ir.ByteWidth(f.Width)
		if k.Kind > ir.MatchOptional {
			return nil, Errorf(Unsupported, "table %s: key %s: match kind %d is not supported", t.Name, k.Name, k.Kind)
		}
		ct.KeySize += f.size()
		ct.Fields = append(ct.Fields, f)
	}
	if len(t.Actions) > 255 {
		return nil, Errorf(Unsupported, "table %s has %d actions, the limit is 255", t.Name, len(t.Actions))
	}
	for j, ref := range t.Actions {
		a, err := newAction(j, ref.Action)
		if err != nil {
			return nil, err
		}
		a.TableOnly, a.DefaultOnly = ref.TableOnly, ref.DefaultOnly
		ct.Actions = append(ct.Actions, a)
	}
	if t.DefaultAction < 0 || t.DefaultAction >= len(t.Actions) {
		return nil, Errorf(Invalid, "table %s: default action %d is none of its %d actions", t.Name, t.DefaultAction, len(t.Actions))
	}
	return ct, nil
}

func scalar(t ir.Type) (width int, signed bool, err error) {
	w := ir.Width(t)
	if w < 0 {
		return 0, false, fmt.Errorf("type %s is no scalar", t)
	}
	_, signed = ir.Underlying(t).(*ir.Int)
	return w, signed, nil
}

// Action finds an action of t by control-plane name, or nil.
func (t *Table) Action(name string) *Action {
	for _, a := range t.Actions {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Field finds a key field of t by control-plane name, or nil.
func (t *Table) Field(name string) *Field {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return &t.Fields[i]
		}
	}
	return nil
}

// Default is the program's default action of t.
func (t *Table) Default() (*Entry, error) {
	args, err := t.Actions[t.IR.DefaultAction].packConst(t.IR.DefaultArgs)
	if err != nil {
		return nil, Errorf(Invalid, "table %s: default action: %w", t.Name, err)
	}
	e := &Entry{Action: uint16(t.IR.DefaultAction), Args: args, Flags: Initial}
	if t.ConstDefault {
		e.Flags |= Const
	}
	return e, nil
}

// InitialEntries are the entries written in the program, without handles.
func (t *Table) InitialEntries() ([]*Entry, error) {
	var out []*Entry
	seen := make(map[string]bool, len(t.IR.Entries))
	for i, ce := range t.IR.Entries {
		if ce.Action < 0 || ce.Action >= len(t.Actions) {
			return nil, Errorf(Invalid, "table %s: entry %d: action %d is none of its %d actions", t.Name, i, ce.Action, len(t.Actions))
		}
		key, err := t.packSets(ce.Sets)
		if err != nil {
			return nil, Errorf(Invalid, "table %s: entry %d: %w", t.Name, i, err)
		}
		args, err := t.Actions[ce.Action].packConst(ce.Args)
		if err != nil {
			return nil, Errorf(Invalid, "table %s: entry %d: %w", t.Name, i, err)
		}
		id := IndexKey(key, ce.Priority)
		if seen[id] {
			return nil, Errorf(Invalid, "table %s: entry %d repeats the key and priority of an earlier one", t.Name, i)
		}
		seen[id] = true
		e := &Entry{Key: key, Args: args, Priority: ce.Priority, Action: uint16(ce.Action), Flags: Initial}
		if ce.Const || t.Const {
			e.Flags |= Const
		}
		out = append(out, e)
	}
	return out, nil
}

func (a *Action) packConst(args []*big.Int) (string, error) {
	if len(args) != len(a.Params) {
		return "", fmt.Errorf("action %s has %d parameters, not %d", a.Name, len(a.Params), len(args))
	}
	buf := make([]byte, a.ArgSize)
	for i, p := range a.Params {
		if err := fill(buf[p.off:p.off+p.n], args[i], p.Width); err != nil {
			return "", fmt.Errorf("action %s: parameter %s: %w", a.Name, p.Name, err)
		}
	}
	return string(buf), nil
}

// fill writes the machine form of v, two's complement where v is negative.
func fill(buf []byte, v *big.Int, w int) error {
	if v == nil {
		return fmt.Errorf("no value")
	}
	if v.Sign() < 0 {
		v = new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), uint(w)))
	}
	if v.Sign() < 0 || v.BitLen() > w {
		return fmt.Errorf("value %s does not fit %d bits", v, w)
	}
	v.FillBytes(buf)
	return nil
}

func (t *Table) packSets(sets []ir.Set) (string, error) {
	if len(sets) != len(t.IR.Keys) {
		return "", fmt.Errorf("%d values for %d keys", len(sets), len(t.IR.Keys))
	}
	key := t.NewKey()
	fi := 0
	for i, s := range sets {
		if t.IR.Keys[i].Kind == ir.MatchSelector {
			continue
		}
		f := &t.Fields[fi]
		fi++
		if err := f.packSet(key, s); err != nil {
			return "", fmt.Errorf("key %s: %w", f.Name, err)
		}
	}
	return string(key), nil
}

func (f *Field) packSet(key []byte, s ir.Set) error {
	value := make([]byte, f.n)
	other := make([]byte, f.n)
	switch s.Kind {
	case ir.SetAny:
		if f.Kind == ir.MatchExact {
			return fmt.Errorf("an exact key needs a value")
		}
		return nil
	case ir.SetValueSet:
		return fmt.Errorf("a value set cannot stand in an entry")
	}
	if err := fill(value, s.Lo, f.Width); err != nil {
		return err
	}
	ones(other, f.Width)
	if s.Kind != ir.SetValue {
		if err := fill(other, s.Hi, f.Width); err != nil {
			return err
		}
	}
	switch {
	case s.Kind == ir.SetValue && f.Kind == ir.MatchExact:
		f.put(key, value, nil)
	case s.Kind == ir.SetValue && f.Kind == ir.MatchOptional:
		key[f.off] = 1
		copy(key[f.off+1:], value)
	case s.Kind == ir.SetValue && f.Kind == ir.MatchRange:
		f.put(key, value, value)
	case s.Kind == ir.SetRange && f.Kind == ir.MatchRange:
		f.put(key, value, other)
	case s.Kind != ir.SetRange && f.Kind == ir.MatchTernary:
		for i := range value {
			value[i] &= other[i]
		}
		f.put(key, value, other)
	case s.Kind != ir.SetRange && f.Kind == ir.MatchLPM:
		plen, ok := prefixLen(other, f.Width)
		if !ok {
			return fmt.Errorf("mask %s is no prefix", Hex(other))
		}
		for i := range value {
			value[i] &= other[i]
		}
		f.put(key, value, []byte{byte(plen >> 8), byte(plen)})
	default:
		return fmt.Errorf("this form of value does not fit match kind %s", f.Kind)
	}
	return nil
}
