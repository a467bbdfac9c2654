package p4rt

import (
	"unsafe"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
)

// Entries are written as bytes of the protocol, not as trees of messages: a table
// of millions is read at the speed of copying. Numbers below are field numbers of
// p4/v1/p4runtime.proto.

// Tags of fields with a length, as they stand in a message.
const (
	tagBytes  = byte(protowire.BytesType)
	tagVarint = byte(protowire.VarintType)
)

func bytesTag(field byte) byte  { return field<<3 | tagBytes }
func varintTag(field byte) byte { return field<<3 | tagVarint }

// openMessage starts a message field; closeMessage, with what it gave, ends it.
func openMessage(b []byte, field byte) ([]byte, int) {
	b = append(b, bytesTag(field), 0)
	return b, len(b)
}

func closeMessage(b []byte, at int) []byte {
	n := len(b) - at
	if n < 0x80 {
		b[at-1] = byte(n)
		return b
	}
	// The length takes more than the byte that was left for it.
	var room [9]byte
	more := protowire.SizeVarint(uint64(n)) - 1
	b = append(b, room[:more]...)
	copy(b[at+more:], b[at:at+n])
	protowire.AppendVarint(b[:at-1], uint64(n))
	return b
}

func appendBytesField(b []byte, field byte, v []byte) []byte {
	if len(v) < 0x80 {
		b = append(b, bytesTag(field), byte(len(v)))
		return append(b, v...)
	}
	return protowire.AppendBytes(append(b, bytesTag(field)), v)
}

// appendUintField leaves zero out, as proto3 does.
func appendUintField(b []byte, field byte, v uint64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(append(b, varintTag(field)), v)
}

func appendBoolField(b []byte, field byte, v bool) []byte {
	if !v {
		return b
	}
	return append(b, varintTag(field), 1)
}

// appendEntry writes an entry as P4Runtime shows it, an Entity with a
// TableEntry: canonical bytes (p4rt:B5), no field that is don't care (M5).
func (t *tableInfo) appendEntry(b []byte, e *entity.Entry, x asked) []byte {
	b, te := openMessage(b, 2) // Entity.table_entry
	b = t.appendIdentity(b, e)
	b = t.appendAction(b, e)
	b = appendUintField(b, 4, uint64(e.Priority))
	b = t.appendExtra(b, e, x)
	b = appendBoolField(b, 13, e.Is(entity.Const))
	return closeMessage(b, te)
}

// asked is what an answer has of an entry beside what all have.
type asked struct {
	meter bool
	count *entity.Counter
	hit   *uint64 // nanoseconds ago
}

// appendExtra writes the fields 5 to 11 of a TableEntry.
func (t *tableInfo) appendExtra(b []byte, e *entity.Entry, ask asked) []byte {
	x := e.Extra
	if x == nil {
		x = &entity.Extra{}
	}
	b = appendUintField(b, 5, x.ControllerMetadata)
	if ask.meter {
		b = appendMeterConfig(b, 6, x.Meter)
	}
	if ask.count != nil {
		b = appendCounter(b, 7, *ask.count)
	}
	b = appendBoolField(b, 8, e.Handle == 0)
	b = appendUintField(b, 9, uint64(x.IdleTimeout))
	if ask.hit != nil {
		var at int
		b, at = openMessage(b, 10) // TableEntry.time_since_last_hit
		b = closeMessage(appendUintField(b, 1, *ask.hit), at)
	}
	if len(x.Metadata) > 0 {
		b = appendBytesField(b, 11, x.Metadata)
	}
	return b
}

// appendAction writes TableEntry.action.
func (t *tableInfo) appendAction(b []byte, e *entity.Entry) []byte {
	b, ta := openMessage(b, 3)
	switch ref, id := t.Ref(e); {
	case ref == ir.RefNone:
		return closeMessage(t.appendPlain(b, e), ta)
	case int(e.Action) == t.SetRef():
		raw, err := proto.Marshal(t.profile.setMessage(e.Extra.Set))
		if err == nil { // it always is: the message is ours
			b = appendBytesField(b, 4, raw)
		}
	case ref == ir.RefMember:
		b = appendUintField(b, 2, uint64(id))
	default:
		b = appendUintField(b, 3, uint64(id))
	}
	return closeMessage(b, ta)
}

