package entity

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/passes"
)

// Profile is the compiled view of an action profile or selector that tables
// have.
type Profile struct {
	Name     string
	Selector bool
	Size     int       // members, 0 = not given
	Actions  []*Action // as ir.Program.ProfileActions; TableOnly and DefaultOnly are those of tables
	Tables   []int     // in Program.Tables
}

// Cells is the compiled view of an indirect meter or of a register.
type Cells struct {
	Name  string
	Size  uint32
	Type  ir.Type // of a register's elements; nil for a meter
	Bytes int     // of a register's elements in machine form, see LeafWidths
	shape string
}

// ValueSetInfo is the compiled view of a parser value set.
type ValueSetInfo struct {
	Index   int // in Program.ValueSets
	Name    string
	Size    int
	Fields  []Field
	KeySize int
}

// maxCells bounds what one meter or register can have, so that counts fit.
const maxCells = math.MaxInt32

// LeafWidths are the bits of the scalars that a value of type t has in machine
// form (ir.Leaves).
func LeafWidths(t ir.Type) ([]int, error) {
	leaves, ok := ir.Leaves(t)
	if !ok {
		return nil, fmt.Errorf("type %s has no fixed machine form", t)
	}
	out := make([]int, len(leaves))
	for i, l := range leaves {
		out[i] = l.Width
	}
	return out, nil
}

// objects compiles what the program declares besides tables.
func (s *Schema) objects() error {
	p := s.Program
	s.profiles, s.meters, s.registers, s.valueSets = map[string]*Profile{}, map[string]*Cells{}, map[string]*Cells{}, map[string]*ValueSetInfo{}
	for _, in := range p.Instances {
		var err error
		switch in.Kind() {
		case "meter":
			err = addCells(s.meters, in, nil)
		case "register":
			if len(in.Type.Args) > 0 {
				err = addCells(s.registers, in, in.Type.Args[0])
			}
		}
		if err != nil {
			return err
		}
	}
	for i, t := range p.Tables {
		in := t.Implementation
		if in == nil {
			continue
		}
		pr := s.profiles[in.Name]
		if pr == nil {
			var err error
			if pr, err = newProfile(p, in); err != nil {
				return err
			}
			s.profiles[in.Name] = pr
		}
		pr.Tables = append(pr.Tables, i)
		s.Tables[i].Implementation = pr
		if len(t.Actions) > 255-entryRefs {
			return Errorf(Unsupported, "table %s has %d actions, the limit with an action profile is %d", t.Name, len(t.Actions), 255-entryRefs)
		}
	}
	s.digests = digestNames(p)
	for i, v := range p.ValueSets {
		vs, err := newValueSet(i, v)
		if err != nil {
			return err
		}
		s.valueSets[v.Name] = vs
	}
	return nil
}

func newProfile(p *ir.Program, in *ir.Instance) (*Profile, error) {
	pr := &Profile{Name: in.Name}
	size := 0
	if in.Kind() == "action_selector" {
		pr.Selector, size = true, 1
	}
	if n, ok := constArg(in, size); ok && n <= maxCells {
		pr.Size = int(n)
	}
	for i, a := range p.ProfileActions(in) {
		act, err := newAction(i, a)
		if err != nil {
			return nil, err
		}
		pr.Actions = append(pr.Actions, act)
	}
	return pr, nil
}

func constArg(in *ir.Instance, i int) (uint64, bool) {
	if i >= len(in.Args) {
		return 0, false
	}
	c, ok := in.Args[i].(*ir.Const)
	if !ok || c.Val == nil || !c.Val.IsUint64() {
		return 0, false
	}
	return c.Val.Uint64(), true
}

func addCells(to map[string]*Cells, in *ir.Instance, elem ir.Type) error {
	n, ok := constArg(in, 0)
	if !ok || n > maxCells {
		return Errorf(Invalid, "%s %s: its size is no constant up to %d", in.Type.Name, in.Name, maxCells)
	}
	c := &Cells{Name: in.Name, Size: uint32(n), Type: elem}
	var shape strings.Builder
	fmt.Fprintf(&shape, "%s %d", in.Type, n)
	for i, a := range in.Args {
		if v, ok := a.(*ir.Const); ok && i > 0 && elem == nil { // what a meter counts; a register's initial value is no part
			fmt.Fprintf(&shape, " %s", v.Val)
		}
	}
	c.shape = shape.String()
	if elem != nil {
		widths, err := LeafWidths(elem)
		if err != nil {
			return Errorf(Unsupported, "%s %s: %w", in.Type.Name, in.Name, err)
		}
		for _, w := range widths {
			c.Bytes += ir.ByteWidth(w)
		}
	}
	to[in.Name] = c
	return nil
}

