package bmv2tests

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/stf"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/internal/packetcase"
)

const filterRoot = "testdata/filters"

// TestPacketFilters plays testdata/filters/*.stf, programs of ebpf_model and xdp_model,
// on ir/exec, in SSA and in the kernel. A comment "# restates NAME..." names the
// programs of p4c's eBPF suite whose behaviour a test has in its own words.
//
// lang:E1 lang:E2 lang:E3 lang:E4 lang:E5 lang:E6 lang:E7 lang:E8 lang:E9 lang:E10
// lang:E11 lang:E12 lang:E13 lang:E14 lang:E17
func TestPacketFilters(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(filterRoot, "*.stf"))
	check(t, err)
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".stf"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			check(t, err)
			p, err := Compile(archProgram(f, text), nil)
			check(t, err)
			test, err := stf.Parse(f, text)
			check(t, err)
			engines := []struct {
				name string
				make func() (stf.Engine, error)
			}{
				{"core", func() (stf.Engine, error) { return stf.NewSim(p.Core) }},
				{"typed", func() (stf.Engine, error) { return stf.NewSim(p.Typed) }},
				{"ssa", func() (stf.Engine, error) { return stf.NewSSA(p.Core) }},
				{"xdp", kernelSTF(t, p, newXDP)},
				{"tc", kernelSTF(t, p, newTC)},
			}
			for _, en := range engines {
				t.Run(en.name, func(t *testing.T) {
					if en.name == "xdp" || en.name == "tc" {
						netnstest.NeedBPF(t)
					}
					e, err := en.make()
					check(t, err)
					if r := stf.Run(test, e, nil); r.Status != stf.Passed {
						t.Errorf("%s\n%s", r.Status, r.Report)
					}
				})
			}
		})
	}
}

// kernelSTF plays STF tests on an engine that takes its entries when it is made: a
// command that changes a table behind a packet makes a new one, and counters of both
// are added up.
func kernelSTF(t *testing.T, p *Program, engine func(*Program, []packetcase.Content) (Engine, error)) func() (stf.Engine, error) {
	return func() (stf.Engine, error) {
		k := &kernelPlayer{p: p, engine: engine, content: make([]packetcase.Content, len(p.Core.Tables))}
		for i, tb := range p.Core.Tables {
			if len(tb.Actions) == 0 {
				continue
			}
			es, def, err := tb.Initial()
			if err != nil {
				return nil, err
			}
			k.content[i] = packetcase.Content{Entries: es, Default: def}
		}
		t.Cleanup(func() { check(t, k.close()) })
		return k, nil
	}
}

type kernelPlayer struct {
	p       *Program
	engine  func(*Program, []packetcase.Content) (Engine, error)
	content []packetcase.Content
	now     Engine
	before  []State
}

func (k *kernelPlayer) Program() *ir.Program { return k.p.Core }

func (k *kernelPlayer) close() error {
	if k.now == nil {
		return nil
	}
	e := k.now
	k.now = nil
	s, err := e.State()
	if err == nil {
		k.before = append(k.before, s)
		err = e.Close()
	}
	return err
}

func (k *kernelPlayer) Process(port uint32, data []byte) ([]stf.Packet, error) {
	if k.now == nil {
		e, err := k.engine(k.p, k.content)
		if err != nil {
			return nil, err
		}
		k.now = e
	}
	out, err := k.now.Process(port, data)
	var ps []stf.Packet
	for _, o := range out {
		ps = append(ps, stf.Packet{Port: o.Port, Data: o.Data})
	}
	return ps, err
}

func (k *kernelPlayer) Insert(table int, e ir.Entry) error {
	k.content[table].Entries = append(k.content[table].Entries, e)
	return k.close()
}

func (k *kernelPlayer) Delete(table int, handle uint32) error {
	k.content[table].Entries = slices.DeleteFunc(k.content[table].Entries, func(e ir.Entry) bool { return e.Handle == handle })
	return k.close()
}

func (k *kernelPlayer) SetDefault(table int, e ir.Entry) error {
	k.content[table].Default = e
	return k.close()
}

func (k *kernelPlayer) Counter(table int, handle uint32) (packets, bytes uint64, err error) {
	return k.count(k.p.Core.Tables[table].Name, handle)
}

func (k *kernelPlayer) InstanceCounter(name string, index uint32) (packets, bytes uint64, err error) {
	return k.count(name, index)
}

func (k *kernelPlayer) count(name string, index uint32) (packets, bytes uint64, err error) {
	all := k.before
	if k.now != nil {
		s, err := k.now.State()
		if err != nil {
			return 0, 0, err
		}
		all = append(all[:len(all):len(all)], s)
	}
	for _, s := range all {
		var p, b uint64
		if v, is := s[fmt.Sprintf("%s[%d]", name, index)]; is {
			if _, err := fmt.Sscanf(v, "%d packets, %d bytes", &p, &b); err != nil {
				return 0, 0, err
			}
		}
		packets, bytes = packets+p, bytes+b
	}
	return packets, bytes, nil
}

func (k *kernelPlayer) Register(string, uint32) ([]byte, error) {
	return nil, &stf.Unsupported{Reason: "registers in the kernel are compared by the packet cases"}
}

func (k *kernelPlayer) SetRegister(string, uint32, []byte) error {
	return &stf.Unsupported{Reason: "registers in the kernel are written by packets only"}
}
