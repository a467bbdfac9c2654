package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"golang.org/x/sys/unix"
)

// pings is the number of echo requests of one proof.
const pings = 20

// kernelDoesNotRoute proves that the kernel has no way to where h1's packets go.
func (d *story) kernelDoesNotRoute(context.Context) error {
	for _, dst := range []string{behindV4, behindV6} {
		if err := d.kernelRoute(dst); err == nil {
			return fmt.Errorf("the router's kernel has a route to %s: the proof would be worth nothing", dst)
		} else if !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.EHOSTUNREACH) {
			return err
		}
	}
	d.say("the router's kernel has no route to %s or %s", behindV4, behindV6)
	return nil
}

func (d *story) kernelRoute(dst string) error {
	_, err := d.net.router.Netlink().RouteGet(net.ParseIP(dst))
	return err
}

// forwarded is how many packets the kernel of the router forwarded itself.
func (d *story) forwarded() (int64, error) {
	var total int64
	err := d.net.router.Do(func() error {
		v4, err := snmp("/proc/thread-self/net/snmp", "Ip:", "ForwDatagrams")
		if err != nil {
			return err
		}
		v6, err := snmp6("/proc/thread-self/net/snmp6", "Ip6OutForwDatagrams")
		total = v4 + v6
		return err
	})
	return total, err
}