// SameShape tells whether the cells of one program go on as those of another.
func (c *Cells) SameShape(d *Cells) bool { return c.shape == d.shape }

func newValueSet(i int, v *ir.ValueSet) (*ValueSetInfo, error) {
	vs := &ValueSetInfo{Index: i, Name: v.Name, Size: v.Size}
	add := func(name string, t ir.Type, annos []ir.Annotation) error {
		f := Field{Name: name, Kind: ir.MatchExact, off: vs.KeySize}
		var err error
		if f.Width, f.Signed, err = scalar(t); err != nil {
			return Errorf(Invalid, "value set %s: field %s: %w", v.Name, name, err)
		}
		if a, ok := ir.Anno(annos, "match"); ok {
			kind := strings.TrimSpace(a.Text)
			k := slices.IndexFunc([]ir.MatchKind{ir.MatchExact, ir.MatchLPM, ir.MatchTernary, ir.MatchRange, ir.MatchOptional}, func(k ir.MatchKind) bool { return k.String() == kind })
			if k < 0 {
				return Errorf(Invalid, "value set %s: field %s: @match(%s)", v.Name, name, a.Text)
			}
			f.Kind = ir.MatchKind(k)
		}
		f.n = ir.ByteWidth(f.Width)
		vs.KeySize += f.size()
		vs.Fields = append(vs.Fields, f)
		return nil
	}
	switch t := v.Type.(type) {
	case *ir.Struct:
		for _, f := range t.Fields {
			if err := add(f.Name, f.Type, f.Annos); err != nil {
				return nil, err
			}
		}
	case *ir.Tuple:
		for n, e := range t.Elems {
			if err := add(fmt.Sprintf("%d", n+1), e, nil); err != nil {
				return nil, err
			}
		}
	default:
		if err := add("", t, nil); err != nil {
			return nil, err
		}
	}
	return vs, nil
}

// NewMember is a packed member with every field don't care (exact fields zero).
func (v *ValueSetInfo) NewMember() []byte { return newKey(v.Fields, v.KeySize) }

// Machine gives members the form of engines, values under masks. A field that is
// a range has none.
func (v *ValueSetInfo) Machine(members []string) ([][]ir.Match, error) {
	out := make([][]ir.Match, len(members))
	for i, m := range members {
		key := []byte(m)
		row := make([]ir.Match, len(v.Fields))
		for j := range v.Fields {
			f := &v.Fields[j]
			got, ok := f.Get(key)
			row[j] = ir.Match{Value: make([]byte, f.n)}
			switch {
			case !ok:
				row[j].Mask = make([]byte, f.n)
			case f.Kind == ir.MatchLPM:
				row[j] = ir.Match{Value: got.Value, Mask: prefixMask(got.PrefixLen, f.Width)}
			case f.Kind == ir.MatchRange:
				return nil, Errorf(Unsupported, "value set %s: field %s: ranges are not supported in value sets", v.Name, f.Name)
			default:
				row[j] = ir.Match{Value: got.Value, Mask: got.Mask}
			}
		}
		out[i] = row
	}
	return out, nil
}

// prefixMask is the mask of w bits whose n highest are ones.
func prefixMask(n, w int) []byte {
	m := make([]byte, ir.ByteWidth(w))
	for bit := w - n; bit < w; bit++ {
		m[len(m)-1-bit/8] |= 1 << (bit % 8)
	}
	return m
}

// SameShape tells whether members of v can be members of w.
func (v *ValueSetInfo) SameShape(w *ValueSetInfo) bool {
	return slices.EqualFunc(v.Fields, w.Fields, func(a, b Field) bool {
		return a.Name == b.Name && a.Kind == b.Kind && a.Width == b.Width && a.Signed == b.Signed
	})
}

// Profile, Meter, Register and ValueSet find what the program declares by
// control-plane name, or nil. Profiles are those that tables have.
func (s *Schema) Profile(name string) *Profile { return s.profiles[name] }

// Meter finds an indirect meter.
func (s *Schema) Meter(name string) *Cells { return s.meters[name] }

