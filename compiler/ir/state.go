package ir

import (
	"fmt"
	"strings"
)

// What engines must agree on about the state behind extern objects.

// Kind is an extern object's type under the one name that it has for engines,
// whatever its architecture calls it: counter, direct_counter, meter,
// direct_meter, register, action_profile or action_selector; other types keep
// their names.
func (i *Instance) Kind() string {
	switch i.Type.Name {
	case "Counter":
		return "counter"
	case "DirectCounter":
		return "direct_counter"
	case "Meter":
		return "meter"
	case "DirectMeter":
		return "direct_meter"
	case "Register":
		return "register"
	case "ActionProfile":
		return "action_profile"
	case "ActionSelector":
		return "action_selector"
	}
	return i.Type.Name
}

// MetersBytes tells whether a meter marks bytes, not packets: the type that its
// constructor gets, behind the size where it has one.
func (i *Instance) MetersBytes() bool {
	at := 1
	if i.Kind() == "direct_meter" {
		at = 0
	}
	return at < len(i.Args) && strings.EqualFold(memberName(i.Args[at]), "bytes")
}

// memberName is the name of the enum member that the constant x is, "" for others.
func memberName(x Expr) string {
	c, ok := x.(*Const)
	if !ok || c.Val == nil {
		return ""
	}
	if e, ok := c.T.(*Enum); ok {
		for _, m := range e.Members {
			if m.Value.Cmp(c.Val) == 0 {
				return m.Name
			}
		}
	}
	return ""
}

// Leaf is a scalar within a value of any type.
type Leaf struct {
	Width int
	// Valid is the index of the leaf that says whether the header around this one
	// is valid, -1 outside headers. The leaf of a header's validity itself has that
	// of the header around it: none.
	Valid int
}

// Leaves are the scalars of a value of type t in order: of a header its validity
// (1 bit) and then its fields, of a stack its next index (32 bits) and then its
// elements. ok is false where t has parts without a fixed machine form.
//
// In machine form such a value is the machine forms of its leaves, one after the
// other, ByteWidth of each; a scalar is its own only leaf. Fields of an invalid
// header are 0.
func Leaves(t Type) (leaves []Leaf, ok bool) {
	ok = true
	valid := -1
	var walk func(t Type)
	fields := func(fs []Field) {
		for _, f := range fs {
			walk(f.Type)
		}
	}
	walk = func(t Type) {
		if w := Width(t); w >= 0 {
			leaves = append(leaves, Leaf{w, valid})
			return
		}
		switch u := Underlying(t).(type) {
		case *Struct:
			fields(u.Fields)
		case *Union:
			fields(u.Fields)
		case *Header:
			was := valid
			leaves = append(leaves, Leaf{1, was})
			valid = len(leaves) - 1
			fields(u.Fields)
			valid = was
		case *Stack:
			leaves = append(leaves, Leaf{32, valid})
			for range u.Size {
				walk(u.Elem)
			}
		case *Tuple:
			for _, e := range u.Elems {
				walk(e)
			}
		default:
			ok = false
		}
	}
	walk(t)
	return leaves, ok
}

// LeafBytes is the length of the machine form of leaves.
func LeafBytes(leaves []Leaf) int {
	n := 0
	for _, l := range leaves {
		n += ByteWidth(l.Width)
	}
	return n
}

// DigestType is what one kind of message to the control plane holds.
type DigestType struct {
	Name   string // as in P4Info
	Widths []int  // of the fields, in order
	Pos    Pos    // of the first call
}

// DigestTypes lists the messages that the program sends, in order of the calls.
func (p *Program) DigestTypes() []DigestType {
	var out []DigestType
	add := func(name string, data Expr, pos Pos) {
		for _, d := range out {
			if d.Name == name {
				return
			}
		}
		d := DigestType{Name: name, Pos: pos}
		fieldWidths(data, &d.Widths)
		out = append(out, d)
	}
	p.Bodies(func(body *[]Stmt) {
		WalkStmts(*body, func(s Stmt) {
			c, ok := s.(*ExternCall)
			switch {
			case !ok:
			case c.Name == "digest" && len(c.Args) == 2 && c.Args[1] != nil:
				add(p.DigestName(digestData(c.TypeArgs, c.Args[1])), c.Args[1], c.P)
			case c.Name == "Digest.pack" && c.Object != nil && len(c.Args) == 1 && c.Args[0] != nil:
				add(c.Object.Name, c.Args[0], c.P)
			}
		})
	})
	return out
}