// snmp reads a value of a file with lines of names and lines of values.
func snmp(path, group, name string) (int64, error) {
	lines, err := readLines(path)
	if err != nil {
		return 0, err
	}
	var names []string
	for _, l := range lines {
		f := strings.Fields(l)
		if len(f) == 0 || f[0] != group {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, n := range names {
			if n == name && i < len(f) {
				return strconv.ParseInt(f[i], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("%s: no %s %s", path, group, name)
}

// snmp6 reads a value of a file with a name and a value a line.
func snmp6(path, name string) (int64, error) {
	lines, err := readLines(path)
	if err != nil {
		return 0, err
	}
	for _, l := range lines {
		if f := strings.Fields(l); len(f) == 2 && f[0] == name {
			return strconv.ParseInt(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s: no %s", path, name)
}

func readLines(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		lines = append(lines, sc.Text())
	}
	return lines, sc.Err()
}

// notByKernel runs do and proves that the kernel forwarded nothing meanwhile.
func (d *story) notByKernel(do func() error) error {
	before, err := d.forwarded()
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	after, err := d.forwarded()
	if err != nil {
		return err
	}
	if after != before {
		return fmt.Errorf("the kernel forwarded %d packets: the P4 program is not the router", after-before)
	}
	return nil
}

// echo pings over both protocols, on-link and behind the second host.
func (d *story) echo(ctx context.Context) error {
	// The routers answer for themselves first: this resolves the hosts' neighbours.
	for _, a := range []string{r1v4, r1v6} {
		if err := ping(d.net.h1, a, 1); err != nil {
			return fmt.Errorf("the router itself: %w", err)
		}
	}
	d.say("the router's own addresses answer: ARP, ND and echo are handed to the host")
	for _, p := range []struct{ dst, there, back string }{
		{h2v4, to2, to1}, {h2v6, to2v6, to1v6}, {behindV4, behind, to1}, {behindV6, behindSix, to1v6},
	} {
		err := d.notByKernel(func() error {
			return d.expect(ctx, []string{p.there, p.back}, func() ([]int64, error) {
				return []int64{pings, pings}, ping(d.net.h1, p.dst, pings)
			})
		})
		if err != nil {
			return err
		}
		d.say("%d echo requests to %s, %d replies, counted exactly", pings, p.dst, pings)
	}
	return nil
}

// ttl sends packets that expire at the router and waits for the answer.
func (d *story) ttl(ctx context.Context) error {
	for _, p := range []struct{ dst, route, router string }{{h2v4, to2, r1v4}, {h2v6, to2v6, r1v6}} {
		err := d.expect(ctx, []string{p.route}, func() ([]int64, error) {
			q, err := newPinger(d.net.h1, p.dst, 1)
			if err != nil {
				return nil, err
			}
			defer q.close()
			if err := q.send(); err != nil {
				return nil, err
			}
			a, err := q.receive()
			if err != nil {
				return nil, fmt.Errorf("TTL 1 to %s: no answer: %w", p.dst, err)
			}
			if a.kind != q.timeExceeded || a.from.String() != p.router {
				return nil, fmt.Errorf("TTL 1 to %s: ICMP type %d from %s, want %d from %s", p.dst, a.kind, a.from, q.timeExceeded, p.router)
			}
			return []int64{1}, nil
		})
		if err != nil {
			return err
		}
	}
	d.say("packets that expire at the router are answered: ICMP and ICMPv6 time exceeded")
	return nil
}

// noRoute sends to where no route leads.
func (d *story) noRoute(ctx context.Context) error {
	const n = 50
	err := d.notByKernel(func() error {
		return d.expect(ctx, []string{unrouted}, func() ([]int64, error) {
			if err := sendUDP(d.net.h1, nowhereV4, n, 100); err != nil {
				return nil, err
			}
			return []int64{n}, d.passed(ctx)
		})
	})
	if err != nil {
		return err
	}
	d.say("%d datagrams to %s, where no route leads: dropped and counted", n, nowhereV4)
	return nil
}

// passed returns when the router has seen everything that h1 has sent so far:
// one more packet goes and comes back.
func (d *story) passed(context.Context) error { return ping(d.net.h1, r1v4, 1) }

// withdraw deletes a route, proves that its traffic stops, and adds it again.
func (d *story) withdraw(ctx context.Context) error {
	const n = 30
	if err := d.write(ctx, p4.Update_DELETE, behind); err != nil {
		return err
	}
	err := d.expect(ctx, []string{unrouted}, func() ([]int64, error) {
		if err := sendUDP(d.net.h1, behindV4, n, 100); err != nil {
			return nil, err
		}
		return []int64{n}, d.passed(ctx)
	})
	if err != nil {
		return fmt.Errorf("after the route was deleted: %w", err)
	}
	if err := d.write(ctx, p4.Update_INSERT, behind); err != nil {
		return err
	}
	// A new entry counts from zero, so it starts afresh in the table too.
	err = d.expect(ctx, []string{behind}, func() ([]int64, error) { return []int64{pings}, ping(d.net.h1, behindV4, pings) })
	if err != nil {
		return fmt.Errorf("after the route was added again: %w", err)
	}
	d.say("a deleted route stops its traffic (%d packets dropped), added again it forwards", n)
	return nil
}

// tcp transfers data while a changed router is loaded.
func (d *story) tcp(ctx context.Context) error {
	window := 1 << 20
	if d.Sim {
		window = 96 << 10 // what a packet socket holds without privileges
	}
	var loaded, mb int64
	var took time.Duration
	var segs segments
	var t *transfer
	defer func() { // after the counters were read: closing sends segments too
		if t != nil {
			_ = t.close()
		}
	}()
	err := d.notByKernel(func() error {
		return d.expect(ctx, []string{to2, to1}, func() (_ []int64, err error) {
			if t, err = newTransfer(ctx, d.net.h1, d.net.h2, h2v4, window); err != nil {
				return nil, err
			}
			stop := context.AfterFunc(ctx, func() { _ = t.close() })
			defer stop()
			load := make(chan error, 1)
			begin := time.Now()
			started, finished := false, false
			var loadErr error
			sent, err := t.run(func(sent int64) bool {
				if !started && sent >= transferSize/3 {
					started = true
					loaded = sent
					go func() { load <- d.reload(ctx) }()
				}
				if started && !finished {
					select {
					case loadErr = <-load:
						finished = true
					default:
					}
				}
				return sent >= transferSize && finished
			})
			took = time.Since(begin)
			if err = errors.Join(err, loadErr); err != nil {
				return nil, fmt.Errorf("TCP transfer: %w", err)
			}
			mb = sent >> 20
			if segs, err = t.quiet(ctx); err != nil {
				return nil, err
			}
			return []int64{int64(segs.client), int64(segs.server)}, nil
		})
	})
	if err != nil {
		return err
	}
	d.say("TCP: %d MiB from h1 to h2 in %.1f s (%.0f Mbit/s), digests equal, %d segments sent again", mb, took.Seconds(),
		float64(mb)*8.388608/took.Seconds(), segs.retransmitted)
	d.say("a changed router was loaded after %d MiB: entries and counters were kept, the transfer went on", loaded>>20)
	return d.marked()
}

// reload loads the changed router over the running one.
func (d *story) reload(ctx context.Context) error {
	err := d.c.SetPipeline(ctx, p4.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT, d.Changed.P4Info, d.Changed.Bundle)
	if err != nil {
		return fmt.Errorf("load the changed router: %w", err)
	}
	return nil
}

// marked proves that the changed router runs: what arrives carries its DSCP.
func (d *story) marked() error {
	in, err := d.net.h2.OpenPackets("eth0")
	if err != nil {
		return err
	}
	defer in.Close()
	if err := ping(d.net.h1, h2v4, 1); err != nil {
		return err
	}
	for deadline := time.Now().Add(answerTimeout); ; {
		frame, err := in.Recv(deadline)
		if err != nil {
			return fmt.Errorf("no echo request seen at h2: %w", err)
		}
		if len(frame) >= 34 && frame[12] == 8 && frame[13] == 0 && frame[23] == unix.IPPROTO_ICMP {
			if got := frame[15] >> 2; got != ChangedDSCP {
				return fmt.Errorf("a packet arrived with DSCP %d, the changed router writes %d", got, ChangedDSCP)
			}
			d.say("packets now carry DSCP %d, which only the changed router writes", ChangedDSCP)
			return nil
		}
	}
}

// table prints what was sent and what was counted.
func (d *story) table(context.Context) error {
	fmt.Fprintln(d.Out)
	w := tabwriter.NewWriter(d.Out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "SENT\tCOUNTED\t\t  ENTRY")
	for _, l := range d.order {
		t := d.totals[l]
		fmt.Fprintf(w, "%d\t%d\t\t  %s\n", t.sent, t.counted, l)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(d.Out)
	return nil
}
