package gnmi

import (
	"slices"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

// maxUpdates bounds one notification: clients accept 4 MB by default.
const maxUpdates = 512

// emitter builds the notifications of a Subscribe. Updates are bundled only when
// they share prefix and timestamp (gnmi:GN39); each is one leaf (GN38).
type emitter struct {
	send     func(*gpb.SubscribeResponse) error
	encoding gpb.Encoding
	depth    int // of leaves below the path, 0 = any
	tails    tails
	next     *gpb.Notification
	at       *telemetry.Row // whose path is head
	head     []*gpb.PathElem
}

// tails are the elements of leaves below their rows, for leaves without lists of
// their own. Messages share them: nobody changes them.
type tails map[*telemetry.Leaf][]*gpb.PathElem

func newTails(s *telemetry.Schema) tails {
	out := tails{}
	for _, src := range s.Sources {
		for _, l := range src.Leaves {
			below := l.Path[len(src.Elems):]
			if !slices.ContainsFunc(below, func(e telemetry.Elem) bool { return len(e.Keys) > 0 }) {
				out[l] = elems(below, nil)
			}
		}
	}
	return out
}

// path is the path of a leaf in a row.
func (e *emitter) path(s *telemetry.Source, r *telemetry.Row, l *telemetry.Leaf, keys []string) *gpb.Path {
	tail, ok := e.tails[l]
	if !ok {
		return &gpb.Path{Elem: elems(l.Path, keys)}
	}
	if e.at != r {
		e.at, e.head = r, elems(s.Elems, r.Keys)
	}
	return &gpb.Path{Elem: slices.Concat(e.head, tail)}
}

// flush sends what was collected.
func (e *emitter) flush() error {
	if e.next == nil {
		return nil
	}
	n := e.next
	e.next = nil
	return e.send(&gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_Update{Update: n}})
}

// sync sends sync_response.
func (e *emitter) sync() error {
	if err := e.flush(); err != nil {
		return err
	}
	return e.send(&gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_SyncResponse{SyncResponse: true}})
}

// room gives a notification for one more change.
func (e *emitter) room(p *part, f *telemetry.Frame) (*gpb.Notification, error) {
	if n := e.next; n != nil && (n.Timestamp != f.Time || n.Prefix != p.prefix || len(n.Update)+len(n.Delete) >= maxUpdates) {
		if err := e.flush(); err != nil {
			return nil, err
		}
	}
	if e.next == nil {
		e.next = &gpb.Notification{Timestamp: f.Time, Prefix: p.prefix}
	}
	return e.next, nil
}

// part is what one subscription wants of one source, in one mode.
type part struct {
	sel    *telemetry.Selection
	prefix *gpb.Path // of answers: origin and target
	length int       // of the query; -1 when ... makes it any
	last   *telemetry.Frame
	// silent: rows that go are told by another part of the same subscription.
	silent bool
}

func (p *part) tooDeep(e *emitter, l *telemetry.Leaf) bool {
	return e.depth > 0 && p.length >= 0 && len(l.Path)-p.length > e.depth
}

// all sends every selected leaf of a frame.
func (e *emitter) all(p *part, f *telemetry.Frame, duplicates uint32) error {
	for _, r := range p.sel.Rows(f) {
		if err := e.row(p, f, r, duplicates); err != nil {
			return err
		}
	}
	return nil
}

// row sends every selected leaf of a row.
func (e *emitter) row(p *part, f *telemetry.Frame, r *telemetry.Row, duplicates uint32) error {
	if p.sel.Source.Atomic {
		return e.atomic(p, f, r, duplicates)
	}
	var err error
	p.sel.Each(r, func(l *telemetry.Leaf, keys []string, v telemetry.Value) {
		if err == nil && !p.tooDeep(e, l) {
			err = e.update(p, f, r, l, keys, v, duplicates)
		}
	})
	return err
}

