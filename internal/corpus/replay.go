package corpus

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// WorkerArg, as the only argument of the command, makes it a worker: jobs as
// lines of JSON on the standard input, results on the standard output. A process
// apart is what a time limit can end and what a stack overflow may kill.
const WorkerArg = "worker"

// Work serves as a worker until in ends.
// kernel plays packet tests in the kernel; nil where none are asked for.
func Work(in io.Reader, out io.Writer, kernel KernelSTF) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var j Job
		if err := dec.Decode(&j); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := enc.Encode(Compile(j, kernel)); err != nil {
			return err
		}
	}
}

// Replay says how to play programs.
type Replay struct {
	Root    string
	Limit   Stage
	Workers int
	Timeout time.Duration // of one program
	// Kernel: play packet tests in the kernel too.
	Kernel bool
	// Exe is the command that is a worker when called with WorkerArg.
	Exe string
	// Done, when not nil, is told of every program as it ends, in no order.
	Done func(*Result)
}

// Run compiles every program; results are in the order of programs.
func (rp *Replay) Run(programs []Program) ([]Result, error) {
	out := make([]Result, len(programs))
	jobs := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var firstErr error
	for range max(rp.Workers, 1) {
		wg.Go(func() {
			w := &worker{rp: rp}
			defer w.stop()
			for i := range jobs {
				p := &programs[i]
				r, err := w.compile(Job{Root: rp.Root, Path: p.Path, Arch: p.Arch, STF: p.STF != "", Limit: rp.limit(p), Kernel: rp.Kernel})
				mu.Lock()
				if err != nil && firstErr == nil {
					firstErr = fmt.Errorf("%s: %w", p.Path, err)
				}
				if r != nil {
					out[i] = *r
					if rp.Done != nil {
						rp.Done(r)
					}
				}
				mu.Unlock()
			}
		})
	}
	for i := range programs {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	return out, firstErr
}

// limit: what must be rejected is for the checker alone; what includes no
// architecture is for the front end, unless P4Info is recorded of it.
func (rp *Replay) limit(p *Program) Stage {
	switch {
	case p.Want == Reject:
		return min(rp.Limit, StageCheck)
	case p.P4Info == "" && (p.Arch == "core" || p.Arch == "none" || p.Arch == "other"):
		return min(rp.Limit, StageTyped)
	}
	return rp.Limit
}

type worker struct {
	rp     *Replay
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

func (w *worker) start() error {
	w.cmd = exec.Command(w.rp.Exe, WorkerArg)
	w.cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOTRACEBACK=single")
	w.stderr.Reset()
	w.cmd.Stderr = &w.stderr
	in, err := w.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	w.in, w.out = in, bufio.NewReaderSize(out, 1<<20)
	return w.cmd.Start()
}

// stop ends the process; it may have ended by itself, or be past answering.
func (w *worker) stop() {
	if w.cmd == nil {
		return
	}
	_ = w.in.Close()
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
	w.cmd = nil
}

func (w *worker) compile(j Job) (*Result, error) {
	if w.cmd == nil {
		if err := w.start(); err != nil {
			w.cmd = nil
			return nil, err
		}
	}
	msg, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	type answer struct {
		line []byte
		err  error
	}
	c := make(chan answer, 1)
	go func() {
		if _, err := w.in.Write(append(msg, '\n')); err != nil {
			c <- answer{nil, err}
			return
		}
		line, err := w.out.ReadBytes('\n')
		c <- answer{line, err}
	}()
	timer := time.NewTimer(w.rp.Timeout)
	defer timer.Stop()
	select {
	case a := <-c:
		if a.err != nil {
			w.stop()
			return &Result{Path: j.Path, Verdict: Crash, Why: "died", Note: firstLine(w.stderr.String())}, nil
		}
		var r Result
		if err := json.Unmarshal(a.line, &r); err != nil {
			w.stop()
			return nil, err
		}
		return &r, nil
	case <-timer.C:
		w.stop()
		<-c
		return &Result{Path: j.Path, Verdict: Timeout, Why: "timeout", Note: w.rp.Timeout.String()}, nil
	}
}
