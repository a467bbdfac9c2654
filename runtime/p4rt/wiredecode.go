package p4rt

import (
	"encoding/binary"
	"math"
	"unsafe"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/entity"
)

// wireDecoder reads table entries of Updates from their bytes, into packed keys
// and arguments, without a message in between. It knows only what is well formed
// and right: whatever it is not sure of it leaves to the messages and to
// binding.update, which find the words for what is wrong. So it gives what these
// would give, or nothing.
type wireDecoder struct {
	b     *binding
	last  *tableInfo
	arena []byte // keys and arguments of the batch, cut off its front
}

// update decodes one Update; false leaves it to the messages.
func (d *wireDecoder) update(raw []byte, u *entity.Update) bool {
	var typ uint64
	var te []byte
	have := fields(0)
	for c := (cursor{b: raw}); len(c.b) > 0; {
		switch tag := c.tag(&have); tag {
		case varintTag(1):
			typ = c.varint()
		case bytesTag(2):
			te = c.bytes()
		default:
			return false
		}
		if c.bad {
			return false
		}
	}
	switch p4v1.Update_Type(typ) {
	case p4v1.Update_INSERT:
		u.Kind = entity.Insert
	case p4v1.Update_MODIFY:
		u.Kind = entity.Modify
	case p4v1.Update_DELETE:
		u.Kind = entity.Delete
	default:
		return false
	}
	// The Entity is a table_entry and nothing else.
	c := cursor{b: te}
	if len(te) == 0 || c.b[0] != bytesTag(2) {
		return false
	}
	c.b = c.b[1:]
	te = c.bytes()
	return !c.bad && len(c.b) == 0 && d.tableEntry(te, u)
}

func (d *wireDecoder) tableEntry(raw []byte, u *entity.Update) bool {
	var t *tableInfo
	var key, action []byte
	var seen uint64 // of the table's fields
	have := fields(0)
	for c := (cursor{b: raw}); len(c.b) > 0; {
		if len(c.b) > 0 && c.b[0] == bytesTag(2) && t != nil { // match, any number of times
			c.b = c.b[1:]
			m := c.bytes()
			if c.bad || !d.match(t, m, key, &seen) {
				return false
			}
			continue
		}
		switch tag := c.tag(&have); tag {
		case varintTag(1):
			id := c.varint()
			if c.bad || id > math.MaxUint32 {
				return false
			}
			if t = d.table(uint32(id)); t == nil || len(t.Fields) == 0 || len(t.Fields) > 64 {
				return false
			}
			key = d.take(t.KeySize)
			copy(key, t.anyKey)
		case bytesTag(3):
			action = c.bytes()
			if len(action) == 0 {
				return false
			}
		case varintTag(4):
			p := c.varint()
			if p > math.MaxInt32 {
				return false
			}
			u.Priority = int32(p)
		case varintTag(5):
			u.Extra.ControllerMetadata = c.varint()
		case varintTag(9):
			v := c.varint()
			if v > math.MaxInt64 || v != 0 && (t == nil || !t.IdleTimeout) {
				return false
			}
			u.Extra.IdleTimeout = int64(v)
		case bytesTag(11):
			u.Extra.Metadata = c.bytes()
		default:
			return false
		}
		if c.bad {
			return false
		}
	}
	if t == nil || (u.Priority != 0) != t.NeedsPriority || seen&t.exact != t.exact {
		return false
	}
	u.Table, u.Key = t.Index, text(key)
	if u.Kind == entity.Delete {
		u.Extra = entity.Extra{}
		return action == nil // it counts for nothing, but must be well formed
	}
	if action == nil {
		return u.Kind == entity.Modify
	}
	return d.action(t, action, u)
}

func (d *wireDecoder) table(id uint32) *tableInfo {
	if d.last == nil || d.last.id != id {
		d.last = d.b.tables[id]
	}
	return d.last
}

// match puts one field's match into the key.
func (d *wireDecoder) match(t *tableInfo, raw, key []byte, seen *uint64) bool {
	var id uint64
	var kind byte
	var body []byte
	have := fields(0)
	for c := (cursor{b: raw}); len(c.b) > 0; {
		switch tag := c.tag(&have); tag {
		case varintTag(1):
			id = c.varint()
		case bytesTag(2), bytesTag(3), bytesTag(4), bytesTag(6), bytesTag(7):
			if kind != 0 {
				return false
			}
			kind, body = tag>>3, c.bytes()
		default:
			return false
		}
		if c.bad {
			return false
		}
	}
	if id > math.MaxUint32 {
		return false
	}
	i := t.field(uint32(id))
	if i < 0 || *seen>>i&1 != 0 || kind != matchField(t.Fields[i].Kind) {
		return false
	}
	*seen |= 1 << i
	var first, second []byte
	var length uint64
	have = 0
	for c := (cursor{b: body}); len(c.b) > 0; {
		switch tag := c.tag(&have); {
		case tag == bytesTag(1):
			first = c.bytes()
		case tag == bytesTag(2) && (t.Fields[i].Kind == ir.MatchTernary || t.Fields[i].Kind == ir.MatchRange):
			second = c.bytes()
		case tag == varintTag(2) && t.Fields[i].Kind == ir.MatchLPM:
			length = c.varint()
		default:
			return false
		}
		if c.bad {
			return false
		}
	}
	f := &t.Fields[i]
	var err error
	switch f.Kind {
	case ir.MatchExact:
		err = f.SetExact(key, first)
	case ir.MatchLPM:
		if length > math.MaxInt32 {
			return false
		}
		err = f.SetLPM(key, first, int32(length))
	case ir.MatchTernary:
		err = f.SetTernary(key, first, second)
	case ir.MatchRange:
		err = f.SetRange(key, first, second)
	default:
		err = f.SetOptional(key, first)
	}
	return err == nil
}