func (e *emitter) update(p *part, f *telemetry.Frame, r *telemetry.Row, l *telemetry.Leaf, keys []string, v telemetry.Value, duplicates uint32) error {
	n, err := e.room(p, f)
	if err != nil {
		return err
	}
	n.Update = append(n.Update, &gpb.Update{Path: e.path(p.sel.Source, r, l, keys), Val: typedValue(e.encoding, l.Type, v), Duplicates: duplicates})
	return nil
}

// atomic sends a row whole: its path is the prefix (gnmi:GN43).
func (e *emitter) atomic(p *part, f *telemetry.Frame, r *telemetry.Row, duplicates uint32) error {
	if err := e.flush(); err != nil {
		return err
	}
	path := p.sel.Source.Elems
	n := &gpb.Notification{Timestamp: f.Time, Atomic: true,
		Prefix: &gpb.Path{Target: p.prefix.GetTarget(), Origin: p.prefix.GetOrigin(), Elem: elems(path, r.Keys)}}
	p.sel.Each(r, func(l *telemetry.Leaf, keys []string, v telemetry.Value) {
		if !p.tooDeep(e, l) {
			n.Update = append(n.Update, &gpb.Update{Path: &gpb.Path{Elem: elems(l.Path[len(path):], keys[len(r.Keys):])},
				Val: typedValue(e.encoding, l.Type, v), Duplicates: duplicates})
		}
	})
	if len(n.Update) == 0 {
		return nil
	}
	e.next = n
	return e.flush()
}

// gone sends the end of a row (gnmi:GN36), at branch level.
func (e *emitter) gone(p *part, f *telemetry.Frame, r *telemetry.Row) error {
	if p.silent || !p.sel.WantsRow(r.Keys) {
		return nil
	}
	n, err := e.room(p, f)
	if err != nil {
		return err
	}
	n.Delete = append(n.Delete, &gpb.Path{Elem: elems(p.sel.Source.Elems, r.Keys)})
	return nil
}

// changes sends what differs between two frames. missed is the number of
// collections that the stream did not look at, which bounds duplicates
// (gnmi:GN40); ticking tells whether leaves that change with the time count.
func (e *emitter) changes(p *part, old, f *telemetry.Frame, missed int, ticking bool) error {
	var err error
	telemetry.Diff(p.sel.Rows(old), p.sel.Rows(f), func(o, n *telemetry.Row) {
		switch {
		case err != nil:
		case n == nil:
			err = e.gone(p, f, o)
		case o == nil:
			err = e.row(p, f, n, 0)
		default:
			err = e.rowChanges(p, f, o, n, missed, ticking)
		}
	})
	return err
}

func (e *emitter) rowChanges(p *part, f *telemetry.Frame, o, n *telemetry.Row, missed int, ticking bool) error {
	var err error
	changed := false
	for _, l := range p.sel.Source.Leaves {
		if !p.sel.Wants(l) || l.Volatile && !ticking || p.tooDeep(e, l) {
			continue
		}
		duplicates := uint32(0)
		if was, is := o.Changes(l), n.Changes(l); missed > 0 && is > was+1 {
			duplicates = min(is-was-1, uint32(missed))
		}
		l.Changed(o, n, func(keys []string, v telemetry.Value) {
			if !p.sel.Has(l, keys) || err != nil {
				return
			}
			if changed = true; !p.sel.Source.Atomic {
				err = e.update(p, f, n, l, keys, v, duplicates)
			}
		}, func(keys []string) {
			if !p.sel.Has(l, keys) || err != nil {
				return
			}
			if changed = true; p.sel.Source.Atomic {
				return
			}
			var to *gpb.Notification
			if to, err = e.room(p, f); err == nil {
				to.Delete = append(to.Delete, &gpb.Path{Elem: elems(l.Path, keys)})
			}
		})
	}
	if err == nil && changed && p.sel.Source.Atomic {
		err = e.atomic(p, f, n, 0)
	}
	return err
}

// vanished sends the rows that are in old and not in f.
func (e *emitter) vanished(p *part, old, f *telemetry.Frame) error {
	var err error
	telemetry.Diff(p.sel.Rows(old), p.sel.Rows(f), func(o, n *telemetry.Row) {
		if n == nil && err == nil {
			err = e.gone(p, f, o)
		}
	})
	return err
}
