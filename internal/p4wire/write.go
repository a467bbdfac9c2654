// Package p4wire takes a P4Runtime WriteRequest as bytes, for those who want its
// header and the number of its updates without a tree of messages an update.
//
// In: a message as gRPC read it. Out: the header as a message, each update's
// bytes.
// Must not import: anything of runtime, for adapters and their gate share it.
package p4wire

import (
	"iter"
	"sync"
	"unicode/utf8"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Write is a WriteRequest. A codec for protobuf reads it as one that knows no
// fields, and so keeps their bytes as they came.
type Write struct {
	emptypb.Empty
	once  sync.Once
	head  *p4v1.WriteRequest
	whole bool // head has the updates too
	kinds Kinds
	err   error
}

// Kinds counts updates by their type; those whose type is not known are only in
// Total.
type Kinds struct {
	ByType [4]int // index p4v1.Update_Type
	Total  int
}

// New is the Write of a message's bytes.
func New(raw []byte) *Write {
	w := &Write{}
	w.ProtoReflect().SetUnknown(raw)
	return w
}

// Bytes are the message's.
func (w *Write) Bytes() []byte { return w.ProtoReflect().GetUnknown() }

// Request gives the request. Usually it is without updates (whole is false), of
// which Updates has the bytes; one with fields that this package does not expect
// is decoded whole. The error is that of the bytes.
func (w *Write) Request() (r *p4v1.WriteRequest, whole bool, err error) {
	w.once.Do(w.parse)
	return w.head, w.whole, w.err
}

// Kinds counts the updates.
func (w *Write) Kinds() Kinds {
	w.once.Do(w.parse)
	return w.kinds
}

func (w *Write) parse() {
	r := &p4v1.WriteRequest{}
	if w.plain(r) {
		w.head = r
		return
	}
	r = &p4v1.WriteRequest{}
	w.whole, w.kinds = true, Kinds{}
	if w.err = proto.Unmarshal(w.Bytes(), r); w.err != nil {
		return
	}
	w.head = r
	for _, u := range r.GetUpdates() {
		w.kinds.add(u.GetType())
	}
}

func (k *Kinds) add(t p4v1.Update_Type) {
	k.Total++
	if t >= 0 && int(t) < len(k.ByType) {
		k.ByType[t]++
	}
}

// Field numbers of WriteRequest and Uint128 in p4/v1/p4runtime.proto.
const (
	fieldDevice    = 1
	fieldRoleID    = 2
	fieldElection  = 3
	fieldUpdates   = 4
	fieldAtomicity = 5
	fieldRole      = 6
)

// plain reads the header; it is false for what it leaves to the general decoder:
// fields it does not know, messages in parts, and whatever is malformed.
func (w *Write) plain(r *p4v1.WriteRequest) bool {
	for b := w.Bytes(); len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		switch {
		case typ == protowire.BytesType && (num == fieldUpdates || num == fieldElection || num == fieldRole):
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return false
			}
			b = b[n:]
			switch num {
			case fieldUpdates:
				w.kinds.add(updateType(v))
			case fieldRole:
				if !utf8.Valid(v) {
					return false
				}
				r.Role = string(v)
			default:
				id := &p4v1.Uint128{}
				if r.ElectionId != nil || proto.Unmarshal(v, id) != nil {
					return false
				}
				r.ElectionId = id
			}
		case typ == protowire.VarintType && (num == fieldDevice || num == fieldRoleID || num == fieldAtomicity):
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return false
			}
			b = b[n:]
			switch num {
			case fieldDevice:
				r.DeviceId = v
			case fieldRoleID:
				//lint:ignore SA1019 older clients name roles by number
				r.RoleId = v
			default:
				r.Atomicity = p4v1.WriteRequest_Atomicity(v)
			}
		default:
			return false
		}
	}
	return true
}

// updateType is that of an Update: the last one it gives, -1 where it is
// malformed.
func updateType(b []byte) p4v1.Update_Type {
	t := p4v1.Update_UNSPECIFIED
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return -1
		}
		b = b[n:]
		if num == 1 && typ == protowire.VarintType {
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return -1
			}
			t = p4v1.Update_Type(v)
			b = b[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return -1
		}
		b = b[n:]
	}
	return t
}

// Updates gives the bytes of each update in order. It is for requests that
// Request did not decode whole.
func (w *Write) Updates() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for b := w.Bytes(); len(b) > 0; {
			num, typ, n := protowire.ConsumeTag(b)
			if n < 0 {
				return
			}
			b = b[n:]
			if num != fieldUpdates || typ != protowire.BytesType {
				if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
					return
				}
				b = b[n:]
				continue
			}
			v, n := protowire.ConsumeBytes(b)
			if n < 0 || !yield(v) {
				return
			}
			b = b[n:]
		}
	}
}
