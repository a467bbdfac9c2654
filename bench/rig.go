package bench

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/internal/netns"
)

// Candidate is a program to be measured.
type Candidate struct {
	Name string
	Note string
	Prog *ebpf.Program
	// Again loads the same program once more. Where the kernel puts a program
	// decides up to a tenth of its time (which jumps share an entry of the branch
	// predictor), so several copies take turns; nil: Prog alone.
	Again func() (*ebpf.Program, error)
	// Verdict is what the program must return.
	Verdict uint32
	// Want gives what the program must make of frame i; nil: what it makes is only
	// held against itself.
	Want func(i int, frame []byte) []byte
	// Ignore clears what the program is free to choose, before the comparison with
	// Want; nil: nothing.
	Ignore func(out []byte)
	// Code and Maps let the instructions be counted that the program executes; nil:
	// they are not. Maps are by the names in Code.
	Code asm.Instructions
	Maps map[string]*ebpf.Map
	// Per: the program does its work so often for a packet; 0 = once.
	Per int

	yardstick bool
	grows     int             // bytes the program adds to a packet
	copies    []*ebpf.Program // Prog among them
}

// Config says how long and how fine to measure. Zero fields take defaults.
type Config struct {
	Chunk     int     // packets between two looks at the clock: 128
	Chunks    int     // chunks of a call that count: 32
	Warm      int     // chunks of a call before them: 16
	MinRounds int     // 40
	MaxRounds int     // 800
	Target    float64 // rounds end when every ratio's interval is narrower: 0.03
	Copies    int     // of each program, at different places: 8
	Barrier   bool    // packets wait until the driver's stores are in the cache
	// KeySize and Entries are those of the hash yardstick: 8 bytes, 1,024.
	KeySize, Entries int
}

func (c *Config) complete() error {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.Chunk, 128)
	def(&c.Chunks, 32)
	def(&c.Warm, 16)
	def(&c.MinRounds, 40)
	def(&c.MaxRounds, max(800, c.MinRounds))
	def(&c.Copies, 8)
	def(&c.KeySize, 8)
	def(&c.Entries, 1024)
	if c.Target == 0 {
		c.Target = 0.03
	}
	if c.Chunks+c.Warm >= maxChunks || c.Chunks < 1 || c.Warm < 0 {
		return fmt.Errorf("%d chunks after %d: they must be positive and fewer than %d together", c.Chunks, c.Warm, maxChunks)
	}
	return nil
}

// Isolated runs f on a thread of its own in a new network namespace, pinned to
// one CPU: TEST_RUN, devices and routes of f are this namespace's.
func Isolated(cpu int, f func(ns *netns.NS) error) error {
	ns, err := netns.New()
	if err != nil {
		return err
	}
	defer ns.Close()
	return ns.Do(func() error {
		// The thread ends with this function, and the pinning with it.
		if err := pin(cpu); err != nil {
			return err
		}
		return f(ns)
	})
}

// pin ties the calling thread to a CPU; -1 is the last one allowed.
func pin(cpu int) error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return err
	}
	if cpu < 0 {
		for i := range 8 * len(set) * 8 {
			if set.IsSet(i) {
				cpu = i
			}
		}
	}
	set.Zero()
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin to CPU %d: %w", cpu, err)
	}
	return nil
}

// Rig is a driver with the programs it can call.
type Rig struct {
	hook   Hook
	frames *Frames
	cfg    Config

	maps    driverMaps
	mem     []byte // of the state
	driver  *ebpf.Program
	link    link.Link
	empty   *Candidate
	resizes map[int]*Candidate
	yards   []*Candidate
	cands   []*Candidate
	out     []byte
	cleanup []func()
}

