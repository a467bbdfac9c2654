// Package controller is an example of an SD-WAN controller: it joins a prefix of
// one site to another over the better of several paths, knowing the network only
// through gNMI and changing it only through gRIBI.
//
// In: connections to the two sites' devices, the paths between them. Out: routes.
// Must not import: anything of p4nic; any device with the two protocols will do.
package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// Path is one way from the near site to the far one.
type Path struct {
	Name    string
	NextHop NextHop // at the near site
	Near    string  // interface of the near device that leads into the path
	Far     string  // interface of the far device where the path ends
}

// Config says what to join and when to move.
type Config struct {
	Near, Far *grpc.ClientConn // gNMI on both, gRIBI on Near
	Election  uint64           // gRIBI election id, above any used before
	Prefix    string           // behind the far site
	Paths     []Path           // the first is preferred
	Interval  time.Duration    // between readings
	Window    int              // readings over which loss is judged
	MaxLoss   float64          // share of packets, such as 0.01
	MinSent   uint64           // packets in a window below which it says nothing
	Log       func(format string, args ...any)
}

// Controller is a running one.
type Controller struct {
	cfg      Config
	injector *Injector
	mu       sync.Mutex
	current  int
	bad      int         // judgements in a row against the path in use
	sent     [][]Reading // by path, the last Window+1 readings
	received [][]Reading
	moved    chan string
}

// Start makes the next hops, routes the prefix over the first path, and watches.
// It ends with ctx.
func Start(ctx context.Context, cfg Config) (*Controller, error) {
	injector, err := NewInjector(ctx, cfg.Near, cfg.Election)
	if err != nil {
		return nil, err
	}
	c := &Controller{cfg: cfg, injector: injector, sent: make([][]Reading, len(cfg.Paths)), received: make([][]Reading, len(cfg.Paths)),
		moved: make(chan string, 16)}
	for _, p := range cfg.Paths {
		if err := injector.AddNextHop(ctx, p.NextHop); err != nil {
			return nil, fmt.Errorf("path %s: %w", p.Name, err)
		}
	}
	if err := injector.Route(ctx, cfg.Prefix, cfg.Paths[0].NextHop.Index); err != nil {
		return nil, err
	}
	cfg.Log("controller: %s goes over %s", cfg.Prefix, cfg.Paths[0].Name)
	for i, p := range cfg.Paths {
		c.watch(ctx, cfg.Near, p.Near, "out-pkts", func(r Reading) { c.reading(ctx, c.sent, i, r) })
		c.watch(ctx, cfg.Far, p.Far, "in-pkts", func(r Reading) { c.reading(ctx, c.received, i, r) })
	}
	return c, nil
}

// Moved tells the name of each path that the prefix was moved to.
func (c *Controller) Moved() <-chan string { return c.moved }

// Current is the path that carries the prefix.
func (c *Controller) Current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg.Paths[c.current].Name
}

// watch subscribes again when a device restarts.
func (c *Controller) watch(ctx context.Context, conn *grpc.ClientConn, netdev, counter string, each func(Reading)) {
	go func() {
		lost := false
		for ctx.Err() == nil {
			err := Watch(ctx, conn, netdev, counter, c.cfg.Interval, func(r Reading) {
				if lost {
					c.cfg.Log("controller: telemetry of %s is back", netdev)
					lost = false
				}
				each(r)
			})
			if ctx.Err() != nil {
				return
			}
			if !lost {
				c.cfg.Log("controller: telemetry of %s ended (%v); subscribing again", netdev, err)
				lost = true
			}
			select {
			case <-ctx.Done():
			case <-time.After(c.cfg.Interval):
			}
		}
	}()
}

// reading keeps one and judges the path in use when the far end has spoken.
func (c *Controller) reading(ctx context.Context, of [][]Reading, path int, r Reading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of[path] = keep(of[path], r, c.cfg.Window)
	if path == c.current && &of[0] == &c.received[0] {
		c.judge(ctx)
	}
}

