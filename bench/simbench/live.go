package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/p4nic/p4nic/internal/netns"
)

// network is a sender and a receiver with the switch between them.
type network struct {
	from, sw, to *netns.NS
	out          *netns.Packets
}

func newNetwork() (n *network, err error) {
	n = &network{}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	for _, p := range []**netns.NS{&n.from, &n.sw, &n.to} {
		if *p, err = netns.New(); err != nil {
			return n, err
		}
		if err = (*p).Sysctl("net/ipv6/conf/default/disable_ipv6", "1"); err != nil {
			return n, err
		}
	}
	if err = netns.Veth(netns.End{NS: n.from, Name: "out"}, netns.End{NS: n.sw, Name: "p0"}); err != nil {
		return n, err
	}
	if err = netns.Veth(netns.End{NS: n.to, Name: "in"}, netns.End{NS: n.sw, Name: "p1"}); err != nil {
		return n, err
	}
	n.out, err = n.from.OpenPackets("out")
	return n, err
}

func (n *network) close() error {
	var errs []error
	if n.out != nil {
		errs = append(errs, n.out.Close())
	}
	for _, s := range []*netns.NS{n.from, n.sw, n.to} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// received is what the receiver's device has counted.
func (n *network) received() (packets uint64, err error) {
	err = n.to.Do(func() error {
		l, err := netlink.LinkByName("in")
		if err == nil {
			packets = l.Attrs().Statistics.RxPackets
		}
		return err
	})
	return packets, err
}

// liveRuns offers a rate to both programs and prints what they forward.
func (o *options) liveRuns(r *router, rate int) error {
	got, sent := map[switchKind][]float64{}, map[switchKind][]float64{}
	for range o.rounds {
		for _, k := range o.kinds() {
			s, g, err := o.liveRun(r, k, rate)
			if err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
			got[k], sent[k] = append(got[k], g), append(sent[k], s)
		}
	}
	for _, k := range o.kinds() {
		fmt.Printf("live, %d routes: %-13s %9.0f packets/s forwarded of %9.0f offered", len(r.routes), k, median(got[k]), median(sent[k]))
		if k == simpleSwitch {
			fmt.Printf("; the simulator forwards %.1f times as many", median(got[simulator])/median(got[k]))
		}
		fmt.Println()
	}
	return nil
}

func (o *options) liveRun(r *router, k switchKind, rate int) (sent, got float64, err error) {
	n, err := newNetwork()
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	var stop func()
	err = n.sw.Do(func() (err error) {
		stop, err = o.startLive(r, k)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	rng := rand.New(rand.NewPCG(5, 6))
	frames := make([][]byte, 4096)
	for i := range frames {
		frames[i] = r.frame(rng, i)
	}
	// It runs once frames come through.
	for end := time.Now().Add(30 * time.Second); ; {
		if err := n.out.Send(frames[0]); err != nil {
			return 0, 0, err
		}
		time.Sleep(50 * time.Millisecond)
		if c, err := n.received(); err != nil || c > 0 {
			break
		}
		if time.Now().After(end) {
			return 0, 0, errors.New("nothing comes through")
		}
	}
	before, err := n.received()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	count := 0
	for {
		elapsed := time.Since(start)
		if elapsed >= time.Duration(o.seconds)*time.Second {
			break
		}
		due := int(elapsed.Seconds() * float64(rate))
		if count >= due {
			time.Sleep(200 * time.Microsecond)
			continue
		}
		for range min(due-count, 64) {
			if err := n.out.Send(frames[count%len(frames)]); err != nil {
				return 0, 0, err
			}
			count++
		}
	}
	took := time.Since(start).Seconds()
	time.Sleep(500 * time.Millisecond) // what is in queues
	after, err := n.received()
	return float64(count) / took, float64(after-before) / took, err
}

// startLive starts a program on p0 and p1, in the calling thread's namespace.
func (o *options) startLive(r *router, k switchKind) (func(), error) {
	if k == simpleSwitch {
		_, stop, err := o.startSimpleSwitch(r, "-i", "0@p0", "-i", "1@p1")
		return stop, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, o.nicctl, "run", o.path(r, "nicpkg"), "--ports", "0=p0,1=p1")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2")
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	return func() {
		cancel()
		_ = cmd.Wait()
	}, nil
}
