package bmv2tests

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/packetcase"
)

var simpleSwitch = flag.String("simple_switch", "", "record again what this simple_switch does with the cases that are recorded")

// TestRecorded: ir/exec sends on every port what the real simple_switch sent, as
// recorded in recorded/CASE.txt: one line a packet, by port, in order. The switch
// ran our JSON with the case's entries as const entries.
func TestRecorded(t *testing.T) {
	n := 0
	for _, c := range loadCases(t) {
		file := filepath.Join("recorded", strings.ReplaceAll(c.Name, "/", "_")+".txt")
		if _, err := os.Stat(file); err != nil { // to record a new case, make an empty file
			continue
		}
		n++
		t.Run(c.Name, func(t *testing.T) {
			p, err := c.Compile()
			check(t, err)
			content, err := c.Content(p)
			check(t, err)
			e := open(t, Reference(), p, content)
			ports := map[uint32]bool{}
			out := map[uint32][]string{}
			for _, in := range inputs(c) {
				ports[in.Port] = true
				got, err := e.Process(in.Port, in.Data)
				check(t, err)
				for _, o := range got {
					ports[o.Port] = true
					out[o.Port] = append(out[o.Port], fmt.Sprintf("%d %x\n", o.Port, o.Data))
				}
			}
			got := lines(out)
			if *simpleSwitch != "" {
				text := lines(record(t, p, content, inputs(c), slices.Sorted(maps.Keys(ports))))
				check(t, os.WriteFile(file, []byte(text), 0o644))
			}
			want, err := os.ReadFile(file)
			check(t, err)
			if got != string(want) {
				t.Errorf("got\n%s\nsimple_switch\n%s", got, want)
			}
		})
	}
	if n == 0 {
		t.Fatal("nothing is recorded")
	}
}

func lines(out map[uint32][]string) string {
	var b strings.Builder
	for _, port := range slices.Sorted(maps.Keys(out)) {
		b.WriteString(strings.Join(out[port], ""))
	}
	return b.String()
}

// record plays packets on simple_switch by files, one a port.
func record(t *testing.T, p *Program, content []packetcase.Content, in []packetcase.Packet, ports []uint32) map[uint32][]string {
	t.Helper()
	dir := t.TempDir()
	js, err := bmv2.Export(baked(t, p.Core, content))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "p.json"), js, 0o644))
	args := []string{"--use-files", "0", "--thrift-port", "0"}
	for _, port := range ports {
		check(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d_in.pcap", port)), pcap(in, port), 0o644))
		args = append(args, "-i", fmt.Sprintf("%d@%d", port, port))
	}
	cmd := exec.Command(*simpleSwitch, append(args, "p.json")...)
	cmd.Dir = dir
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	check(t, cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	size, same := int64(0), 0
	for same < 8 { // until the files have not grown for a while
		select {
		case err := <-done:
			t.Fatalf("simple_switch: %v\n%s", err, log.String())
		case <-time.After(250 * time.Millisecond):
		}
		now := int64(0)
		for _, port := range ports {
			if st, err := os.Stat(filepath.Join(dir, fmt.Sprintf("%d_out.pcap", port))); err == nil {
				now += st.Size()
			}
		}
		if same++; now != size {
			size, same = now, 0
		}
	}
	check(t, cmd.Process.Signal(os.Interrupt))
	<-done
	out := map[uint32][]string{}
	for _, port := range ports {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d_out.pcap", port)))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		check(t, err)
		for b = b[min(24, len(b)):]; len(b) >= 16; {
			n := int(binary.LittleEndian.Uint32(b[8:]))
			if len(b) < 16+n {
				break
			}
			out[port] = append(out[port], fmt.Sprintf("%d %x\n", port, b[16:16+n]))
			b = b[16+n:]
		}
	}
	return out
}

// pcap is the packets of one port; times keep the order over all ports.
func pcap(in []packetcase.Packet, port uint32) []byte {
	b := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0}
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 65535)
	b = binary.LittleEndian.AppendUint32(b, 1)
	for i, p := range in {
		if p.Port != port {
			continue
		}
		at := i * 3000 // microseconds
		for _, v := range []uint32{uint32(at / 1e6), uint32(at % 1e6), uint32(len(p.Data)), uint32(len(p.Data))} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		b = append(b, p.Data...)
	}
	return b
}

// baked is p with content as the entries that the program itself writes.
func baked(t *testing.T, p *ir.Program, content []packetcase.Content) *ir.Program {
	t.Helper()
	q := ir.Clone(p)
	for i, tb := range q.Tables {
		if len(tb.Actions) == 0 {
			continue
		}
		tb.DefaultAction, tb.DefaultArgs = content[i].Default.Action, nil
		for _, a := range content[i].Default.Args {
			tb.DefaultArgs = append(tb.DefaultArgs, new(big.Int).SetBytes(a))
		}
		tb.Entries, tb.HasEntries, tb.ConstEntries = nil, true, true
		for _, e := range content[i].Entries {
			c := ir.ConstEntry{Action: e.Action, Priority: e.Priority, Const: true}
			for _, a := range e.Args {
				c.Args = append(c.Args, new(big.Int).SetBytes(a))
			}
			for j, m := range e.Match {
				c.Sets = append(c.Sets, setOf(tb.Keys[j], m))
			}
			tb.Entries = append(tb.Entries, c)
		}
	}
	return q
}

func setOf(k ir.Key, m ir.Match) ir.Set {
	w := ir.Width(k.Expr.Type())
	v := new(big.Int).SetBytes(m.Value)
	hi := new(big.Int).SetBytes(m.Mask)
	switch k.Kind {
	case ir.MatchLPM:
		ones := new(big.Int).Lsh(big.NewInt(1), uint(m.PrefixLen))
		ones.Sub(ones, big.NewInt(1)).Lsh(ones, uint(w-m.PrefixLen))
		return ir.Set{Kind: ir.SetMask, Lo: v, Hi: ones}
	case ir.MatchTernary:
		if m.Mask == nil {
			return ir.Set{}
		}
		return ir.Set{Kind: ir.SetMask, Lo: v, Hi: hi}
	case ir.MatchRange:
		if m.Mask == nil {
			return ir.Set{}
		}
		return ir.Set{Kind: ir.SetRange, Lo: v, Hi: hi}
	case ir.MatchOptional:
		if m.Value == nil {
			return ir.Set{}
		}
	}
	return ir.Set{Kind: ir.SetValue, Lo: v}
}