// appendPlain writes TableAction.action.
func (t *tableInfo) appendPlain(b []byte, e *entity.Entry) []byte {
	a := t.actions[e.Action]
	args := view(e.Args)
	b, act := openMessage(b, 1)
	b = appendUintField(b, 1, uint64(a.id))
	for i := range a.Params {
		q := &a.Params[i]
		var param int
		b, param = openMessage(b, 4)
		b = appendUintField(b, 2, uint64(a.params[i]))
		b = appendBytesField(b, 3, q.Canonical(q.Get(args)))
		b = closeMessage(b, param)
	}
	return closeMessage(b, act)
}

// appendIdentity writes table id and match.
func (t *tableInfo) appendIdentity(b []byte, e *entity.Entry) []byte {
	b = appendUintField(b, 1, uint64(t.id))
	if e.Handle == 0 {
		return b
	}
	key := view(e.Key)
	for i := range t.Fields {
		f := &t.Fields[i]
		v, ok := f.Get(key)
		if !ok {
			continue
		}
		var match, kind int
		b, match = openMessage(b, 2) // TableEntry.match
		b = appendUintField(b, 1, uint64(t.fields[i]))
		b, kind = openMessage(b, matchField(f.Kind))
		b = appendBytesField(b, 1, f.Canonical(v.Value))
		switch f.Kind {
		case ir.MatchLPM:
			b = appendUintField(b, 2, uint64(v.PrefixLen))
		case ir.MatchTernary, ir.MatchRange:
			b = appendBytesField(b, 2, f.Canonical(v.Mask))
		}
		b = closeMessage(closeMessage(b, kind), match)
	}
	return b
}

// view shows a string's bytes, which nobody may change.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// matchField is the number of a match kind's field in FieldMatch.
func matchField(k ir.MatchKind) byte {
	switch k {
	case ir.MatchExact:
		return 2
	case ir.MatchTernary:
		return 3
	case ir.MatchLPM:
		return 4
	case ir.MatchRange:
		return 6
	}
	return 7 // optional
}

// appendDirectCounter writes an Entity with a DirectCounterEntry.
func (t *tableInfo) appendDirectCounter(b []byte, e *entity.Entry, count entity.Counter) []byte {
	b, dc := openMessage(b, 8) // Entity.direct_counter_entry
	b, te := openMessage(b, 1)
	b = t.appendIdentity(b, e)
	b = appendUintField(b, 4, uint64(e.Priority))
	b = appendBoolField(b, 8, e.Handle == 0)
	b = closeMessage(b, te)
	b = appendCounter(b, 2, count)
	return closeMessage(b, dc)
}

func appendCounter(b []byte, field byte, c entity.Counter) []byte {
	d := counterData(c)
	b, at := openMessage(b, field)
	b = appendUintField(b, 1, uint64(d.ByteCount))
	b = appendUintField(b, 2, uint64(d.PacketCount))
	return closeMessage(b, at)
}

// sendError marks the end of the client, which ends the whole answer.
type sendError struct{ error }

func (e *sendError) Unwrap() error { return e.error }

// sender collects entities into messages far below the 4 MB that clients accept
// by default (p4rt:RD4).
type sender struct {
	g   p4v1.P4Runtime_ReadServer
	buf []byte // ReadResponse.entities
}

const messageSize = 1 << 20

// add writes one entity; fill appends it.
func (o *sender) add(fill func([]byte) []byte) error {
	if o.buf == nil {
		o.buf = make([]byte, 0, messageSize+messageSize/16)
	}
	start := len(o.buf)
	b, at := openMessage(o.buf, 1)
	o.buf = closeMessage(fill(b), at)
	if start == 0 || len(o.buf) <= messageSize {
		return nil
	}
	// One too many: it goes into the next message.
	return o.send(start)
}

// addMessage is add for the kinds of which there are few.
func (o *sender) addMessage(e *p4v1.Entity) error {
	raw, err := proto.Marshal(e)
	if err != nil {
		return err
	}
	return o.add(func(b []byte) []byte { return append(b, raw...) })
}

// send sends the first n bytes, which are whole entities.
func (o *sender) send(n int) error {
	// Bytes in a message's unknown fields go out as they are, so this is a
	// ReadResponse with these entities.
	m := &p4v1.ReadResponse{}
	m.ProtoReflect().SetUnknown(o.buf[:n:n])
	err := o.g.Send(m) // it has copied them when it returns
	o.buf = o.buf[:copy(o.buf, o.buf[n:])]
	if err != nil {
		return &sendError{err}
	}
	return nil
}

func (o *sender) flush() error {
	if len(o.buf) == 0 {
		return nil
	}
	return o.send(len(o.buf))
}
