package gnmi

import (
	"context"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
)

// slowClient is a stream whose messages a test takes one by one; Send blocks
// meanwhile, as it does when the client's window is full.
type slowClient struct {
	r       *rig
	entered chan struct{} // a value for each call of Send
	seen    int           // values taken by blocked
	sent    chan *gpb.SubscribeResponse
}

func (r *rig) slow(l *gpb.SubscriptionList) *slowClient {
	r.t.Helper()
	plans, err := r.server.plans(l)
	r.check(err)
	c := &slowClient{r: r, entered: make(chan struct{}, 64), sent: make(chan *gpb.SubscribeResponse)}
	ctx, cancel := context.WithCancel(r.ctx)
	st := &stream{s: r.server, plans: plans, e: emitter{encoding: l.GetEncoding(), tails: r.server.tails, send: func(m *gpb.SubscribeResponse) error {
		c.entered <- struct{}{}
		select {
		case c.sent <- m:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}}
	done := make(chan struct{})
	go func() { _ = st.run(ctx, nil); close(done) }()
	r.t.Cleanup(func() { cancel(); <-done })
	return c
}

func (c *slowClient) want(lines ...string) {
	c.r.t.Helper()
	if c.seen == 0 {
		c.blocked()
	}
	c.seen--
	select {
	case m := <-c.sent:
		same(c.r.t, show(m), lines...)
	case <-c.r.ctx.Done():
		c.r.t.Fatal("nothing was sent")
	}
}

// blocked waits until the stream is in Send.
func (c *slowClient) blocked() {
	c.r.t.Helper()
	select {
	case <-c.entered:
		c.seen++
	case <-c.r.ctx.Done():
		c.r.t.Fatal("nothing is sent")
	}
}

// TestSlowClient: gnmi:GN40: ticks and changes that pass while a client does not
// read become one update with the latest value; duplicates counts the others.
func TestSlowClient(t *testing.T) {
	t.Run("SAMPLE", func(t *testing.T) {
		r := filled(t)
		c := r.slow(proto(streaming, sub(t, inPkts, sample, time.Second)))
		c.want(inPkts + " = uint 10")
		c.want("sync")
		r.Clock.Advance(time.Second) // its message waits in Send
		c.blocked()
		for range 5 {
			r.Ports.Count(1, 1, 0)
			r.Clock.Advance(time.Second)
		}
		c.want("[+1s]", inPkts+" = uint 10")
		c.want("[+6s]", inPkts+" = uint 15 duplicates 4")
		r.Clock.Advance(time.Second)
		c.want("[+7s]", inPkts+" = uint 15")
	})
	t.Run("ON_CHANGE", func(t *testing.T) {
		r := filled(t)
		c := r.slow(proto(streaming, sub(t, oper, onChange, 0)))
		watcher := r.subscribe(proto(streaming, sub(t, oper, onChange, 0)))
		watcher.toSync()
		c.want(oper + ` = "UP"`)
		c.want("sync")
		r.later()
		r.down()
		watcher.want("[+10ms]", oper+` = "DOWN"`)
		c.blocked()
		for _, f := range []func(){r.up, r.down, r.up} { // somebody else sees each
			r.later()
			f()
			watcher.next()
		}
		c.want("[+10ms]", oper+` = "DOWN"`)
		c.want("[+40ms]", oper+` = "UP" duplicates 2`)
	})
}
