package fakedevice

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Write implements the RPC for table entries.
func (d *Device) Write(_ context.Context, r *p4.WriteRequest) (*p4.WriteResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	if err := d.mayWrite(r.GetDeviceId(), r.GetElectionId()); err != nil {
		return nil, err
	}
	if d.info == nil {
		return nil, status.Error(codes.FailedPrecondition, "no pipeline")
	}
	if d.limits.NoModify && d.limits.RefuseWholeModify && slices.ContainsFunc(r.GetUpdates(), modifies) {
		return nil, status.Error(codes.Unimplemented, "MODIFY is not supported")
	}
	s := &rpcstatus.Status{Code: int32(codes.Unknown), Message: "some updates failed"}
	var failed *p4.Error
	for _, u := range r.GetUpdates() {
		e := &p4.Error{}
		if failed != nil && d.limits.StopsAtError {
			e = refuse(codes.Aborted, "not tried")
		} else if err := d.update(u); err != nil {
			e, failed = err, err
		}
		detail, err := anypb.New(e)
		if err != nil {
			return nil, err
		}
		s.Details = append(s.Details, detail)
	}
	switch {
	case failed == nil:
		return &p4.WriteResponse{}, nil
	case d.limits.NoDetails:
		return nil, status.Error(codes.Code(failed.GetCanonicalCode()), failed.GetMessage())
	}
	return nil, status.ErrorProto(s)
}

func modifies(u *p4.Update) bool {
	return u.GetType() == p4.Update_MODIFY && !u.GetEntity().GetTableEntry().GetIsDefaultAction()
}

func (d *Device) table(id uint32) *p4config.Table {
	for _, t := range d.info.GetTables() {
		if t.GetPreamble().GetId() == id {
			return t
		}
	}
	return nil
}

// update does one update. mu is held.
func (d *Device) update(u *p4.Update) *p4.Error {
	e := u.GetEntity().GetTableEntry()
	t := d.table(e.GetTableId())
	if e == nil || t == nil {
		return refuse(codes.InvalidArgument, "no such table")
	}
	if d.limits.NoModify && modifies(u) {
		return refuse(codes.Unimplemented, "MODIFY is not supported")
	}
	for _, v := range d.values(e) {
		n := (v.width + 7) / 8
		if d.limits.FullWidth && len(*v.bytes) != n {
			return refuse(codes.InvalidArgument, "%d bytes, want %d", len(*v.bytes), n)
		}
		if len(canonical(*v.bytes)) > n {
			return refuse(codes.OutOfRange, "%x does not fit %d bits", *v.bytes, v.width)
		}
	}
	if d.refuse != nil {
		if err := d.refuse(u); err != nil {
			return err
		}
	}
	at := d.find(e)
	switch u.GetType() {
	case p4.Update_INSERT:
		switch n := d.count(e.GetTableId()); {
		case at >= 0:
			return refuse(codes.AlreadyExists, "the entry is there already")
		case n >= t.GetSize():
			return refuse(codes.ResourceExhausted, "table %s is full", t.GetPreamble().GetName())
		}
		d.entries = append(d.entries, proto.Clone(e).(*p4.TableEntry))
	case p4.Update_MODIFY:
		if at < 0 {
			return refuse(codes.NotFound, "there is no such entry")
		}
		d.entries[at] = proto.Clone(e).(*p4.TableEntry)
	case p4.Update_DELETE:
		if at < 0 {
			return refuse(codes.NotFound, "there is no such entry")
		}
		d.entries = slices.Delete(d.entries, at, at+1)
	default:
		return refuse(codes.InvalidArgument, "no type")
	}
	return nil
}

func (d *Device) count(table uint32) int64 {
	n := int64(0)
	for _, e := range d.entries {
		if e.GetTableId() == table && !e.GetIsDefaultAction() {
			n++
		}
	}
	return n
}

func (d *Device) find(e *p4.TableEntry) int {
	k := d.key(e)
	return slices.IndexFunc(d.entries, func(o *p4.TableEntry) bool { return d.key(o) == k })
}

