// Package bmv2switch plays packet tests on the programs of p4lang's
// behavioral-model: simple_switch, psa_switch and pna_nic.
//
// In: a core program, the JSON that the switch loads, a test. Out: an stf.Engine.
// Must not import: runtime, the front end.
//
// Packets travel through files, one in and one out a port, since interfaces carry
// none of less than 14 bytes. The files in are FIFOs, which makes the switch take
// one step at a time: it wants to know the next packet of every port before it
// takes the earliest, and reads the next one of a port after it took one there. So
// all ports but the first packet's are told their first packet (or their end) at
// once, and what follows is told port by port when its turn has come. All else
// (entries, groups, registers) goes over Thrift in between.
package bmv2switch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
)

const (
	// startTime is how long a switch may take until it answers.
	startTime = 20 * time.Second
	// quiet is how long nothing must come out, with all threads of the switch asleep,
	// before a packet counts as done.
	quiet = 40 * time.Millisecond
	// outputPoll is how often the files out are looked at.
	outputPoll = 5 * time.Millisecond
)

// Targets are the programs that Start knows, by the name of the architecture that
// runs on them.
var targets = map[string]string{"v1model": "simple_switch", "psa": "psa_switch", "pna": "pna_nic"}

// Path finds the program for an architecture: in directory dir, or in the search
// path where dir is empty.
func Path(arch, dir string) (string, error) {
	name := targets[arch]
	if name == "" {
		return "", &stf.Unsupported{Reason: fmt.Sprintf("behavioral-model has no target for architecture %q", arch)}
	}
	if dir != "" {
		name = filepath.Join(dir, name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s of https://github.com/p4lang/behavioral-model is not installed: %w", targets[arch], err)
	}
	return path, nil
}

// step is one packet of the test.
type step struct {
	port uint32
	data []byte
}

// port is one port's files.
type port struct {
	number uint32
	in     *os.File // nil: its end was told
	out    string
	read   int64 // bytes of out that were read
	next   int   // index of the step that is told next
}

// Switch is a running switch with one program and one test.
type Switch struct {
	program *ir.Program
	service string // of what only this target has
	dir     string
	cmd     *exec.Cmd
	log     bytes.Buffer
	exited  chan struct{}
	rpc     *rpc
	steps   []step
	done    int // steps that were taken
	ports   []*port
	settled bool
	waiting []stf.Packet // came out and Process has not returned them

	entries  []map[uint32]int32 // the switch's handle by table and ours
	members  map[string]map[uint32]int32
	groups   map[string]map[uint32]int32
	mcGroups map[uint32]mcGroup
	meters   map[string]map[uint32]*ir.MeterRates
}

// Start starts the program at path with JSON js for the test. The program p is what
// js says.
func Start(ctx context.Context, path string, p *ir.Program, js []byte, t *stf.Test) (s *Switch, err error) {
	s = &Switch{program: p, service: filepath.Base(path), exited: make(chan struct{}),
		entries: make([]map[uint32]int32, len(p.Tables)), members: map[string]map[uint32]int32{}, groups: map[string]map[uint32]int32{},
		mcGroups: map[uint32]mcGroup{}, meters: map[string]map[uint32]*ir.MeterRates{}}
	if s.dir, err = os.MkdirTemp("", "p4nic-test-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = nil
		}
	}()
	if err := os.WriteFile(filepath.Join(s.dir, "program.json"), js, 0o600); err != nil {
		return s, err
	}
	for _, c := range t.Commands {
		if c.Kind == stf.SendPacket && len(c.Data) > 0 {
			s.steps = append(s.steps, step{c.Port, c.Data})
		}
	}
	thrift, err := freePort()
	if err != nil {
		return s, err
	}
	args := []string{"--use-files", "0", "--thrift-port", strconv.Itoa(thrift), "--log-console", "--log-level", "error"}
	for _, n := range testPorts(t) {
		q, err := s.openPort(n)
		if err != nil {
			return s, err
		}
		s.ports = append(s.ports, q)
		args = append(args, "-i", fmt.Sprintf("%d@%d", n, n))
	}
	s.cmd = exec.CommandContext(ctx, path, append(args, "program.json")...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return s, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	for end := time.Now().Add(startTime); ; {
		if s.rpc, err = dial(net.JoinHostPort("127.0.0.1", strconv.Itoa(thrift))); err == nil {
			break
		}
		if err := s.pause(ctx, 20*time.Millisecond); err != nil {
			return s, err
		}
		if time.Now().After(end) {
			return s, fmt.Errorf("%s does not answer within %s: %w", s.service, startTime, err)
		}
	}
	return s, s.openSteps()
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// testPorts are the ports that a test names anywhere.
func testPorts(t *stf.Test) []uint32 {
	var out []uint32
	for _, c := range t.Commands {
		switch c.Kind {
		case stf.SendPacket, stf.Expect:
			out = append(out, c.Port)
		case stf.MirrorAdd, stf.NodeCreate, stf.NodeUpdate:
			out = append(out, c.Numbers[1:]...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// openPort makes a port's FIFO with the head of a capture in it.
func (s *Switch) openPort(n uint32) (*port, error) {
	q := &port{number: n, out: filepath.Join(s.dir, fmt.Sprintf("%d_out.pcap", n))}
	name := filepath.Join(s.dir, fmt.Sprintf("%d_in.pcap", n))
	if err := unix.Mkfifo(name, 0o600); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// Opened for both, a FIFO does not wait for its reader.
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	q.in = f
	// pcap, little-endian, microseconds, frames of up to 64 KiB, Ethernet.
	head := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0}
	_, err = f.Write(head)
	return q, err
}

// openSteps tells every port but that of the first step what its first packet is.
func (s *Switch) openSteps() error {
	for _, q := range s.ports {
		if len(s.steps) > 0 && q.number == s.steps[0].port {
			continue
		}
		if err := s.tell(q); err != nil {
			return err
		}
	}
	return nil
}

// tell writes the port's next packet, or its end.
func (s *Switch) tell(q *port) error {
	for i := q.next; i < len(s.steps); i++ {
		if s.steps[i].port != q.number {
			continue
		}
		q.next = i + 1
		data := s.steps[i].data
		head := make([]byte, 16, 16+len(data))
		binary.LittleEndian.PutUint32(head[4:], uint32(i)) // microseconds: the order
		binary.LittleEndian.PutUint32(head[8:], uint32(len(data)))
		binary.LittleEndian.PutUint32(head[12:], uint32(len(data)))
		_, err := q.in.Write(append(head, data...))
		return err
	}
	if q.in == nil {
		return nil
	}
	err := q.in.Close()
	q.in = nil
	return err
}

// Process implements stf.Engine: the test's next packet. What comes out may be
// returned by a later call.
func (s *Switch) Process(number uint32, data []byte) ([]stf.Packet, error) {
	if s.done == len(s.steps) || s.steps[s.done].port != number || !bytes.Equal(s.steps[s.done].data, data) {
		return nil, errors.New("the packet is not the test's next one")
	}
	// What holds the switch back is the port of the packet before.
	gate := s.steps[max(s.done-1, 0)].port
	for _, q := range s.ports {
		if q.number == gate {
			if err := s.tell(q); err != nil {
				return nil, err
			}
		}
	}
	s.done++
	s.settled = false
	if s.done == len(s.steps) {
		if err := s.settle(); err != nil {
			return nil, err
		}
	}
	out := s.waiting
	s.waiting = nil
	return out, nil
}

// settle waits until nothing more comes out of the packets so far.
func (s *Switch) settle() error {
	if s.settled || s.done == 0 {
		return nil
	}
	for since := time.Now(); time.Since(since) < quiet; {
		if err := s.pause(context.Background(), outputPoll); err != nil {
			return err
		}
		for _, q := range s.ports {
			got, err := q.outputs()
			if err != nil {
				return err
			}
			if len(got) > 0 {
				s.waiting, since = append(s.waiting, got...), time.Now()
			}
		}
		if !asleep(s.cmd.Process.Pid) {
			since = time.Now()
		}
	}
	s.settled = true
	return nil
}

// asleep tells whether no thread of a process runs or wants to: a packet is handed
// from thread to thread, and who is handed one is awake. On a busy machine this
// tells more than time does.
func asleep(pid int) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "task")
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return true // it has ended, which the caller sees
	}
	for _, t := range tasks {
		b, err := os.ReadFile(filepath.Join(dir, t.Name(), "stat"))
		if err != nil {
			continue // a thread that has ended
		}
		// PID (NAME) STATE: the name may hold anything.
		if _, state, ok := bytes.Cut(b[bytes.LastIndexByte(b, ')')+1:], []byte(" ")); ok && bytes.HasPrefix(state, []byte("R")) {
			return false
		}
	}
	return true
}

// outputs reads what the switch has added to the port's file.
func (q *port) outputs() ([]stf.Packet, error) {
	b, err := os.ReadFile(q.out)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []stf.Packet
	for at := max(q.read, 24); at+16 <= int64(len(b)); {
		n := int64(binary.LittleEndian.Uint32(b[at+8:]))
		if at += 16 + n; at > int64(len(b)) {
			break
		}
		out = append(out, stf.Packet{Port: q.number, Data: b[at-n : at]})
		q.read = at
	}
	return out, nil
}

// pause waits, and fails when the switch has ended.
func (s *Switch) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.exited:
		return fmt.Errorf("%s has ended: %s", s.service, s.lastWords())
	}
}

// lastWords is the end of what the switch printed.
func (s *Switch) lastWords() string {
	text := strings.TrimSpace(s.log.String())
	const most = 500
	if len(text) > most {
		text = "..." + text[len(text)-most:]
	}
	if text == "" {
		text = s.cmd.ProcessState.String()
	}
	return text
}

// Close ends the switch and removes its files.
func (s *Switch) Close() error {
	var errs []error
	if s.rpc != nil {
		errs = append(errs, s.rpc.close())
	}
	if s.cmd != nil {
		_ = s.cmd.Process.Kill() // it may have ended
		<-s.exited
	}
	for _, q := range s.ports {
		if q.in != nil {
			errs = append(errs, q.in.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}

// Program implements stf.Engine.
func (s *Switch) Program() *ir.Program { return s.program }

// call calls a method of a service once the packets so far are through.
func (s *Switch) call(service, method string, args fields, result func(*reader) error) error {
	if err := s.settle(); err != nil {
		return err
	}
	return s.rpc.call(context.Background(), service, method, args, result)
}
