// Package bindings reads what a program's tables mean for routing, from
// annotations or a side file, and checks it against the program (D14).
//
// In: a program at any level, and the text of a side file. Out: a
// bindingspb.Bindings with full control-plane names, or errors with P4
// positions.
// Must not import: the front end, a back end, runtime.
//
// In a program:
//
//	@p4nic_bind[role="route_v4"] table ipv4_routes {
//	    key = {
//	        meta.vrf: exact @name("vrf") @p4nic_bind[is="vrf"];
//	        hdr.ipv4.dst_addr: lpm @name("prefix") @p4nic_bind[is="prefix"];
//	    } ...
//	@p4nic_bind[is="to_group"] action set_group(@p4nic_bind[is="group"] group_t group) ...
//
// The words are those of proto/bindings.proto in lower case ("group", "bucket"
// and "next_hop" stand for GROUP_ID, BUCKET_ID and NEXT_HOP_ID). An annotated
// action counts in every bound table that has a use for it. A side file is the
// message bindingspb.Bindings as text proto.
package bindings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/p4info"
	"github.com/p4nic/p4nic/compiler/passes"
	pb "github.com/p4nic/p4nic/proto/bindingspb"
)

// Error is what is wrong with a binding. Pos is the place in the program that
// it is about, of the annotation or of what a side file names; the zero Pos
// where a side file names nothing that exists.
type Error struct {
	Pos ir.Pos
	Msg string
}

func (e Error) Error() string { return e.Msg }

// annotation is the name in P4.
const annotation = "p4nic_bind"

// reader collects errors.
type reader struct {
	p    *ir.Program
	errs []Error
}

func (r *reader) fail(pos ir.Pos, format string, args ...any) {
	r.errs = append(r.errs, Error{pos, fmt.Sprintf(format, args...)})
}

// word reads the value of one key of an annotation, "" when there is none.
func (r *reader) word(as []ir.Annotation, key string, pos ir.Pos, what string) string {
	a, ok := ir.Anno(as, annotation)
	if !ok {
		return ""
	}
	if a.Kind != ir.AnnoKV || len(a.KV) != 1 || a.KV[0].Key != key || !a.KV[0].Val.IsString {
		r.fail(pos, "@%s of %s: the form is @%s[%s=\"...\"]", annotation, what, annotation, key)
		return ""
	}
	return a.KV[0].Val.Str
}

// value finds a word among the values of an enum.
func (r *reader) value(e protoreflect.EnumDescriptor, word string, pos ir.Pos, what string) protoreflect.EnumNumber {
	upper := strings.ToUpper(word)
	for _, name := range []string{upper, upper + "_ID"} {
		if v := e.Values().ByName(protoreflect.Name(name)); v != nil && v.Number() != 0 && word == strings.ToLower(word) {
			return v.Number()
		}
	}
	var words []string
	for i := 1; i < e.Values().Len(); i++ {
		words = append(words, Word(string(e.Values().Get(i).Name())))
	}
	r.fail(pos, "%s: %q is none of %s", what, word, strings.Join(words, ", "))
	return 0
}

// Word is the annotation's word for the name of an enum's value.
func Word(name string) string { return strings.TrimSuffix(strings.ToLower(name), "_id") }

// FromProgram reads the annotations of a program and checks them. Without any
// the message has no tables.
func FromProgram(p *ir.Program) (*pb.Bindings, []Error) {
	r := &reader{p: p}
	out := &pb.Bindings{}
	for _, t := range p.Tables {
		what := "table " + t.Name
		word := r.word(t.Annos, "role", t.Pos, what)
		if word == "" {
			for _, k := range t.Keys {
				if _, ok := ir.Anno(k.Annos, annotation); ok {
					r.fail(k.Pos, "key %s is bound, but its table %s has no role", k.Name, t.Name)
				}
			}
			continue
		}
		b := &pb.Table{Table: t.Name, Role: pb.Role(r.value(pb.Role(0).Descriptor(), word, t.Pos, what))}
		for _, k := range t.Keys {
			what := fmt.Sprintf("key %s of table %s", k.Name, t.Name)
			if w := r.word(k.Annos, "is", k.Pos, what); w != "" {
				b.Keys = append(b.Keys, &pb.Key{Key: k.Name, Is: pb.Meaning(r.value(pb.Meaning(0).Descriptor(), w, k.Pos, what))})
			}
		}
		for _, ref := range t.Actions {
			a := ref.Action
			what := "action " + a.Name
			w := r.word(a.Annos, "is", a.Pos, what)
			if w == "" || ref.DefaultOnly {
				continue
			}
			x := &pb.Action{Action: passes.ControlName(a), Is: pb.Deed(r.value(pb.Deed(0).Descriptor(), w, a.Pos, what))}
			for _, v := range a.DataParams() {
				what := fmt.Sprintf("parameter %s of action %s", v.Name, a.Name)
				if w := r.word(v.Annos, "is", v.Pos, what); w != "" {
					x.Params = append(x.Params, &pb.Param{Param: v.Name, Is: pb.Meaning(r.value(pb.Meaning(0).Descriptor(), w, v.Pos, what))})
				}
			}
			// One action may serve tables of several roles; it is listed where it
			// has a use.
			if b.Role == 0 || slices.Contains(rules()[b.Role].deeds, x.Is) {
				b.Actions = append(b.Actions, x)
			}
		}
		out.Tables = append(out.Tables, b)
	}
	if len(r.errs) > 0 {
		return nil, dedup(r.errs)
	}
	return Check(p, out)
}

// dedup sorts errors and leaves those of actions of several tables once.
func dedup(errs []Error) []Error {
	slices.SortStableFunc(errs, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col), cmp.Compare(a.Msg, b.Msg))
	})
	return slices.Compact(errs)
}

// Parse reads a side file. The error has a line and column of the file.
func Parse(data []byte) (*pb.Bindings, error) {
	b := &pb.Bindings{}
	if err := p4info.Unmarshal(data, b); err != nil {
		return nil, err
	}
	return b, nil
}

// Text is the canonical text of b, which Parse reads.
func Text(b *pb.Bindings) []byte { return p4info.Text(b) }