// keep appends a reading to the last window ones. Where the device began to count
// again, or the rate changed by more than half, it begins afresh: the two ends
// are read at different moments and can be compared only while traffic is even.
func keep(list []Reading, r Reading, window int) []Reading {
	list = append(list, r)
	n := len(list)
	if n > 1 && list[n-1].Packets < list[n-2].Packets {
		return []Reading{r}
	}
	if n > 2 {
		now, before := list[n-1].Packets-list[n-2].Packets, list[n-2].Packets-list[n-3].Packets
		if now > 2*before || before > 2*now {
			return []Reading{r}
		}
	}
	if n > window+1 {
		list = list[n-window-1:]
	}
	return list
}

// confirm is how many judgements in a row must agree before a path is left: one
// may be misled by a burst between two readings.
const confirm = 3

// judge moves the prefix when the path in use loses too much.
func (c *Controller) judge(ctx context.Context) {
	s, r := c.sent[c.current], c.received[c.current]
	if len(s) <= c.cfg.Window/2 || len(r) <= c.cfg.Window/2 {
		return
	}
	sent, received, ok := overlap(s, r)
	if !ok || sent < float64(c.cfg.MinSent) {
		return
	}
	loss := (sent - received) / sent
	if loss <= c.cfg.MaxLoss {
		c.bad = 0
		return
	}
	if c.bad++; c.bad < confirm {
		return
	}
	c.bad = 0
	from, next := c.current, (c.current+1)%len(c.cfg.Paths)
	c.cfg.Log("controller: %s lost %.1f %% of %.0f packets; moving %s to %s", c.cfg.Paths[from].Name, 100*loss, sent, c.cfg.Prefix, c.cfg.Paths[next].Name)
	begin := time.Now()
	if err := c.route(ctx, next); err != nil {
		c.cfg.Log("controller: %v", err)
		return
	}
	c.cfg.Log("controller: %s goes over %s, acknowledged by the FIB after %.1f ms", c.cfg.Prefix, c.cfg.Paths[next].Name, float64(time.Since(begin).Microseconds())/1000)
	c.current = next
	c.sent[next], c.received[next] = nil, nil // judged afresh
	select {
	case c.moved <- c.cfg.Paths[next].Name:
	default:
	}
}

// route points the prefix at a path. A stream that ended with the device's
// daemon is opened again: what was routed is there still.
func (c *Controller) route(ctx context.Context, path int) error {
	err := c.injector.Route(ctx, c.cfg.Prefix, c.cfg.Paths[path].NextHop.Index)
	if err == nil || !c.injector.Broken() {
		return err
	}
	injector, err := NewInjector(ctx, c.cfg.Near, c.cfg.Election)
	if err != nil {
		return err
	}
	c.injector = injector
	return injector.Route(ctx, c.cfg.Prefix, c.cfg.Paths[path].NextHop.Index)
}

// overlap is what the two ends counted in the time that both lists cover. The
// ends are read at different moments, so counts between two readings are taken
// to grow evenly.
func overlap(sent, received []Reading) (s, r float64, ok bool) {
	if len(sent) < 3 || len(received) < 3 {
		return 0, 0, false
	}
	from, to := sent[0].At, sent[len(sent)-1].At
	if t := received[0].At; t.After(from) {
		from = t
	}
	if t := received[len(received)-1].At; t.Before(to) {
		to = t
	}
	if !from.Before(to) {
		return 0, 0, false
	}
	return at(sent, to) - at(sent, from), at(received, to) - at(received, from), true
}

// at is the count at time t, which the list covers.
func at(list []Reading, t time.Time) float64 {
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		if t.After(b.At) {
			continue
		}
		if !b.At.After(a.At) {
			return float64(b.Packets)
		}
		share := float64(t.Sub(a.At)) / float64(b.At.Sub(a.At))
		return float64(a.Packets) + share*float64(b.Packets-a.Packets)
	}
	return float64(list[len(list)-1].Packets)
}