// digestData is the type that v1model's digest sends.
func digestData(args []Type, data Expr) Type {
	if len(args) > 0 {
		return args[0]
	}
	return data.Type()
}

// fieldWidths appends the widths of the scalars that a digest of x has.
func fieldWidths(x Expr, out *[]int) {
	var es []Expr
	switch l := x.(type) {
	case *ListExpr:
		es = l.Elems
	case *StructLit:
		es = l.Fields
	default:
		typeWidths(x.Type(), out)
		return
	}
	for _, e := range es {
		fieldWidths(e, out)
	}
}

func typeWidths(t Type, out *[]int) {
	if w := Width(t); w >= 0 {
		*out = append(*out, w)
		return
	}
	for _, f := range Fields(Underlying(t)) {
		typeWidths(f.Type, out)
	}
}

// PackLeaves gives the machine form of leaves from their limbs: of each leaf, the
// most significant limb first, which has its width modulo 64 bits, or 64. Missing
// limbs are 0.
func PackLeaves(leaves []Leaf, limbs []uint64) []byte {
	valid := make([]bool, len(leaves))
	out := make([]byte, 0, LeafBytes(leaves))
	for i, l := range leaves {
		n := (l.Width + 63) / 64
		b := make([]byte, ByteWidth(l.Width))
		for k := range b { // from the end
			if j := n - 1 - k/8; j < len(limbs) {
				b[len(b)-1-k] = byte(limbs[j] >> (8 * (k % 8)))
			}
		}
		limbs = limbs[min(n, len(limbs)):]
		if l.Valid >= 0 && !valid[l.Valid] {
			clear(b)
		}
		valid[i] = len(b) > 0 && b[len(b)-1]&1 != 0
		out = append(out, b...)
	}
	return out
}

// UnpackLeaves is its inverse. Fields of invalid headers become 0.
func UnpackLeaves(leaves []Leaf, b []byte) ([]uint64, error) {
	if n := LeafBytes(leaves); len(b) != n {
		return nil, fmt.Errorf("a value of %d bytes, not %d", len(b), n)
	}
	valid := make([]bool, len(leaves))
	var out []uint64
	for i, l := range leaves {
		x := b[:ByteWidth(l.Width)]
		b = b[len(x):]
		if r := l.Width % 8; r != 0 && x[0]>>r != 0 {
			return nil, fmt.Errorf("value %x is wider than %d bits", x, l.Width)
		}
		n := (l.Width + 63) / 64
		at := len(out)
		out = append(out, make([]uint64, n)...)
		valid[i] = len(x) > 0 && x[len(x)-1]&1 != 0
		if l.Valid >= 0 && !valid[l.Valid] {
			continue
		}
		for k := range x {
			out[at+n-1-k/8] |= uint64(x[len(x)-1-k]) << (8 * (k % 8))
		}
	}
	return out, nil
}

// InitialValue is what the cells of a register begin with, as limbs of its leaves;
// nil for zeros. A register of anything but scalars begins with zeros.
func (i *Instance) InitialValue() []uint64 {
	if len(i.Args) < 2 || len(i.Type.Args) == 0 {
		return nil
	}
	c, ok := i.Args[1].(*Const)
	w := Width(i.Type.Args[0])
	if !ok || c.Val == nil || w < 0 || c.Val.Sign() == 0 {
		return nil
	}
	limbs, err := UnpackLeaves([]Leaf{{w, -1}}, MachineBytes(c.Val, w))
	if err != nil {
		return nil
	}
	return limbs
}