// action decodes a TableAction that is a plain action.
func (d *wireDecoder) action(t *tableInfo, raw []byte, u *entity.Update) bool {
	c := cursor{b: raw}
	if t.Profile != "" {
		return d.refer(t, c, u)
	}
	if c.b[0] != bytesTag(1) {
		return false
	}
	c.b = c.b[1:]
	raw = c.bytes()
	if c.bad || len(c.b) > 0 {
		return false
	}
	var a *actionInfo
	var args []byte
	var seen uint64
	have := fields(0)
	for c := (cursor{b: raw}); len(c.b) > 0; {
		if c.b[0] == bytesTag(4) && a != nil { // params, any number of times
			c.b = c.b[1:]
			p := c.bytes()
			if c.bad || !a.wireParam(p, args, &seen) {
				return false
			}
			continue
		}
		if c.tag(&have) != varintTag(1) {
			return false
		}
		id := c.varint()
		if c.bad || id > math.MaxUint32 {
			return false
		}
		if a = t.action(uint32(id)); a == nil || a.DefaultOnly || len(a.Params) > 64 {
			return false
		}
		args = d.take(a.ArgSize)
	}
	if a == nil || seen != 1<<len(a.Params)-1 {
		return false
	}
	u.HasAction, u.Action, u.Args = true, a.Index, text(args)
	return true
}

// refer decodes a TableAction that is a member or a group.
func (d *wireDecoder) refer(t *tableInfo, c cursor, u *entity.Update) bool {
	tag := c.b[0]
	c.b = c.b[1:]
	id := c.varint()
	if c.bad || len(c.b) > 0 || id == 0 || id > math.MaxUint32 || t.profile == nil {
		return false
	}
	switch {
	case tag == varintTag(2):
		u.Action = t.MemberRef()
	case tag == varintTag(3) && t.profile.Selector:
		u.Action = t.GroupRef()
	default:
		return false
	}
	args := d.take(4)
	binary.BigEndian.PutUint32(args, uint32(id))
	u.HasAction, u.Args = true, text(args)
	return true
}

// wireParam puts one parameter into the arguments.
func (a *actionInfo) wireParam(raw, args []byte, seen *uint64) bool {
	var id uint64
	var value []byte
	have := fields(0)
	for c := (cursor{b: raw}); len(c.b) > 0; {
		switch c.tag(&have) {
		case varintTag(2):
			id = c.varint()
		case bytesTag(3):
			value = c.bytes()
		default:
			return false
		}
		if c.bad {
			return false
		}
	}
	if id > math.MaxUint32 {
		return false
	}
	i := a.param(uint32(id))
	if i < 0 || *seen>>i&1 != 0 {
		return false
	}
	*seen |= 1 << i
	return a.Params[i].Set(args, value) == nil
}

// take cuts n zero bytes off the arena.
func (d *wireDecoder) take(n int) []byte {
	if len(d.arena) < n {
		d.arena = make([]byte, max(arenaBlock, n))
	}
	b := d.arena[:n:n]
	d.arena = d.arena[n:]
	return b
}

// arenaBlock is for keys and arguments of some hundred entries.
const arenaBlock = 8 << 10

// text makes a string of bytes that nobody changes any more.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// fields is a set of field numbers below 16.
type fields uint16

// cursor reads the fields of a message. A field whose tag takes more than a byte,
// or that comes twice, is bad.
type cursor struct {
	b   []byte
	bad bool
}

// tag takes the next field's tag; there is one.
func (c *cursor) tag(have *fields) byte {
	tag := c.b[0]
	c.b = c.b[1:]
	bit := fields(1) << (tag >> 3 & 15)
	if tag >= 0x80 || *have&bit != 0 {
		c.bad = true
		return 0
	}
	*have |= bit
	return tag
}

func (c *cursor) varint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		v := c.b[0]
		c.b = c.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.bad = true
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) bytes() []byte {
	n := c.varint()
	if c.bad || n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}
