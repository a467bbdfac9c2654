package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// files measures both programs on captures: CPU time for each packet that came in.
func (o *options) files(r *router) error {
	in := filepath.Join(o.dir, "0_in.pcap")
	if err := r.writeCapture(in, o.packets); err != nil {
		return err
	}
	if err := r.writeCapture(filepath.Join(o.dir, "1_in.pcap"), 0); err != nil {
		return err
	}
	cpu, out := map[switchKind][]float64{}, map[switchKind]int{}
	for range o.rounds {
		for _, k := range o.kinds() {
			measure := o.simulatorFiles
			if k == simpleSwitch {
				measure = o.simpleSwitchFiles
			}
			t, n, err := measure(r, in)
			if err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
			cpu[k] = append(cpu[k], t.Seconds()/float64(o.packets)*1e6)
			out[k] = n
		}
	}
	for _, k := range o.kinds() {
		fmt.Printf("files, %d routes: %-13s %8.3f us CPU a packet, %d of %d came out", len(r.routes), k, median(cpu[k]), out[k], o.packets)
		if k == simpleSwitch {
			fmt.Printf(", %.1f times the simulator", median(cpu[k])/median(cpu[simulator]))
		}
		fmt.Println()
	}
	return nil
}

// simulatorFiles runs nicctl run.
func (o *options) simulatorFiles(r *router, in string) (time.Duration, int, error) {
	out := filepath.Join(o.dir, "out.pcap")
	cmd := exec.Command(o.nicctl, "run", o.path(r, "nicpkg"), "--pcap-in", "0="+in, "--pcap-out", "1="+out)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return 0, 0, err
	}
	n, err := framesIn(out)
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), n, err
}

// framesIn is the number of frames of frameSize in a capture.
func framesIn(path string) (int, error) {
	st, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return int(max(st.Size()-24, 0)) / (16 + frameSize), nil
}

// simpleSwitchFiles runs simple_switch until its output has not grown for two
// seconds. It reads as fast as it can and drops what its queues do not hold.
func (o *options) simpleSwitchFiles(r *router, _ string) (time.Duration, int, error) {
	out := filepath.Join(o.dir, "1_out.pcap")
	if err := os.Remove(out); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, 0, err
	}
	cmd, stop, err := o.startSimpleSwitch(r, "--use-files", "0", "-i", "0@0", "-i", "1@1")
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	const quiet, every = 2 * time.Second, 100 * time.Millisecond
	last, since := -1, time.Now()
	for time.Since(since) < quiet || last <= 0 {
		time.Sleep(every)
		n, err := framesIn(out)
		if err != nil {
			return 0, 0, err
		}
		if n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) > time.Minute {
			return 0, 0, errors.New("nothing comes out")
		}
	}
	t, err := cpuTime(cmd.Process.Pid)
	return t, last, err
}

// startSimpleSwitch starts simple_switch in the directory of the files.
func (o *options) startSimpleSwitch(r *router, args ...string) (*exec.Cmd, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, o.simpleSwitch, append(args, "--thrift-port", strconv.Itoa(port), "--log-level", "off", o.path(r, "json"))...)
	cmd.Dir = o.dir
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, nil, err
	}
	return cmd, func() {
		cancel()
		_ = cmd.Wait()
	}, nil
}

// cpuTime is a process's CPU time so far.
func cpuTime(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, err := strconv.Atoi(f[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(f[12])
	// USER_HZ is 100 on all architectures that Go runs on.
	return time.Duration(user+system) * 10 * time.Millisecond, err
}
