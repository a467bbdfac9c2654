// Package demo shows the whole of p4nic at work on the local machine, in two acts.
// In the first it makes a small network, starts the real nicd, loads the router,
// and proves with real traffic between two hosts that the P4 program is what
// forwards it. In the second two sites are joined by two paths, and a controller
// that knows only gNMI and gRIBI moves a prefix away from the one that loses
// packets.
//
// In: bundles of the router. Out: the steps, a table of counters, an error when
// anything was not as it must be. Everything that it makes is gone afterwards.
// Must not import: runtime.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	p4config "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

// Pipeline is a compiled program.
type Pipeline struct {
	P4Info *p4config.P4Info
	Bundle []byte
}

// Options say what to run and where.
type Options struct {
	Out     io.Writer
	Sim     bool     // the simulator as the switch instead of eBPF
	Router  Pipeline // p4src/router.p4
	Changed Pipeline // the same with ROUTED_DSCP=ChangedDSCP
	Nicd    string   // path of nicd; "" looks beside nicctl and in PATH
	// Remove takes an instance whose nicd is gone out of the kernel. It is called
	// in the network namespace of the ports.
	Remove func(instance string) error
}

// ErrInterrupted ends a demo whose context ended. All is cleaned up.
var ErrInterrupted = errors.New("interrupted")

// ChangedDSCP is what the changed router writes into what it forwards.
const ChangedDSCP = 46

// transferSize is the least that the TCP transfer carries.
const transferSize = 100 << 20

// story is one run of the demo.
type story struct {
	Options
	start  time.Time
	net    *network
	nicd   *daemon
	c      *p4rtclient.Client
	s      *p4rtclient.Schema
	totals map[string]counts // by the text of an entry
	order  []string
}

// counts are what was sent and what the counters say of it.
type counts struct {
	sent, counted int64
}

// Run plays the demo until it is done or ctx is.
func Run(ctx context.Context, o Options) error {
	err := run(ctx, o)
	if ctx.Err() != nil && err != nil {
		// What failed then failed because of that; what could not be cleaned up
		// is said all the same.
		if clean, ok := errors.AsType[*cleanupError](err); ok {
			return errors.Join(ErrInterrupted, clean)
		}
		return ErrInterrupted
	}
	return err
}

// cleanupError is something that the demo could not take away.
type cleanupError struct{ error }

func (e *cleanupError) Unwrap() error { return e.error }

// cleanup calls f and joins its error.
func cleanup(err *error, f func() error) {
	if e := f(); e != nil {
		*err = errors.Join(*err, &cleanupError{fmt.Errorf("clean up: %w", e)})
	}
}

func run(ctx context.Context, o Options) (err error) {
	d := &story{Options: o, start: time.Now(), totals: map[string]counts{}}
	if d.Nicd == "" {
		if d.Nicd, err = findNicd(); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "p4nic-demo-")
	if err != nil {
		return err
	}
	defer cleanup(&err, func() error { return os.RemoveAll(dir) })
	if err := d.router(ctx, dir); err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	return d.paths(ctx, dir)
}

