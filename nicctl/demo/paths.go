package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/docs/examples/sdwan/controller"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/proto/routespb"
)

// telemetryInterval is the time between the controller's readings.
const telemetryInterval = 100 * time.Millisecond

// secondAct joins two sites over two paths: a controller that knows them only
// through gNMI and gRIBI moves a prefix away from the path that loses packets,
// while TCP runs, a daemon is killed and a host is shut out and let in again.
type secondAct struct {
	*story
	net  *sites
	ctl  *controller.Controller
	tcp  *transfer
	sent uint64 // packets that hA has put on its wire
	// The controller's own connections: it knows nothing of ours.
	toA, toB *p4rtclient.Client
}

func (d *story) paths(ctx context.Context, dir string) (err error) {
	act := &secondAct{story: d}
	dir = filepath.Join(dir, "sites")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if act.net, err = newSites(d.Sim); err != nil {
		return fmt.Errorf("make the network of two sites: %w", err)
	}
	defer cleanup(&err, act.net.close)
	d.say("two sites, A and B, each a nicd with a LAN, joined by %s and %s", preferredPath, otherPath)
	for _, s := range []*site{act.net.a, act.net.b} {
		err := s.start(ctx, d.Options, dir)
		if s.nicd != nil {
			defer cleanup(&err, s.nicd.stop)
		}
		if err != nil {
			return err
		}
	}
	for s, c := range map[*site]**p4rtclient.Client{act.net.a: &act.toA, act.net.b: &act.toB} {
		if *c, err = p4rtclient.Dial(s.nicd.client.Address, 1, p4rtclient.Security{}); err != nil {
			return err
		}
		defer cleanup(&err, (*c).Close)
	}
	watch, stop := context.WithCancel(ctx)
	defer stop()
	defer func() {
		if act.tcp != nil {
			_ = act.tcp.close()
		}
	}()
	for _, step := range []func(ctx context.Context) error{
		func(context.Context) error { return act.control(watch) },
		act.move, act.shutOut, act.account,
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("%w\nsite A: %s\nsite B: %s", err, act.net.a.nicd.log, act.net.b.nicd.log)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// control starts the controller: B's LAN is behind path1 until it loses packets.
func (a *secondAct) control(ctx context.Context) (err error) {
	if err := a.net.b.routeTo(ctx, lanA, a.net.a, lanPort+1); err != nil {
		return err
	}
	var paths []controller.Path
	for i, name := range []string{preferredPath, otherPath} {
		port := i + 2
		paths = append(paths, controller.Path{
			Name: name, Near: a.net.a.netdev(port), Far: a.net.b.netdev(port),
			NextHop: controller.NextHop{Index: uint64(i + 1), Address: a.net.b.routerAddr(port), Interface: a.net.a.netdev(port), MAC: a.net.b.routerMAC(port)},
		})
	}
	a.ctl, err = controller.Start(ctx, controller.Config{
		Near: a.toA.Conn, Far: a.toB.Conn, Election: 1, Prefix: lanB, Paths: paths,
		Interval: telemetryInterval, Window: 10, MaxLoss: 0.01, MinSent: 200, Log: a.say,
	})
	return err
}

// move runs TCP from A to B, makes path1 lossy, and waits for the controller; then
// kills A's nicd under the same transfer.
func (a *secondAct) move(ctx context.Context) (err error) {
	window := 512 << 10
	if a.Sim {
		window = 64 << 10
	}
	t, err := newTransfer(ctx, a.net.a.host, a.net.b.host, hostB, window)
	if err != nil {
		return fmt.Errorf("TCP from A to B: %w", err)
	}
	a.tcp = t // closed when all is counted: closing sends segments too
	defer context.AfterFunc(ctx, func() { _ = t.close() })()
	finish := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		// About 130 Mbit/s: more than the lossy path carries, little for the machine.
		pace := time.NewTicker(4 * time.Millisecond)
		defer pace.Stop()
		_, err := t.run(func(int64) bool {
			select {
			case <-finish:
				return true
			case <-ctx.Done():
				return true
			case <-pace.C:
				return false
			}
		})
		done <- err
	}()
	progress := func(what string) error {
		before := t.sent.Load()
		return a.wait(ctx, 20*time.Second, "TCP "+what, func() bool { return t.sent.Load() > before+(2<<20) })
	}
	if err := progress("to run over " + a.ctl.Current()); err != nil {
		return err
	}
	a.say("TCP runs from A to B over %s", a.ctl.Current())
	if err := lossy(a.net.paths[0]); err != nil {
		return err
	}
	begin := time.Now()
	a.say("%s now carries %d Mbit/s and drops the rest", preferredPath, pathBitsPerSec/1_000_000)
	select {
	case to := <-a.ctl.Moved():
		a.say("%.1f s later %s is on %s", time.Since(begin).Seconds(), lanB, to)
	case err := <-done:
		return fmt.Errorf("TCP ended early: %w", err)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(30 * time.Second):
		return fmt.Errorf("the controller has not left %s after 30 s", preferredPath)
	}
	if err := progress("to go on over " + otherPath); err != nil {
		return err
	}
	if err := a.killed(ctx, progress); err != nil {
		return err
	}
	close(finish)
	if err := <-done; err != nil {
		return fmt.Errorf("TCP from A to B: %w", err)
	}
	segs, err := t.quiet(ctx)
	if err != nil {
		return err
	}
	a.sent += uint64(segs.client)
	a.say("TCP: %d MiB, digests equal, %d segments sent again where packets were lost", t.sent.Load()>>20, segs.retransmitted)
	return nil
}

// killed ends A's nicd with kill -9 under traffic.
func (a *secondAct) killed(ctx context.Context, progress func(string) error) error {
	before, err := a.routes(ctx)
	if err != nil {
		return err
	}
	if err := a.net.a.nicd.kill(); err != nil {
		return err
	}
	if !a.Sim { // the simulator ends with its process
		if err := progress("to run without nicd"); err != nil {
			return err
		}
	}
	if err := a.net.a.nicd.restart(ctx); err != nil {
		return err
	}
	after, err := a.routes(ctx)
	if err != nil {
		return err
	}
	if before != after {
		return fmt.Errorf("routes after the restart:\n%s\nbefore:\n%s", after, before)
	}
	if err := progress("to run with the new nicd"); err != nil {
		return err
	}
	a.say("A's nicd was killed and started again: its %d routes are there, TCP goes on", strings.Count(after, "\n"))
	return nil
}

// routes are A's routes as text.
func (a *secondAct) routes(ctx context.Context) (string, error) {
	stream, err := routespb.NewRoutesClient(a.net.a.nicd.client.Conn).List(ctx, &routespb.ListRequest{})
	if err != nil {
		return "", a.net.a.nicd.client.Explain(err)
	}
	var b strings.Builder
	for {
		m, err := stream.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return b.String(), nil
			}
			return "", a.net.a.nicd.client.Explain(err)
		}
		for _, r := range m.GetRoutes() {
			fmt.Fprintf(&b, "%s %s %s\n", r.GetInstance(), r.GetPrefix(), r.GetSource())
		}
	}
}