// key is equal for entries that are the same.
func (d *Device) key(e *p4.TableEntry) string {
	if e.GetIsDefaultAction() {
		return fmt.Sprint(e.GetTableId(), "default")
	}
	var words []string
	for _, m := range e.GetMatch() {
		w := fmt.Sprint(m.GetFieldId(), ":", m.GetLpm().GetPrefixLen())
		for _, v := range matchValues(m) {
			w += " " + hex.EncodeToString(canonical(*v))
		}
		words = append(words, w)
	}
	slices.Sort(words)
	return fmt.Sprint(e.GetTableId(), e.GetPriority(), strings.Join(words, ";"))
}

func canonical(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// value is one value of an entry.
type value struct {
	bytes *[]byte
	width int
}

func matchValues(m *p4.FieldMatch) []*[]byte {
	switch {
	case m.GetExact() != nil:
		return []*[]byte{&m.GetExact().Value}
	case m.GetLpm() != nil:
		return []*[]byte{&m.GetLpm().Value}
	case m.GetTernary() != nil:
		return []*[]byte{&m.GetTernary().Value, &m.GetTernary().Mask}
	case m.GetRange() != nil:
		return []*[]byte{&m.GetRange().Low, &m.GetRange().High}
	case m.GetOptional() != nil:
		return []*[]byte{&m.GetOptional().Value}
	}
	return nil
}

// values are all values of an entry.
func (d *Device) values(e *p4.TableEntry) []value {
	var out []value
	for _, m := range e.GetMatch() {
		for _, f := range d.table(e.GetTableId()).GetMatchFields() {
			if f.GetId() == m.GetFieldId() {
				for _, v := range matchValues(m) {
					out = append(out, value{v, int(f.GetBitwidth())})
				}
			}
		}
	}
	for _, p := range e.GetAction().GetAction().GetParams() {
		for _, a := range d.info.GetActions() {
			for _, q := range a.GetParams() {
				if a.GetPreamble().GetId() == e.GetAction().GetAction().GetActionId() && q.GetId() == p.GetParamId() {
					out = append(out, value{&p.Value, int(q.GetBitwidth())})
				}
			}
		}
	}
	return out
}

// Read implements the RPC for table entries.
func (d *Device) Read(r *p4.ReadRequest, g p4.P4Runtime_ReadServer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := known(r.GetDeviceId()); err != nil {
		return err
	}
	out := &p4.ReadResponse{}
	for _, want := range r.GetEntities() {
		q := want.GetTableEntry()
		switch {
		case q == nil:
			return status.Error(codes.Unimplemented, "only table entries can be read")
		case d.limits.NoTableReads && q.GetTableId() != 0 && len(q.GetMatch()) == 0:
			return status.Error(codes.Unimplemented, "reads of single tables are not supported")
		case d.limits.NoDefaultReads && q.GetIsDefaultAction():
			return status.Error(codes.Unimplemented, "default entries cannot be read")
		}
		for _, e := range d.entries {
			if d.asked(q, e) {
				out.Entities = append(out.Entities, &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: d.shown(e)}})
			}
		}
	}
	return g.Send(out)
}

// asked tells whether a read of q gives e.
func (d *Device) asked(q, e *p4.TableEntry) bool {
	switch {
	case d.limits.IgnoreFilters && len(q.GetMatch()) == 0:
		return true
	case q.GetTableId() != 0 && q.GetTableId() != e.GetTableId(), q.GetIsDefaultAction() != e.GetIsDefaultAction():
		return false
	}
	return len(q.GetMatch()) == 0 || d.key(q) == d.key(e)
}

// shown is an entry as the device gives it.
func (d *Device) shown(e *p4.TableEntry) *p4.TableEntry {
	e = proto.Clone(e).(*p4.TableEntry)
	for _, v := range d.values(e) {
		*v.bytes = canonical(*v.bytes)
		if n := (v.width + 7) / 8; d.limits.PaddedReads && len(*v.bytes) < n {
			*v.bytes = append(make([]byte, n-len(*v.bytes)), *v.bytes...)
		}
	}
	return e
}