// router is the first act: a P4 program is the router between two hosts.
func (d *story) router(ctx context.Context, dir string) (err error) {
	if d.net, err = newNetwork(d.Sim); err != nil {
		return fmt.Errorf("make the network: %w", err)
	}
	defer cleanup(&err, d.net.close)
	engine := "eBPF in the kernel"
	if d.Sim {
		engine = "the simulator (ir/exec) as the switch"
	}
	d.say("two hosts and a router in network namespaces, joined by veth pairs; engine: %s", engine)
	if d.nicd, err = startDaemon(ctx, d.Options, d.net.sw, dir, "router", portFlags(d.net.ports)); err != nil {
		if !d.Sim {
			err = fmt.Errorf("%w\nwithout eBPF the simulator can be the switch: nicctl demo --sim", err)
		}
		return err
	}
	defer cleanup(&err, func() error {
		if err := d.nicd.stop(); err != nil {
			return err
		}
		d.say("nicd has taken its datapath away and ended; the namespaces are gone with it")
		return nil
	})
	d.c = d.nicd.client
	d.say("nicd runs (process %d) and has both ports; nothing is loaded: packets pass to the kernel", d.nicd.cmd.Process.Pid)
	for _, step := range []func(context.Context) error{
		d.load, d.kernelDoesNotRoute, d.echo, d.ttl, d.noRoute, d.withdraw, d.tcp, d.table,
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("%w\n%s", err, d.nicd.log)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (d *story) say(format string, args ...any) {
	fmt.Fprintf(d.Out, "[%5.1fs] %s\n", time.Since(d.start).Seconds(), fmt.Sprintf(format, args...))
}

// The entries of the demo. Neighbours are known here; on a network they come
// from the kernel or a controller.
var setup = []string{
	"interfaces port=1 vlan=0 set_interface vrf=0 mac=" + routerMAC1,
	"interfaces port=2 vlan=0 set_interface vrf=0 mac=" + routerMAC2,
	"egress_interfaces port=1 vlan=0 set_source mac=" + routerMAC1,
	"egress_interfaces port=2 vlan=0 set_source mac=" + routerMAC2,
	"neighbours_v4 port=1 address=" + h1v4 + " set_neighbour mac=" + hostMAC1,
	"neighbours_v4 port=2 address=" + h2v4 + " set_neighbour mac=" + hostMAC2,
	"neighbours_v6 port=1 address=" + h1v6 + " set_neighbour mac=" + hostMAC1,
	"neighbours_v6 port=2 address=" + h2v6 + " set_neighbour mac=" + hostMAC2,
	"next_hops next_hop=1 on_link port=1 vlan=0",
	"next_hops next_hop=2 on_link port=2 vlan=0",
	"next_hops next_hop=3 via_v4 port=2 vlan=0 gateway=" + h2v4,
	"next_hops next_hop=4 via_v6 port=2 vlan=0 gateway=" + h2v6,
	"buckets bucket=1 set_next_hop next_hop=1",
	"buckets bucket=2 set_next_hop next_hop=2",
	"buckets bucket=3 set_next_hop next_hop=3",
	"buckets bucket=4 set_next_hop next_hop=4",
	"next_hop_groups group=1 set_buckets base=1 count=1",
	"next_hop_groups group=2 set_buckets base=2 count=1",
	"next_hop_groups group=3 set_buckets base=3 count=1",
	"next_hop_groups group=4 set_buckets base=4 count=1",
	"ipv4_routes vrf=0 prefix=" + r1v4 + "/32 to_host",
	"ipv4_routes vrf=0 prefix=" + r2v4 + "/32 to_host",
	"ipv6_routes vrf=0 prefix=" + r1v6 + "/128 to_host",
	"ipv6_routes vrf=0 prefix=" + r2v6 + "/128 to_host",
	to1, to2, to1v6, to2v6, behind, behindSix,
}

const (
	to1       = "ipv4_routes vrf=0 prefix=10.0.1.0/24 set_group group=1"
	to2       = "ipv4_routes vrf=0 prefix=10.0.2.0/24 set_group group=2"
	to1v6     = "ipv6_routes vrf=0 prefix=2001:db8:1::/64 set_group group=1"
	to2v6     = "ipv6_routes vrf=0 prefix=2001:db8:2::/64 set_group group=2"
	behind    = "ipv4_routes vrf=0 prefix=198.51.100.0/24 set_group group=3"
	behindSix = "ipv6_routes vrf=0 prefix=2001:db8:100::/48 set_group group=4"
	unrouted  = "ipv4_routes default drop"
)

// load makes this client primary, loads the router and writes the entries.
func (d *story) load(ctx context.Context) error {
	if err := d.c.BecomePrimary(ctx, false); err != nil {
		return err
	}
	begin := time.Now()
	if err := d.c.SetPipeline(ctx, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT, d.Router.P4Info, d.Router.Bundle); err != nil {
		return fmt.Errorf("load the router: %w", err)
	}
	d.s = p4rtclient.NewSchema(d.Router.P4Info)
	d.say("router.p4 loaded over P4Runtime in %d ms", time.Since(begin).Milliseconds())
	if err := d.write(ctx, p4.Update_INSERT, setup...); err != nil {
		return err
	}
	d.say("%d entries written: interfaces, neighbours, next-hop groups, routes", len(setup))
	return nil
}

func (d *story) write(ctx context.Context, kind p4.Update_Type, lines ...string) error {
	return writeEntries(ctx, d.c, d.s, kind, lines...)
}

// writeEntries writes entries in nicctl's notation in one batch.
func writeEntries(ctx context.Context, c *p4rtclient.Client, s *p4rtclient.Schema, kind p4.Update_Type, lines ...string) error {
	var updates []*p4.Update
	for _, l := range lines {
		e, err := s.ParseEntry(strings.Fields(l), kind != p4.Update_DELETE)
		if err != nil {
			return err
		}
		updates = append(updates, &p4.Update{Type: kind, Entity: &p4.Entity{Entity: &p4.Entity_TableEntry{TableEntry: e}}})
	}
	refused, err := c.Write(ctx, updates)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range refused {
		errs = append(errs, fmt.Errorf("%s %s: %w", strings.ToLower(kind.String()), lines[r.Index], r))
	}
	return errors.Join(errs...)
}

// packets reads the direct counter of one entry.
func (d *story) packets(ctx context.Context, line string) (int64, error) {
	e, err := d.s.ParseEntry(strings.Fields(line), false)
	if err != nil {
		return 0, err
	}
	e.CounterData = &p4.CounterData{}
	n := int64(-1)
	err = d.c.Read(ctx, []*p4.Entity{{Entity: &p4.Entity_TableEntry{TableEntry: e}}}, func(got *p4.Entity) error {
		n = got.GetTableEntry().GetCounterData().GetPacketCount()
		return nil
	})
	if err == nil && n < 0 {
		err = fmt.Errorf("entry %s is not there", line)
	}
	return n, err
}

// expect runs act, which sends, and compares the counters of entries with what
// act says it sent.
func (d *story) expect(ctx context.Context, lines []string, act func() (sent []int64, err error)) error {
	before := make([]int64, len(lines))
	for i, l := range lines {
		n, err := d.packets(ctx, l)
		if err != nil {
			return err
		}
		before[i] = n
	}
	sent, err := act()
	if err != nil {
		return err
	}
	for i, l := range lines {
		after, err := d.packets(ctx, l)
		if err != nil {
			return err
		}
		if _, seen := d.totals[l]; !seen {
			d.order = append(d.order, l)
		}
		t := d.totals[l]
		t.sent += sent[i]
		t.counted += after - before[i]
		d.totals[l] = t
		if after-before[i] != sent[i] {
			return fmt.Errorf("%s counted %d packets, %d were sent", l, after-before[i], sent[i])
		}
	}
	return nil
}
