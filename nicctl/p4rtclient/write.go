package p4rtclient

import (
	"context"
	"errors"
	"fmt"
	"slices"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// batchSize is the number of updates in one Write; it keeps the error details
// of a batch that fails altogether well under what gRPC carries (p4rt:S11).
const batchSize = 500

// Write sends one batch. Where updates are refused it returns them all.
func (c *Client) Write(ctx context.Context, updates []*p4.Update) ([]UpdateError, error) {
	refused, err := c.write(ctx, updates)
	return refused, c.Explain(err)
}

// write is Write with the call's own error.
func (c *Client) write(ctx context.Context, updates []*p4.Update) ([]UpdateError, error) {
	_, err := c.P4RT.Write(ctx, &p4.WriteRequest{DeviceId: c.Device, ElectionId: c.id, Updates: updates})
	if err == nil {
		return nil, nil
	}
	s, _ := status.FromError(err)
	switch {
	case s.Code() == codes.Unknown && len(s.Details()) == len(updates): // p4rt:E3
	case len(updates) == 1 && ofUpdate(s.Code()):
		// There is no doubt which update a server means that gives no details.
		return []UpdateError{{Code: s.Code(), Message: s.Message()}}, nil
	default:
		return nil, err
	}
	var refused []UpdateError
	for i, d := range s.Details() {
		if e, ok := d.(*p4.Error); ok && e.GetCanonicalCode() != 0 {
			refused = append(refused, UpdateError{Index: i, Code: codes.Code(e.GetCanonicalCode()), Message: e.GetMessage()})
		}
	}
	return refused, nil
}

// ofUpdate tells whether a code can be about an update rather than the call.
func ofUpdate(c codes.Code) bool {
	switch c {
	case codes.InvalidArgument, codes.OutOfRange, codes.AlreadyExists, codes.NotFound, codes.ResourceExhausted, codes.Unimplemented:
		return true
	}
	return false
}

// WriteOptions of WriteAll.
type WriteOptions struct {
	// Replace deletes and inserts entries where the device has no MODIFY. In
	// between packets do not find the entry.
	Replace bool
}

// WriteAll sends updates of table entries in batches, goes on after refusals and
// gets around limits of devices (see Limits). It gives the updates that were not
// done, by index in order; an error says why it stopped early.
func (c *Client) WriteAll(ctx context.Context, s *Schema, updates []*p4.Update, o WriteOptions) (done int, refused []UpdateError, err error) {
	w := &writer{c: c, s: s, o: o}
	for start := 0; start < len(updates); start += batchSize {
		batch := updates[start:min(start+batchSize, len(updates))]
		bad, err := w.batch(ctx, batch)
		for _, r := range bad {
			r.Index += start
			refused = append(refused, r)
		}
		if err != nil {
			return done, refused, c.Explain(err)
		}
		done += len(batch) - len(bad)
	}
	return done, refused, nil
}

// writer is one WriteAll.
type writer struct {
	c    *Client
	s    *Schema
	o    WriteOptions
	wide bool // the device wants values in their full width
}

// batch writes one batch and whatever second tries promise success.
func (w *writer) batch(ctx context.Context, updates []*p4.Update) ([]UpdateError, error) {
	bad, err := w.untilTried(ctx, updates)
	if err != nil {
		return nil, err
	}
	var left []UpdateError
	for i, r := range bad {
		u := updates[r.Index]
		again := &r
		switch r.Code {
		case codes.InvalidArgument, codes.OutOfRange:
			again, err = w.widened(ctx, u, r)
		case codes.Unimplemented:
			if u.GetType() == p4.Update_MODIFY && !u.GetEntity().GetTableEntry().GetIsDefaultAction() {
				again, err = w.replaced(ctx, u, r)
			}
		}
		if err != nil {
			return append(left, bad[i:]...), err
		}
		if again != nil {
			left = append(left, *again)
		}
	}
	return left, nil
}

// untilTried writes until every update was tried: some devices stop at the first
// that they refuse and say ABORTED of the others ({SP}, p4rt:W7).
func (w *writer) untilTried(ctx context.Context, updates []*p4.Update) ([]UpdateError, error) {
	index := make([]int, len(updates)) // in updates, of what is still to be tried
	for i := range index {
		index[i] = i
	}
	var bad []UpdateError
	for len(index) > 0 {
		part := make([]*p4.Update, len(index))
		for i, at := range index {
			if part[i] = updates[at]; w.wide {
				part[i] = w.s.fullWidth(part[i])
			}
		}
		refused, err := w.c.write(ctx, part)
		if status.Code(err) == codes.Unimplemented && allModify(part) {
			// Refused as a whole because there is no MODIFY.
			refused, err = make([]UpdateError, len(part)), nil
			for i := range refused {
				refused[i] = UpdateError{Index: i, Code: codes.Unimplemented, Message: "MODIFY"}
			}
		}
		if err != nil {
			return nil, err
		}
		var again []int
		definite := false
		for _, r := range refused {
			if r.Code == codes.Aborted {
				again = append(again, index[r.Index])
				continue
			}
			definite = true
			r.Index = index[r.Index]
			bad = append(bad, r)
		}
		if !definite { // nothing but ABORTED would go on for ever
			for _, r := range refused {
				r.Index = index[r.Index]
				bad = append(bad, r)
			}
			break
		}
		if len(again) > 0 {
			w.c.met(StopsAtError)
		}
		index = again
	}
	slices.SortFunc(bad, func(a, b UpdateError) int { return a.Index - b.Index })
	return bad, nil
}

func allModify(updates []*p4.Update) bool {
	return !slices.ContainsFunc(updates, func(u *p4.Update) bool { return u.GetType() != p4.Update_MODIFY })
}

// widened tries a refused update with values in their full width, as P4Runtime
// before 1.3 wanted them; every later server takes them too (p4rt:B1).
func (w *writer) widened(ctx context.Context, u *p4.Update, r UpdateError) (*UpdateError, error) {
	wide := w.s.fullWidth(u)
	if w.wide || proto.Equal(wide, u) {
		return &r, nil
	}
	refused, err := w.c.write(ctx, []*p4.Update{wide})
	if err != nil {
		return &r, err
	}
	if len(refused) > 0 {
		return &r, nil
	}
	w.wide = true
	w.c.met(FullWidth)
	return nil, nil
}

// replaced does a MODIFY by DELETE and INSERT. If the new entry is refused the
// old one is put back.
func (w *writer) replaced(ctx context.Context, u *p4.Update, r UpdateError) (*UpdateError, error) {
	if !w.o.Replace {
		r.Limit = &LimitError{Limit: NoModify, Words: r.Message,
			Remedy: "--replace deletes and inserts instead; in between packets do not find the entry"}
		return &r, nil
	}
	e := u.GetEntity().GetTableEntry()
	old, err := w.c.entry(ctx, e)
	if err != nil || old == nil {
		r.Code, r.Message = codes.NotFound, "the entry to be replaced is not there"
		if err != nil {
			r.Code, r.Message = status.Code(err), fmt.Sprintf("the entry to be replaced cannot be read: %v", err)
		}
		return &r, nil
	}
	w.c.met(NoModify)
	key := &p4.TableEntry{TableId: e.GetTableId(), Match: e.GetMatch(), Priority: e.GetPriority()}
	if no, err := w.one(ctx, p4.Update_DELETE, key); no != nil || err != nil {
		return refusal(r, no), err
	}
	no, err := w.one(ctx, p4.Update_INSERT, e)
	if no == nil && err == nil {
		return nil, nil
	}
	old.CounterData, old.MeterConfig, old.MeterCounterData, old.TimeSinceLastHit = nil, nil, nil, nil
	if back, backErr := w.one(ctx, p4.Update_INSERT, old); back != nil || backErr != nil {
		if no != nil {
			r.Code = no.Code
		}
		r.Message = fmt.Sprintf("THE ENTRY IS GONE: the new one was refused and the old one cannot be put back: %v", errors.Join(asError(back), backErr))
		return &r, errors.Join(err, backErr)
	}
	return refusal(r, no), err
}

// one writes one update.
func (w *writer) one(ctx context.Context, t p4.Update_Type, e *p4.TableEntry) (*UpdateError, error) {
	u := &p4.Update{Type: t, Entity: &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: e}}}
	if w.wide {
		u = w.s.fullWidth(u)
	}
	refused, err := w.c.write(ctx, []*p4.Update{u})
	if len(refused) > 0 {
		return &refused[0], err
	}
	return nil, err
}

func asError(u *UpdateError) error {
	if u == nil {
		return nil
	}
	return *u
}

// refusal is what a step was refused with, at the update's index.
func refusal(r UpdateError, step *UpdateError) *UpdateError {
	if step != nil {
		r.Code, r.Message = step.Code, step.Message
	}
	return &r
}

// entry reads one entry; nil when it is not there.
func (c *Client) entry(ctx context.Context, key *p4.TableEntry) (*p4.TableEntry, error) {
	want := &p4.TableEntry{TableId: key.GetTableId(), Match: key.GetMatch(), Priority: key.GetPriority()}
	var found *p4.TableEntry
	err := c.Read(ctx, []*p4.Entity{{Entity: &p4.Entity_TableEntry{TableEntry: want}}}, func(e *p4.Entity) error {
		if te := e.GetTableEntry(); te != nil && SameKey(te, want) {
			found = te
		}
		return nil
	})
	return found, err
}
