package p4rtclient

import (
	"context"
	"errors"
	"io"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Read calls each with every entity that the server returns.
func (c *Client) Read(ctx context.Context, entities []*p4.Entity, each func(*p4.Entity) error) error {
	stop, err := c.read(ctx, entities, each)
	if stop != nil {
		return stop
	}
	if err != nil {
		return c.readError(err)
	}
	return nil
}

// read is Read with the call's own error; stop is each's.
func (c *Client) read(ctx context.Context, entities []*p4.Entity, each func(*p4.Entity) error) (stop, err error) {
	stream, err := c.P4RT.Read(ctx, &p4.ReadRequest{DeviceId: c.Device, Entities: entities})
	if err != nil {
		return nil, err
	}
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, e := range r.GetEntities() {
			if err := each(e); err != nil {
				return err, nil
			}
		}
	}
}

// ReadTables reads the entries of tables, default actions included, sorted, with
// their direct counters when counters is true. Devices that read all tables or
// none, that ignore what they were asked for, and that give an entry twice, are
// dealt with.
func (c *Client) ReadTables(ctx context.Context, s *Schema, tables []*p4config.Table, counters bool) ([]Entry, error) {
	k := &reading{c: c, s: s, counters: counters, wanted: map[uint32]bool{}, seen: map[string]bool{}, entries: []Entry{}}
	for _, t := range tables {
		if !counters || s.HasDirectCounter(t) {
			k.wanted[t.GetPreamble().GetId()] = true
			k.ids = append(k.ids, t.GetPreamble().GetId())
		}
	}
	if len(k.ids) == 0 {
		return k.entries, nil
	}
	err := k.ask(ctx, append(k.requests(false), k.requests(true)...))
	if unimplemented(err) { // {SP}, p4rt:RD5
		err = k.askApart(ctx)
	}
	if err != nil {
		return k.entries, c.readError(err)
	}
	Sort(k.entries)
	return k.entries, nil
}

// reading is one ReadTables.
type reading struct {
	c        *Client
	s        *Schema
	counters bool
	ids      []uint32
	wanted   map[uint32]bool
	seen     map[string]bool
	entries  []Entry
}

// requests asks for the entries, or the default actions, of each table.
func (k *reading) requests(defaults bool) []*p4.Entity {
	var out []*p4.Entity
	for _, id := range k.ids {
		out = append(out, k.request(id, defaults))
	}
	return out
}

func (k *reading) request(id uint32, def bool) *p4.Entity {
	e := &p4.TableEntry{TableId: id, IsDefaultAction: def}
	if k.counters {
		e.CounterData = &p4.CounterData{}
	}
	return &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: e}}
}

// ask reads, and keeps what was wanted, once ({PI, ST, IN}: filters are ignored).
func (k *reading) ask(ctx context.Context, requests []*p4.Entity) error {
	_, err := k.c.read(ctx, requests, func(e *p4.Entity) error {
		te := e.GetTableEntry()
		if te == nil || !k.wanted[te.GetTableId()] {
			return nil
		}
		if key := keyOf(te); !k.seen[key] {
			k.seen[key] = true
			k.entries = append(k.entries, k.s.Describe(te))
		}
		return nil
	})
	return err
}

// askApart finds out which of the two the device does not have: reads of single
// tables, or of default actions.
func (k *reading) askApart(ctx context.Context) error {
	if err := k.ask(ctx, k.requests(false)); unimplemented(err) {
		if err = k.ask(ctx, []*p4.Entity{k.request(0, false)}); err != nil {
			return err
		}
		k.c.met(NoTableReads)
	} else if err != nil {
		return err
	}
	err := k.ask(ctx, k.requests(true))
	if unimplemented(err) {
		err = k.ask(ctx, []*p4.Entity{k.request(0, true)})
	}
	if unimplemented(err) {
		k.c.met(NoDefaultReads)
		return nil
	}
	return err
}

// unimplemented tells whether a Read, or any of its requests, is not implemented.
func unimplemented(err error) bool {
	s, _ := status.FromError(err)
	if s.Code() == codes.Unimplemented {
		return true
	}
	for _, d := range s.Details() {
		if e, ok := d.(*p4.Error); ok && codes.Code(e.GetCanonicalCode()) == codes.Unimplemented {
			return true
		}
	}
	return false
}
