package ebpf

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// kernel is one compiled and loaded program with its maps.
type kernel struct {
	t       testing.TB
	l       *Layout
	obj     *Object
	maps    map[string]*ebpf.Map
	prog    *ebpf.Program
	machine *ebpf.Program // nil: no copies
	off     int
	// writers of the tables with one, by table
	writers map[int]Writer
	grace   func() error
}

// writer is table i's, on the memory of its maps.
func (k *kernel) writer(i int) Writer {
	k.t.Helper()
	if k.writers == nil {
		k.writers = map[int]Writer{}
	}
	if w := k.writers[i]; w != nil {
		return w
	}
	epoch := uint64(1)
	k.grace = func() error {
		epoch++
		if _, _, e := unix.Syscall(unix.SYS_MEMBARRIER, 1, 0, 0); e != 0 {
			return e
		}
		return nil
	}
	w := k.l.Tables[i].Engine.(Packed).NewWriter(WriterEnv{
		Value: func(m *MapSpec) []byte {
			size := (int(m.ValueSize) + 8 + unix.Getpagesize() - 1) &^ (unix.Getpagesize() - 1)
			mem, err := unix.Mmap(k.maps[m.Name].FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				k.t.Fatal(err)
			}
			k.t.Cleanup(func() { _ = unix.Munmap(mem) })
			return mem[:m.ValueSize]
		},
		Put:    func(m *MapSpec, key []byte, v uint32) error { return k.maps[m.Name].Put(key, v) },
		Delete: func(m *MapSpec, key []byte) error { return k.maps[m.Name].Delete(key) },
		Epoch:  func() uint64 { return epoch },
		Grace:  k.grace,
	})
	w.Live()
	k.writers[i] = w
	return w
}

func makeMaps(t testing.TB, specs []*MapSpec, maps map[string]*ebpf.Map) {
	t.Helper()
	for _, s := range specs {
		if maps[s.Name] != nil {
			continue
		}
		m, err := ebpf.NewMap(s.Spec())
		if err != nil {
			t.Fatalf("map %s: %v", s.Name, err)
		}
		t.Cleanup(func() { m.Close() })
		maps[s.Name] = m
		if s.Contents != nil {
			if err := m.Put(uint32(0), s.Contents); err != nil {
				t.Fatal(err)
			}
			if err := m.Freeze(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func loadProg(t testing.TB, obj *Object, maps map[string]*ebpf.Map) *ebpf.Program {
	t.Helper()
	spec, err := obj.Spec("p4nic_test", maps)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := ebpf.NewProgram(spec)
	if err != nil {
		var ve *ebpf.VerifierError
		if errors.As(err, &ve) {
			n := max(len(ve.Log)-60, 0)
			t.Fatalf("%v\n%s", err, strings.Join(ve.Log[n:], "\n"))
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { prog.Close() })
	return prog
}

func compileLoad(t testing.TB, f *ssa.Func, l *Layout, o Options) *kernel {
	t.Helper()
	obj, err := Compile(f, l, o)
	if err != nil {
		t.Fatal(err)
	}
	k := &kernel{t: t, l: l, obj: obj, maps: map[string]*ebpf.Map{}, off: o.StartOffset}
	makeMaps(t, l.Maps(), k.maps)
	makeMaps(t, obj.Maps, k.maps)
	k.prog = loadProg(t, obj, k.maps)
	k.loadMachine()
	return k
}

// What run gives for packets that were copied.
const (
	runCopies = 1 << 20
	runFork   = 1 << 21
)

// run plays a packet and gives the output port, or -1-reason for a drop.
func (k *kernel) run(ingress uint32, pkt []byte) (int, []byte) {
	k.t.Helper()
	if err := k.maps[MapResult].Put(uint32(0), Result{Ingress: ingress}); err != nil {
		k.t.Fatal(err)
	}
	in := append(make([]byte, k.off), pkt...)
	out := make([]byte, len(in)+512)
	o := ebpf.RunOptions{Data: in, DataOut: out}
	if _, err := k.prog.Run(&o); err != nil {
		k.t.Fatal(err)
	}
	var r Result
	if err := k.maps[MapResult].Lookup(uint32(0), &r); err != nil {
		k.t.Fatal(err)
	}
	switch r.Verdict {
	case VerdictDrop:
		return -1 - int(r.Reason), nil
	case VerdictOutput:
		return int(r.Port), o.DataOut[k.off:]
	case VerdictCopies:
		return runCopies, nil
	case VerdictFork:
		return runFork, nil
	}
	k.t.Fatalf("no verdict for packet % x", pkt)
	return 0, nil
}

// insert writes an entry with its data.
func (k *kernel) insert(table int, e ir.Entry) {
	k.t.Helper()
	tl := k.l.Tables[table]
	w, needs := tl.EncodeWord(&e, e.Handle)
	if needs {
		k.put(tl.Data.Name, tl.DataBase+e.Handle, tl.EncodeData(&e))
	}
	k.put(tl.Entry.Name, tl.EntryBase+e.Handle, w)
	if _, ok := tl.Engine.(Packed); ok && e.Handle != 0 {
		if err := errors.Join(k.writer(table).Insert(&e), k.writer(table).Flush()); err != nil {
			k.t.Fatal(err)
		}
	}
	if eng, ok := tl.Engine.(Keyed); ok && e.Handle != 0 {
		key, err := eng.EncodeKey(&e)
		if err != nil {
			k.t.Fatal(err)
		}
		if err := k.maps[eng.Map().Name].Put(key, e.Handle); err != nil {
			k.t.Fatal(err)
		}
	}
}

func (k *kernel) put(name string, key uint32, v any) {
	k.t.Helper()
	if err := k.maps[name].Put(key, v); err != nil {
		k.t.Fatalf("%s[%d]: %v", name, key, err)
	}
}

// setRows writes all entries of a linear table into a half.
func (k *kernel) setRows(table, half int, es []ir.Entry) {
	k.t.Helper()
	e := k.l.Tables[table].Engine.(*Linear)
	b, err := e.EncodeRows(es)
	if err != nil {
		k.t.Fatal(err)
	}
	all := make([]byte, e.Rows.ValueSize)
	copy(all[e.HalfOffset(half):], b)
	k.put(e.Rows.Name, 0, all)
	k.put(e.Control.Name, 0, e.ControlWord(half, len(es)))
}
