package nicctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sort"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ir/exec"
	"github.com/p4nic/p4nic/internal/capture"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// captures plays captured frames through the program, one after the other.
func (f *runFlags) captures(cmd *cobra.Command, p *ir.Program, content []dataplane.Content) (err error) {
	var inputs []capture.File
	for _, s := range f.in {
		n, name, err := portFlag("pcap-in", s, 0)
		if err != nil {
			return err
		}
		inputs = append(inputs, capture.File{Path: name, Port: uint32(n)})
	}
	m, err := newMachine(p, content, func(text string) { fmt.Fprintf(cmd.ErrOrStderr(), "log: %s\n", text) })
	if err != nil {
		return err
	}
	in, err := capture.Open(inputs)
	if err != nil {
		return err
	}
	defer in.Close()
	outputs, err := f.openOutputs(inputs)
	if err != nil {
		return err
	}
	defer func() {
		for _, o := range outputs {
			err = errors.Join(err, o.w.Close())
		}
	}()
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, unix.SIGTERM)
	defer stop()
	r := replay{machine: m, outputs: outputs, ports: map[uint32]*runPort{}, drops: map[string]uint64{}}
	for _, f := range inputs {
		r.port(f.Port).Name = f.Path
	}
	if f.trace {
		r.trace, r.traceJSON = cmd.OutOrStdout(), f.output == "json"
	}
	for n := 0; ; n++ {
		// A signal is looked for now and then: a packet takes less than a microsecond.
		if n%1024 == 0 && ctx.Err() != nil {
			err = errors.New("interrupted")
			break
		}
		var frame capture.Frame
		if frame, err = in.Next(); err != nil {
			break
		}
		if err = r.play(frame); err != nil {
			return err
		}
	}
	if err == io.EOF {
		err = nil
	}
	// What was played before a fault is told all the same.
	return errors.Join(printRun(cmd.OutOrStdout(), f.output, r.result()), err)
}

// replay is a run over captures.
type replay struct {
	machine   *exec.Machine
	outputs   []outFile
	ports     map[uint32]*runPort
	drops     map[string]uint64
	trace     io.Writer // nil: none
	traceJSON bool      // an object a line
	packet    exec.Packet
	got       exec.Result
	last      *runPort // of the frame before
}

func (r *replay) port(n uint32) *runPort {
	if r.last != nil && r.last.Port == n {
		return r.last
	}
	p := r.ports[n]
	if p == nil {
		p = &runPort{Port: n}
		r.ports[n] = p
	}
	return p
}

// play puts one frame through the machine; its time is the machine's clock.
func (r *replay) play(f capture.Frame) error {
	from := r.port(f.Port)
	r.last = from
	from.In++
	r.packet = exec.Packet{Port: f.Port, Data: f.Data, WireLen: uint32(f.Length), Now: uint64(max(f.Time.UnixNano(), 1)), Trace: r.trace != nil}
	r.machine.ProcessTo(&r.packet, &r.got)
	if r.got.Dropped {
		from.Drops++
		r.drops[r.got.Reason]++
	}
	if r.trace != nil {
		if err := r.printTrace(from.In); err != nil {
			return err
		}
	}
	for _, o := range r.got.Outputs {
		r.port(o.Port).Out++
		out := capture.Frame{Port: o.Port, Time: f.Time, Data: o.Data}
		for _, w := range r.outputs {
			if w.port < 0 || w.port == int64(o.Port) {
				if err := w.w.Write(out); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *replay) printTrace(number uint64) error {
	t := newTrace(r.machine.Program(), &r.packet, &r.got)
	t.Frame = number
	if r.traceJSON {
		return json.NewEncoder(r.trace).Encode(t)
	}
	return t.print(r.trace)
}

func (r *replay) result() runResult {
	res := runResult{Drops: r.drops}
	for _, p := range r.ports {
		res.Ports = append(res.Ports, *p)
	}
	sort.Slice(res.Ports, func(i, j int) bool { return res.Ports[i].Port < res.Ports[j].Port })
	return res
}