// Register finds a register.
func (s *Schema) Register(name string) *Cells { return s.registers[name] }

// ValueSet finds a value set.
func (s *Schema) ValueSet(name string) *ValueSetInfo { return s.valueSets[name] }

// HasDigest tells whether the program sends messages of that name.
func (s *Schema) HasDigest(name string) bool { return s.digests[name] }

func digestNames(p *ir.Program) map[string]bool {
	out := map[string]bool{}
	for _, in := range p.Instances {
		if in.Type.Name == "Digest" {
			out[in.Name] = true
		}
	}
	p.Bodies(func(body *[]ir.Stmt) {
		ir.WalkStmts(*body, func(s ir.Stmt) {
			var types []ir.Type
			switch s := s.(type) {
			case *ir.CallStmt:
				if s.Extern == "digest" {
					types = s.TypeArgs
				}
			case *ir.ExternCall:
				if s.Name == "digest" {
					types = s.TypeArgs
				}
			}
			if len(types) == 1 {
				out[p.DigestName(types[0])] = true
			}
		})
	})
	return out
}

// Action finds an action of the profile by control-plane name, or nil.
func (p *Profile) Action(name string) *Action {
	for _, a := range p.Actions {
		if a.Name == name {
			return a
		}
	}
	return nil
}

// Entries of a table with an action profile have one of these in Entry.Action,
// behind the table's actions, and an id of 4 bytes in Entry.Args.
const (
	refMember = iota
	refGroup
	refSet
	entryRefs
)

// MemberRef, GroupRef and SetRef are the values of Entry.Action that mean a
// member, a group and an action set of the entry's own.
func (t *Table) MemberRef() int { return len(t.Actions) + refMember }

// GroupRef means a group.
func (t *Table) GroupRef() int { return len(t.Actions) + refGroup }

// SetRef means an action set: Extra.Set.
func (t *Table) SetRef() int { return len(t.Actions) + refSet }

const refSize = 4

// ArgSize is the number of bytes of Entry.Args for a value of Entry.Action, -1
// where there is no such value.
func (t *Table) ArgSize(action int) int {
	switch {
	case action < 0:
		return -1
	case action < len(t.Actions):
		return t.Actions[action].ArgSize
	case t.Profile != "" && action < len(t.Actions)+entryRefs:
		return refSize
	}
	return -1
}

// RefArgs packs the id of a member or group.
func RefArgs(id uint32) string {
	return string([]byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)})
}

// Ref tells what an entry refers to, ir.RefNone where it has an action of its own.
func (t *Table) Ref(e *Entry) (ref ir.Ref, id uint32) {
	if int(e.Action) < len(t.Actions) || len(e.Args) != refSize {
		return ir.RefNone, 0
	}
	ref = ir.RefGroup
	if int(e.Action) == t.MemberRef() {
		ref = ir.RefMember
	}
	a := e.Args
	return ref, uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
}

// ActionName is the name of an entry's action, or what it refers to.
func (t *Table) ActionName(e *Entry) string {
	switch ref, id := t.Ref(e); {
	case ref == ir.RefNone:
		return t.Actions[e.Action].Name
	case int(e.Action) == t.SetRef():
		return "action set"
	case ref == ir.RefMember:
		return fmt.Sprintf("member %d", id)
	default:
		return fmt.Sprintf("group %d", id)
	}
}

// Machine is the member in the form of engines.
func (p *Profile) Machine(id uint32, action int, args string) ir.ProfileMember {
	a := p.Actions[action]
	m := ir.ProfileMember{ID: id, Action: action}
	raw := []byte(args)
	for i := range a.Params {
		m.Args = append(m.Args, a.Params[i].Get(raw))
	}
	return m
}

// newAction compiles an action; index is its place in a list.
func newAction(index int, act *ir.Action) (*Action, error) {
	a := &Action{Index: index, Name: passes.ControlName(act)}
	for _, v := range act.DataParams() {
		q := Param{Name: v.Name, off: a.ArgSize}
		var err error
		if q.Width, q.Signed, err = scalar(v.Type); err != nil {
			return nil, Errorf(Invalid, "action %s: parameter %s: %w", a.Name, v.Name, err)
		}
		q.n = ir.ByteWidth(q.Width)
		a.ArgSize += q.n
		a.Params = append(a.Params, q)
	}
	return a, nil
}
