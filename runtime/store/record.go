package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/p4nic/p4nic/runtime/entity"
)

// A journal is the magic and then records: length u32 and CRC-32C u32 of the
// payload, little endian, and the payload, whose first byte is its type. A file
// starts with a snapshot (everything up to recSnapEnd), written whole before the
// file gets its name, so only what follows it can be torn.
const (
	magic      = "P4NICJ1\n"
	headerSize = 8
)

// Types of records. Numbers are a file format: never reuse one.
const (
	recPipeline byte = 1  // flags, cookie, p4info, device
	recTable    byte = 2  // table, first handle never used
	recEntries  byte = 3  // table, entries in order of insertion; handle 0 = default
	recCells    byte = 4  // instance, {index, base}
	recElection byte = 5  // boot id, role, high, low
	recSnapEnd  byte = 6  // sequence
	recBatch    byte = 7  // sequence, changes
	recFail     byte = 8  // sequence, numbers of the batch's changes that failed
	recShift    byte = 9  // table, handle, difference: a base read after the append
	recStart    byte = 10 // sequence, 1 = counters are zero
	recGroup    byte = 11 // {length u32, record}: what is there whole or not at all
	recZero     byte = 12 // sequence: the change of pipeline that started from state zero
	recRebase   byte = 13 // table, handles: new entries on used handles, for each a recShift follows
	recObjects  byte = 14 // objects that are no table entries
)

// changeKind tells what a change does. Numbers are a file format.
type changeKind byte

const (
	chInsert     changeKind = 1
	chModify     changeKind = 2
	chModifyKeep changeKind = 3 // the action stays as it is
	chDelete     changeKind = 4
	chDefault    changeKind = 5
	chBase       changeKind = 6
	chCells      changeKind = 7
	chTake       changeKind = 8 // chInsert with the handle of an entry that the same group deletes: where the table counts, a recShift follows
	chObject     changeKind = 9
	chMeter      changeKind = 10 // table, handle, 1 and the direct meter or 0
)

// change is one journaled change of content, after validation.
type change struct {
	kind   changeKind
	table  int
	entry  entity.Entry  // chDelete and chBase: the entry it is about, Handle and Base are written
	cells  *cellsChange  // chCells
	object *objectChange // chObject
}

// ofTable tells whether the change is one of a table.
func (c *change) ofTable() bool { return c.kind != chCells && c.kind != chObject }

func (c *change) isInsert() bool { return c.kind == chInsert || c.kind == chTake }

// cellsChange are new bases of an indirect counter.
type cellsChange struct {
	instance string
	first    uint32
	bases    []entity.Counter
}

func appendBytes(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendCounter(b []byte, c entity.Counter) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, c.Packets), c.Bytes)
}

// Beside entity.Flags: an Extra follows, and what it has besides.
const (
	extraFlag = 0x80
	meterFlag = 0x40
	setFlag   = 0x20
)

func appendEntry(b []byte, e *entity.Entry) []byte {
	flags := byte(e.Flags)
	if !e.Extra.IsZero() {
		flags |= extraFlag
		if e.Extra.Meter != nil {
			flags |= meterFlag
		}
		if e.Extra.Set != nil {
			flags |= setFlag
		}
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(e.Handle))
	b = binary.AppendVarint(b, int64(e.Priority))
	b = binary.AppendUvarint(b, uint64(e.Action))
	b = appendBytes(b, e.Key)
	b = appendBytes(b, e.Args)
	b = appendCounter(b, e.Base)
	if flags&extraFlag != 0 {
		b = appendBytes(b, string(e.Extra.Metadata))
		b = binary.AppendUvarint(b, e.Extra.ControllerMetadata)
		b = binary.AppendVarint(b, e.Extra.IdleTimeout)
	}
	if flags&meterFlag != 0 {
		b = appendMeter(b, e.Extra.Meter)
	}
	if flags&setFlag != 0 {
		b = appendSet(b, e.Extra.Set)
	}
	return b
}

func appendChange(b []byte, c *change) []byte {
	b = append(b, byte(c.kind))
	if c.kind == chCells {
		b = appendBytes(b, c.cells.instance)
		b = binary.AppendUvarint(b, uint64(c.cells.first))
		b = binary.AppendUvarint(b, uint64(len(c.cells.bases)))
		for _, v := range c.cells.bases {
			b = appendCounter(b, v)
		}
		return b
	}
	if c.kind == chObject {
		return appendObject(b, c.object)
	}
	b = binary.AppendUvarint(b, uint64(c.table))
	switch c.kind {
	case chDelete:
		b = binary.AppendUvarint(b, uint64(c.entry.Handle))
	case chBase:
		b = binary.AppendUvarint(b, uint64(c.entry.Handle))
		b = appendCounter(b, c.entry.Base)
	case chMeter:
		b = binary.AppendUvarint(b, uint64(c.entry.Handle))
		if m := meterOf(&c.entry); m != nil {
			return appendMeter(append(b, 1), m)
		}
		b = append(b, 0)
	default:
		b = appendEntry(b, &c.entry)
	}
	return b
}

