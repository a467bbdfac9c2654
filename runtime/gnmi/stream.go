package gnmi

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

const (
	// sweep is how often ON_CHANGE looks at leaves that no event tells of.
	sweep = time.Second
	// calm is the least time between two looks that events caused, so that a storm
	// of events is one look; a look that takes long has as much time again, thrice.
	calm     = 5 * time.Millisecond
	calmCost = 4
	// sweepCost bounds the share of a CPU that sweeping a large table takes.
	sweepCost = 20
	// young is how old a frame may be that a tick uses, at most a tenth of its
	// interval: streams with other phases share it.
	young = 100 * time.Millisecond
)

// stream is one Subscribe. It holds at most one frame a source, whatever the
// client does: a slow client makes Send block, and the ticks and changes that
// pass meanwhile become one, with duplicates counted (gnmi:GN40).
type stream struct {
	s           *Server
	plans       []*plan
	e           emitter
	updatesOnly bool

	heard  telemetry.Events // not yet looked at
	nextEv time.Time        // events are not looked at before
}

func (st *stream) frame(ctx context.Context, p *part, after time.Time) (*telemetry.Frame, error) {
	return st.s.hub.Frame(ctx, p.sel.Source, p.sel.Part(), after)
}

// complete sends the state of everything.
func (st *stream) complete(ctx context.Context) error {
	for _, p := range st.plans {
		for _, x := range p.parts {
			f, err := st.frame(ctx, x, st.s.clock.Now())
			if err != nil {
				return err
			}
			if err := st.e.all(x, f, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// once is ONCE (gnmi:GN27, GN34).
func (st *stream) once(ctx context.Context) error {
	if !st.updatesOnly {
		if err := st.complete(ctx); err != nil {
			return err
		}
	}
	return st.e.sync()
}

// poll is POLL (gnmi:GN28): the state when the subscription is made, as other
// servers send it and clients wait for it, and after each poll.
func (st *stream) poll(ctx context.Context, in <-chan request) error {
	for {
		if err := st.once(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-in:
			switch {
			case errors.Is(r.err, io.EOF):
				return nil
			case r.err != nil:
				return r.err
			case r.r.GetSubscribe() != nil:
				return invalid("a second SubscriptionList: subscribe to more paths with a Subscribe of its own")
			case r.r.GetPoll() == nil:
				return invalid("a message that is no poll")
			}
		}
	}
}

// run is STREAM (gnmi:GN29).
func (st *stream) run(ctx context.Context, in <-chan request) error {
	clock := st.s.clock
	var told []*telemetry.Source
	for _, p := range st.plans {
		for _, x := range p.parts {
			if p.onChange {
				told = append(told, x.sel.Source)
			}
		}
	}
	// Before the first look, so that nothing falls between.
	watch := st.s.hub.Watch(told...)
	defer watch.Stop()
	if err := st.start(ctx); err != nil {
		return err
	}
	for {
		wait, stop := (<-chan time.Time)(nil), func() {}
		if at := st.deadline(); !at.IsZero() {
			wait, stop = clock.Timer(max(0, at.Sub(clock.Now())))
		}
		select {
		case <-ctx.Done():
			stop()
			return ctx.Err()
		case r := <-in:
			stop()
			switch {
			case errors.Is(r.err, io.EOF): // the client says no more and still listens
				in = nil
				continue
			case r.err != nil:
				return r.err
			case r.r.GetPoll() != nil:
				return invalid("a poll of a STREAM subscription")
			}
			return invalid("a second SubscriptionList: subscribe to more paths with a Subscribe of its own")
		case <-watch.C:
		case <-wait:
		}
		stop()
		st.heard.Add(watch.Take())
		if err := st.turn(ctx); err != nil {
			return err
		}
		if err := st.e.flush(); err != nil {
			return err
		}
	}
}

// start sends the initial state and sync_response, and starts the intervals.
func (st *stream) start(ctx context.Context) error {
	for _, p := range st.plans {
		now := st.s.clock.Now()
		for _, x := range p.parts {
			f, err := st.frame(ctx, x, st.s.clock.Now())
			if err != nil {
				return err
			}
			if !st.updatesOnly {
				if err := st.e.all(x, f, 0); err != nil {
					return err
				}
			}
			x.last = f
		}
		if p.onChange {
			p.nextSweep = now.Add(sweep)
		} else {
			p.nextSample = now.Add(p.interval)
		}
		if p.beat > 0 {
			p.nextBeat = now.Add(p.beat)
		}
	}
	return st.e.sync()
}

// deadline is when to look next without an event; zero = never.
func (st *stream) deadline() time.Time {
	var at time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, p := range st.plans {
		sooner(p.nextSample)
		sooner(p.nextBeat)
		if p.sweeps() {
			sooner(p.nextSweep)
		}
	}
	if st.heard.Any() {
		sooner(st.nextEv)
	}
	return at
}

// sweeps tells whether a plan has leaves that no event tells of.
func (p *plan) sweeps() bool {
	if !p.onChange {
		return false
	}
	for _, x := range p.parts {
		if x.swept() {
			return true
		}
	}
	return false
}

func (p *part) swept() bool {
	if !p.sel.Source.Told() {
		return true
	}
	for _, l := range p.sel.Source.Leaves {
		if l.Sampled && !l.Volatile && p.sel.Wants(l) {
			return true
		}
	}
	return false
}

// due gives the last of the times at, at+every, ... that is not after now, how
// many earlier ones were missed, and the next one.
func due(at time.Time, every time.Duration, now time.Time) (tick time.Time, missed int, next time.Time, ok bool) {
	if at.IsZero() || now.Before(at) {
		return at, 0, at, false
	}
	n := now.Sub(at) / every
	tick = at.Add(n * every)
	return tick, int(n), tick.Add(every), true
}

// turn does what is due.
func (st *stream) turn(ctx context.Context) error {
	now := st.s.clock.Now()
	events := st.heard.Any() && !now.Before(st.nextEv)
	var cost time.Duration
	for _, p := range st.plans {
		_, _, next, beat := due(p.nextBeat, p.beat, now)
		p.nextBeat = next
		var err error
		if p.onChange {
			err = st.look(ctx, p, now, beat, events, &cost)
		} else {
			err = st.sample(ctx, p, now, beat)
		}
		if err != nil {
			return err
		}
	}
	if events {
		st.heard = telemetry.Events{}
		st.nextEv = now.Add(max(calm, calmCost*cost))
	}
	return nil
}

// sample is one turn of a SAMPLE plan (gnmi:GN31, GN32).
func (st *stream) sample(ctx context.Context, p *plan, now time.Time, beat bool) error {
	tick, missed, next, ok := due(p.nextSample, p.interval, now)
	if !ok && !beat {
		return nil
	}
	if ok {
		p.nextSample = next
	} else {
		tick = now
	}
	for _, x := range p.parts {
		f, err := st.frame(ctx, x, tick.Add(-min(p.interval/10, young)))
		if err != nil {
			return err
		}
		switch {
		case p.suppress && !beat:
			err = st.e.changes(x, x.last, f, missed, true)
		default:
			if err = st.e.vanished(x, x.last, f); err == nil {
				err = st.e.all(x, f, uint32(missed))
			}
		}
		if err != nil {
			return err
		}
		x.last = f
	}
	return nil
}

// look is one turn of an ON_CHANGE plan (gnmi:GN30).
func (st *stream) look(ctx context.Context, p *plan, now time.Time, beat, events bool, cost *time.Duration) error {
	tick, missed, next, swept := due(p.nextSweep, sweep, now)
	if swept {
		p.nextSweep = next
	}
	for _, x := range p.parts {
		n, at := 0, time.Time{}
		if events {
			n, at = st.heard.Of(x.sel.Source)
		}
		if swept && x.swept() {
			n += missed + 1
			if at.IsZero() {
				at = tick.Add(-young)
			}
		}
		if n == 0 && !beat {
			continue
		}
		if at.IsZero() {
			at = now.Add(-young)
		}
		f, err := st.frame(ctx, x, at)
		if err != nil {
			return err
		}
		took := st.s.hub.Cost(x.sel.Source, x.sel.Part())
		*cost += took
		if swept && x.swept() {
			if later := now.Add(sweepCost * took); later.After(p.nextSweep) {
				p.nextSweep = later
			}
		}
		if beat {
			if err = st.e.vanished(x, x.last, f); err == nil {
				err = st.e.all(x, f, 0)
			}
		} else {
			err = st.e.changes(x, x.last, f, n-1, false)
		}
		if err != nil {
			return err
		}
		x.last = f
	}
	return nil
}