// NewRig checks what the candidates make of the frames, and builds the driver.
// It must run inside Isolated, as what is called on the Rig.
func NewRig(h Hook, f *Frames, cands []*Candidate, cfg Config) (*Rig, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	r := &Rig{hook: h, frames: f, cfg: cfg, cands: cands, resizes: map[int]*Candidate{}, out: make([]byte, f.Len+512)}
	if err := r.build(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Close ends the rig; the candidates stay the caller's.
func (r *Rig) Close() error {
	var errs []error
	if r.link != nil {
		errs = append(errs, r.link.Close())
	}
	for i := len(r.cleanup) - 1; i >= 0; i-- {
		r.cleanup[i]()
	}
	r.cleanup = nil
	return errors.Join(errs...)
}

func (r *Rig) build() error {
	prog, err := r.hook.empty()
	if err != nil {
		return err
	}
	r.cleanup = append(r.cleanup, func() { prog.Close() })
	r.empty = &Candidate{Name: NameEmpty, Prog: prog, Again: r.hook.empty, Verdict: uint32(r.hook.okCode()), yardstick: true}
	newValue := func(name string, size int) (*ebpf.Map, []byte, error) {
		m, err := valueMap(name, size)
		if err != nil {
			return nil, nil, fmt.Errorf("map %s: %w", name, err)
		}
		r.cleanup = append(r.cleanup, func() { m.Close() })
		mem, err := MapMemory(m)
		if err == nil {
			r.cleanup = append(r.cleanup, func() { unix.Munmap(mem) })
		}
		return m, mem, err
	}
	if r.maps.state, r.mem, err = newValue("bench_state", stateSize); err != nil {
		return err
	}
	yards, done, err := yardsticks(r.hook, r.maps.state, r.cfg.KeySize, r.cfg.Entries)
	if err != nil {
		return err
	}
	r.yards = yards
	r.cleanup = append(r.cleanup, func() {
		for _, y := range yards {
			y.Prog.Close()
		}
		done()
	})

	dirty, err := r.check()
	if err != nil {
		return err
	}
	if err := r.copy(); err != nil {
		return err
	}
	segs, records, stride := r.frames.plan(dirty)
	var mem []byte
	if r.maps.template, mem, err = newValue("bench_template", r.frames.Len); err != nil {
		return err
	}
	copy(mem, r.frames.At(0))
	if stride > 0 {
		if r.maps.records, mem, err = newValue("bench_records", len(records)); err != nil {
			return err
		}
		copy(mem, records)
	}
	r.maps.progs, err = ebpf.NewMap(&ebpf.MapSpec{Name: "bench_progs", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return err
	}
	r.cleanup = append(r.cleanup, func() { r.maps.progs.Close() })
	ins, err := driver(r.hook, r.maps, r.frames, segs, stride, r.cfg.Chunk, r.cfg.Barrier)
	if err != nil {
		return err
	}
	if r.driver, err = r.hook.load("bench_driver", ins); err != nil {
		return fmt.Errorf("the driver program: %w", err)
	}
	r.cleanup = append(r.cleanup, func() { r.driver.Close() })
	if r.hook == XDP {
		// TEST_RUN enters a program that is attached nowhere into the XDP dispatcher
		// for the time of the call, and waits for two grace periods (fe:6).
		if r.link, err = link.AttachXDP(link.XDPOptions{Program: r.driver, Interface: Loopback, Flags: link.XDPGenericMode}); err != nil {
			return fmt.Errorf("attach the driver to lo: %w", err)
		}
	}
	return nil
}

// copy loads the copies of all programs, in turns so that they lie apart.
func (r *Rig) copy() error {
	all := append([]*Candidate{r.empty}, r.yards...)
	all = append(all, r.cands...)
	for _, n := range slices.Sorted(maps.Keys(r.resizes)) {
		all = append(all, r.resizes[n])
	}
	for _, c := range all {
		c.copies = []*ebpf.Program{c.Prog}
	}
	for range r.cfg.Copies - 1 {
		for _, c := range all {
			if c.Again == nil {
				continue
			}
			p, err := c.Again()
			if err != nil {
				return fmt.Errorf("%s: load it again: %w", c.Name, err)
			}
			r.cleanup = append(r.cleanup, func() { p.Close() })
			c.copies = append(c.copies, p)
		}
	}
	return nil
}

// samples are the frames that are checked one by one before the run.
func (r *Rig) samples() []int {
	var s []int
	step := max(r.frames.N/64, 1)
	for i := 0; i < r.frames.N; i += step {
		s = append(s, i)
	}
	return s
}

// packets of a call; the last looks at the clock and ends the last chunk.
func (r *Rig) packets() int { return (r.cfg.Warm+r.cfg.Chunks)*r.cfg.Chunk + 1 }

// check runs every candidate on samples and gives the bytes that some of them
// change: all, where one changes the length.
func (r *Rig) check() (dirty []bool, err error) {
	dirty = make([]bool, r.frames.Len)
	for _, c := range r.cands {
		for n, i := range r.samples() {
			in := r.frames.At(i)
			verdict, out, err := r.single(c.Prog, in)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
			if verdict != c.Verdict {
				return nil, fmt.Errorf("%s: frame %d: verdict %d, want %d\nframe %x", c.Name, i, verdict, c.Verdict, in)
			}
			if c.Want != nil {
				got := bytes.Clone(out)
				if c.Ignore != nil {
					c.Ignore(got)
				}
				if want := c.Want(i, in); !bytes.Equal(got, want) {
					return nil, fmt.Errorf("%s: frame %d comes out wrong\nin   %x\ngot  %x\nwant %x", c.Name, i, in, out, want)
				}
			}
			if d := len(out) - len(in); n == 0 {
				c.grows = d
			} else if d != c.grows {
				return nil, fmt.Errorf("%s: it adds %d bytes to frame %d and %d to others: measure them apart", c.Name, d, i, c.grows)
			}
			for k := range dirty {
				dirty[k] = dirty[k] || c.grows != 0 || out[k] != in[k]
			}
		}
		if c.grows != 0 && r.resizes[c.grows] == nil {
			prog, err := r.hook.resize(c.grows)
			if err != nil {
				return nil, err
			}
			r.cleanup = append(r.cleanup, func() { prog.Close() })
			n := c.grows
			again := func() (*ebpf.Program, error) { return r.hook.resize(n) }
			r.resizes[n] = &Candidate{Name: fmt.Sprintf("resize by %d", n), Prog: prog, Again: again, Verdict: uint32(r.hook.okCode()), yardstick: true}
		}
	}
	return dirty, nil
}

// single runs a program once, without the driver.
func (r *Rig) single(p *ebpf.Program, in []byte) (uint32, []byte, error) {
	o := ebpf.RunOptions{Data: in, DataOut: r.out}
	verdict, err := p.Run(&o)
	return verdict, bytes.Clone(o.DataOut), err
}

// call measures one call of one of the candidate's copies, that begins with a
// frame: the median over its chunks of the ns a packet took, driver included.
func (r *Rig) call(c *Candidate, which, first int) (float64, error) {
	last := first + r.packets() - 1
	var want []byte
	if !c.yardstick {
		var err error
		if _, want, err = r.single(c.Prog, r.frames.At(last)); err != nil {
			return 0, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	if err := r.maps.progs.Update(uint32(0), c.copies[which%len(c.copies)], ebpf.UpdateAny); err != nil {
		return 0, fmt.Errorf("%s: put into the driver's program array: %w", c.Name, err)
	}
	verdict, out, err := r.repeat(first)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: %w", c.Name, err)
	case load(r.mem, stMissed) != 0:
		return 0, fmt.Errorf("%s: the driver's tail call failed", c.Name)
	case load(r.mem, stFailed) != 0:
		return 0, fmt.Errorf("%s: the driver could not restore a packet", c.Name)
	case load(r.mem, stCount) != uint64(r.packets()):
		return 0, fmt.Errorf("%s: %d packets, want %d", c.Name, load(r.mem, stCount), r.packets())
	case verdict != c.Verdict:
		return 0, fmt.Errorf("%s: verdict %d after %d packets, want %d", c.Name, verdict, r.packets(), c.Verdict)
	}
	if want != nil && !bytes.Equal(out, want) {
		return 0, fmt.Errorf("%s: after %d packets frame %d comes out wrong\ngot  %x\nwant %x", c.Name, r.packets(), last&(r.frames.N-1), out, want)
	}
	times := make([]float64, r.cfg.Chunks)
	for i := range times {
		at := stTimes + 8*(r.cfg.Warm+i)
		times[i] = float64(load(r.mem, at+8)-load(r.mem, at)) / float64(r.cfg.Chunk)
	}
	return Median(times), nil
}

// repeat runs the driver for all packets of a call. A signal interrupts TEST_RUN,
// which is then started again somewhere else in the count: such a call is
// repeated as a whole.
func (r *Rig) repeat(first int) (verdict uint32, out []byte, err error) {
	for range 10 {
		for _, off := range []int{stCount, stAddr0, stMissed, stFailed} {
			store(r.mem, off, 0)
		}
		store(r.mem, stFirst, uint64(first))
		o := ebpf.RunOptions{Data: r.frames.At(0), DataOut: r.out, Repeat: uint32(r.packets())}
		if verdict, err = r.driver.Run(&o); err != nil || load(r.mem, stCount) <= uint64(r.packets()) {
			return verdict, o.DataOut, err
		}
	}
	return 0, nil, errors.New("signals interrupted TEST_RUN ten times")
}