func encodePipeline(c Config) []byte {
	b := []byte{recPipeline, 0}
	if c.HasCookie {
		b[1] = 1
	}
	b = binary.AppendUvarint(b, c.Cookie)
	b = appendBytes(b, string(c.P4Info))
	return appendBytes(b, string(c.Device))
}

func encodeElection(boot, role string, e Election) []byte {
	b := appendBytes([]byte{recElection}, boot)
	b = appendBytes(b, role)
	return binary.AppendUvarint(binary.AppendUvarint(b, e.High), e.Low)
}

func encodeStart(seq uint64, fresh bool) []byte {
	b := binary.AppendUvarint([]byte{recStart}, seq)
	if fresh {
		return append(b, 1)
	}
	return append(b, 0)
}

func encodeFail(seq uint64, failed []int) []byte {
	b := binary.AppendUvarint([]byte{recFail}, seq)
	b = binary.AppendUvarint(b, uint64(len(failed)))
	for _, n := range failed {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

func encodeShift(table int, handle uint32, d entity.Counter) []byte {
	b := binary.AppendUvarint([]byte{recShift}, uint64(table))
	return appendCounter(binary.AppendUvarint(b, uint64(handle)), d)
}

var errShort = errors.New("record ends early")

// decoder reads the fields of one record. After the first error everything
// reads zero; nothing it allocates is larger than the record.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.b = nil
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail(errShort)
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint32() uint32 {
	v := d.uint()
	if v > math.MaxUint32 {
		d.fail(fmt.Errorf("%d does not fit 32 bits", v))
		return 0
	}
	return uint32(v)
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads a number of elements of which each takes a byte at least.
func (d *decoder) count() int {
	v := d.uint()
	if v > uint64(len(d.b)) {
		d.fail(errShort)
		return 0
	}
	return int(v)
}

func (d *decoder) str() string { return string(d.bytes()) }

// bytes reads a byte string in place: it is the record's own memory.
func (d *decoder) bytes() []byte {
	n := d.count()
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) counter() entity.Counter {
	p := d.uint()
	return entity.Counter{Packets: p, Bytes: d.uint()}
}

// entry reads an entry whose strings are the record's own memory, which nobody
// changes.
func (d *decoder) entry() entity.Entry {
	flags := d.byte()
	e := entity.Entry{Flags: entity.Flags(flags &^ (extraFlag | meterFlag | setFlag))}
	e.Handle = d.uint32()
	prio := d.int()
	if prio < 0 || prio > math.MaxInt32 {
		d.fail(fmt.Errorf("priority %d", prio))
	}
	e.Priority = int32(prio)
	action := d.uint()
	if action > math.MaxUint16 {
		d.fail(fmt.Errorf("action %d", action))
	}
	e.Action = uint16(action)
	e.Key = view(d.bytes())
	e.Args = view(d.bytes())
	e.Base = d.counter()
	if flags&extraFlag != 0 {
		x := &entity.Extra{Metadata: []byte(d.str())}
		x.ControllerMetadata = d.uint()
		x.IdleTimeout = d.int()
		if flags&meterFlag != 0 {
			x.Meter = d.meter()
		}
		if flags&setFlag != 0 {
			x.Set = d.set()
		}
		e.Extra = x
	}
	return e
}

func (d *decoder) change() change {
	c := change{kind: changeKind(d.byte())}
	switch c.kind {
	case chCells:
		x := &cellsChange{instance: d.str(), first: d.uint32()}
		c.cells = x
		n := d.count()
		if uint64(x.first)+uint64(n) > math.MaxUint32 {
			d.fail(fmt.Errorf("cells %d..+%d", x.first, n))
			return c
		}
		for range n {
			x.bases = append(x.bases, d.counter())
		}
	case chObject:
		c.object = d.object()
	case chMeter:
		c.table = d.count32()
		c.entry.Handle = d.uint32()
		if d.byte() == 1 {
			c.entry.Extra = &entity.Extra{Meter: d.meter()}
		}
	case chDelete, chBase:
		c.table = d.count32()
		c.entry.Handle = d.uint32()
		if c.kind == chBase {
			c.entry.Base = d.counter()
		}
	case chInsert, chTake, chModify, chModifyKeep, chDefault:
		c.table = d.count32()
		c.entry = d.entry()
	default:
		d.fail(fmt.Errorf("unknown change %d", c.kind))
	}
	return c
}

// count32 reads a table's index; whoever uses it checks it against the program.
func (d *decoder) count32() int { return int(d.uint32()) }

// end reports what went wrong, bytes left over included.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) != 0 {
		return fmt.Errorf("%d bytes too many", len(d.b))
	}
	return d.err
}

func meterOf(e *entity.Entry) *entity.MeterConfig {
	if e.Extra == nil {
		return nil
	}
	return e.Extra.Meter
}
