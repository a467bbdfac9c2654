package gnmi

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/runtime/telemetry"
)

// maxSubscriptions bounds one SubscriptionList.
const maxSubscriptions = 4096

// plan is a subscription, or the part of a TARGET_DEFINED one, that has one mode.
type plan struct {
	onChange bool
	interval time.Duration // of SAMPLE
	suppress bool
	beat     time.Duration // heartbeat, 0 = none
	parts    []*part

	nextSample, nextBeat, nextSweep time.Time
}

// Subscribe implements the RPC.
func (s *Server) Subscribe(g gpb.GNMI_SubscribeServer) error {
	first, err := g.Recv()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	list := first.GetSubscribe()
	if list == nil { // gnmi:GN26
		return invalid("the first message of a Subscribe is not a SubscriptionList: there is nothing to poll")
	}
	ext, err := s.extensions(first.GetExtension(), &rpc{depth: true})
	if err != nil {
		return err
	}
	plans, err := s.plans(list)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(g.Context())
	defer cancel(nil)
	go func() { // a stop of the daemon ends a stream that waits
		select {
		case <-s.quit:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	st := &stream{s: s, plans: plans, e: emitter{send: g.Send, encoding: list.GetEncoding(), depth: ext.depth, tails: s.tails}, updatesOnly: list.GetUpdatesOnly()}
	switch list.GetMode() {
	case gpb.SubscriptionList_ONCE:
		err = st.once(ctx)
	case gpb.SubscriptionList_POLL:
		err = st.poll(ctx, requests(ctx, g))
	default:
		err = st.run(ctx, requests(ctx, g))
	}
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && ctx.Err() != nil && errors.Is(cause, errStopping) {
		return cause
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return collectError(err)
}

var errStopping = status.Error(codes.Unavailable, "nicd is stopping")

// request is what a client sent after the first message.
type request struct {
	r   *gpb.SubscribeRequest
	err error
}

// requests receives in a goroutine of its own.
func requests(ctx context.Context, g gpb.GNMI_SubscribeServer) <-chan request {
	out := make(chan request)
	go func() {
		for {
			r, err := g.Recv()
			select {
			case out <- request{r, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return out
}

// plans checks a SubscriptionList and resolves its paths.
func (s *Server) plans(l *gpb.SubscriptionList) ([]*plan, error) {
	if err := checkEncoding(l.GetEncoding()); err != nil {
		return nil, err
	}
	if err := checkModels(l.GetUseModels()); err != nil {
		return nil, err
	}
	switch l.GetMode() {
	case gpb.SubscriptionList_ONCE, gpb.SubscriptionList_POLL, gpb.SubscriptionList_STREAM:
	default:
		return nil, invalid("mode %d of the SubscriptionList is unknown", int32(l.GetMode()))
	}
	if l.GetQos().GetMarking() != 0 {
		return nil, unimplemented("qos.marking is not supported: DSCP is set on the listener's socket, for all of its connections")
	}
	switch n := len(l.GetSubscription()); {
	case n == 0:
		return nil, invalid("the SubscriptionList has no subscription")
	case n > maxSubscriptions:
		return nil, invalid("%d subscriptions in one list, the limit is %d", n, maxSubscriptions)
	}
	var out []*plan
	for _, sub := range l.GetSubscription() {
		p, err := s.plan(l, sub)
		if err != nil {
			return nil, err
		}
		out = append(out, p...)
	}
	return out, nil
}

func (s *Server) plan(l *gpb.SubscriptionList, sub *gpb.Subscription) ([]*plan, error) {
	q, err := query(l.GetPrefix(), sub.GetPath())
	if err != nil {
		return nil, err
	}
	sels, err := s.hub.Schema.Select(q)
	if err != nil {
		return nil, pathError(err)
	}
	prefix := replyPrefix(l.GetPrefix(), q)
	make1 := func(keep func(*telemetry.Leaf) bool) *plan {
		p := &plan{}
		for _, sel := range sels {
			if sel = sel.Only(keep); sel != nil {
				x := &part{sel: sel, prefix: prefix, length: len(q.Elems)}
				if q.Deep() {
					x.length = -1
				}
				p.parts = append(p.parts, x)
			}
		}
		p.silence()
		return p
	}
	every := func(*telemetry.Leaf) bool { return true }
	if l.GetMode() != gpb.SubscriptionList_STREAM {
		return []*plan{make1(every)}, nil
	}
	beat, err := s.interval("heartbeat_interval", sub.GetHeartbeatInterval(), q)
	if err != nil {
		return nil, err
	}
	sample, err := s.interval("sample_interval", sub.GetSampleInterval(), q)
	if err != nil {
		return nil, err
	}
	var out []*plan
	switch sub.GetMode() {
	case gpb.SubscriptionMode_SAMPLE:
		p := make1(every)
		p.interval, p.suppress = sample, sub.GetSuppressRedundant()
		if sample == 0 {
			p.interval = s.opts.MinSample
		}
		out = append(out, p)
	case gpb.SubscriptionMode_ON_CHANGE:
		p := make1(every)
		p.onChange = true
		out = append(out, p)
	case gpb.SubscriptionMode_TARGET_DEFINED: // gnmi:GN33, an interval is taken as a wish
		events := make1(func(l *telemetry.Leaf) bool { return !l.Sampled })
		events.onChange = true
		counts := make1(func(l *telemetry.Leaf) bool { return l.Sampled })
		counts.interval, counts.suppress = s.opts.Sample, sub.GetSuppressRedundant()
		if sample != 0 {
			counts.interval = sample
		}
		for _, p := range []*plan{events, counts} {
			if len(p.parts) > 0 {
				out = append(out, p)
			}
		}
		// Rows that go are told as events, once.
		for _, c := range counts.parts {
			for _, e := range events.parts {
				c.silent = c.silent || sameList(c, e)
			}
		}
	default:
		return nil, invalid("mode %d of the subscription to %s is unknown", int32(sub.GetMode()), q.Text())
	}
	for _, p := range out {
		p.beat = beat
	}
	return out, nil
}

// silence makes a source that only counts leave the end of rows to the source
// that lists them, where the subscription has both.
func (p *plan) silence() {
	for _, c := range p.parts {
		for _, o := range p.parts {
			if c.sel.Source.Counts && !o.sel.Source.Counts && sameList(c, o) {
				c.silent = true
			}
		}
	}
}

func sameList(a, b *part) bool { return a.sel.Source.Text() == b.sel.Source.Text() }

// interval checks an interval in nanoseconds; 0 is none.
func (s *Server) interval(name string, ns uint64, q telemetry.Query) (time.Duration, error) {
	switch {
	case ns == 0:
		return 0, nil
	case ns > math.MaxInt64/2:
		return 0, invalid("%s %d of %s is out of range", name, ns, q.Text())
	case time.Duration(ns) < s.opts.MinSample:
		return 0, invalid("%s %v of %s is too short, the smallest is %v", name, time.Duration(ns), q.Text(), s.opts.MinSample)
	}
	return time.Duration(ns), nil
}