// shutOut drops one host over P4Runtime and lets it in again.
func (a *secondAct) shutOut(ctx context.Context) error {
	const rule = "acl src=" + guestA + " priority=10 deny"
	c, s := a.net.a.nicd.client, a.net.a.schema
	if err := c.BecomePrimary(ctx, false); err != nil {
		return err
	}
	// The guest's packets leave hA with its address.
	guest := func(wantReply bool) error {
		p, err := newPinger(a.net.a.host, hostB, 0)
		if err != nil {
			return err
		}
		defer p.close()
		if err := p.from(guestA); err != nil {
			return err
		}
		if err := p.send(); err != nil {
			return err
		}
		a.sent++
		_, err = p.receive()
		switch {
		case wantReply && err != nil:
			return fmt.Errorf("%s gets no answer from %s: %w", guestA, hostB, err)
		case !wantReply && !errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("%s is shut out, and yet: %v", guestA, err)
		}
		return nil
	}
	if err := guest(true); err != nil {
		return err
	}
	if err := writeEntries(ctx, c, s, p4.Update_INSERT, rule); err != nil {
		return err
	}
	if err := guest(false); err != nil {
		return err
	}
	if err := ping(a.net.a.host, hostB, 1); err != nil {
		return fmt.Errorf("while %s is shut out: %w", guestA, err)
	}
	a.sent++
	if err := writeEntries(ctx, c, s, p4.Update_DELETE, rule); err != nil {
		return err
	}
	if err := guest(true); err != nil {
		return err
	}
	a.say("a P4Runtime client shut out %s and let it in again; %s was served all the time", guestA, hostA)
	return nil
}

// account compares what gNMI says with what was sent and received.
func (a *secondAct) account(ctx context.Context) error {
	if a.Sim {
		// A's counters began again with the process that was killed; B's did not,
		// and without segmentation offload hB counts what B counts.
		received, err := a.received()
		if err != nil {
			return err
		}
		return a.counted(ctx, a.net.b, a.toB, "out-pkts", received, "out of site B's LAN port, exactly what hB has received")
	}
	return a.counted(ctx, a.net.a, a.toA, "in-pkts", a.sent, "into site A's LAN port, exactly what hA has sent")
}

// counted waits until a counter of a LAN port has reached want, and not passed it.
func (a *secondAct) counted(ctx context.Context, s *site, c *p4rtclient.Client, counter string, want uint64, what string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*telemetryInterval)
	defer cancel()
	var last uint64
	err := controller.Watch(ctx, c.Conn, s.netdev(lanPort), counter, telemetryInterval, func(r controller.Reading) {
		if last = r.Packets; last >= want {
			cancel()
		}
	})
	if last != want {
		return fmt.Errorf("gNMI counts %d packets in %s of %s, want %d (%w)", last, counter, s.netdev(lanPort), want, err)
	}
	a.say("gNMI counts %d packets %s", last, what)
	return nil
}

// received is what hB's interface has received.
func (a *secondAct) received() (uint64, error) {
	l, err := a.net.b.host.Netlink().LinkByName("eth0")
	if err != nil {
		return 0, err
	}
	return l.Attrs().Statistics.RxPackets, nil
}

// wait polls until cond, at most limit.
func (a *secondAct) wait(ctx context.Context, limit time.Duration, what string, cond func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %v for %s", limit, what)
		case <-tick.C:
		}
	}
	return nil
}
