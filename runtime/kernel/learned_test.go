package kernel

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// TestLearned: entries that packets add are listed, end when their time is over
// without a packet that meets them, give their room back, and stay over a change of
// the pipeline. The program is bmv2-tests/testdata/learn/flows.p4.
//
// lang:N24 lang:N28 D7
func TestLearned(t *testing.T) {
	src, err := os.ReadFile("testdata/learn.ir")
	netnstest.Check(t, err)
	prog, err := ir.Parse("learn.ir", src)
	netnstest.Check(t, err)
	b := newBench(t)
	for i := range b.far {
		netnstest.Check(t, b.far[i].Sysctl("net/ipv6/conf/eth0/disable_ipv6", "1"))
	}
	sock := netnstest.Packets(t, b.far[0], "eth0")
	p := b.mustOpen()
	p.linger = time.Millisecond
	b.attach(p, "")
	table := slices.IndexFunc(prog.Tables, func(tb *ir.Table) bool { return tb.Name == "M.flows" })
	seq := uint64(0)
	load := func() {
		t.Helper()
		seq++
		content := make([]dataplane.Content, len(prog.Tables))
		for i, tb := range prog.Tables {
			var err error
			content[i].Entries, content[i].Default, err = tb.Initial()
			netnstest.Check(t, err)
		}
		g, err := p.Prepare(dataplane.Config{Program: prog, Sequence: seq, KeepState: seq > 1, Content: content})
		netnstest.Check(t, err)
		netnstest.Check(t, g.Commit())
	}
	count := func() int {
		t.Helper()
		es, err := p.Learned(table)
		netnstest.Check(t, err)
		return len(es)
	}
	// what, key, more, profile, value, answer
	add := func(key, profile byte) {
		t.Helper()
		frame := make([]byte, 60)
		frame[0], frame[1], frame[6] = 1, key, profile // 1 adds narrow
		netnstest.Check(t, sock.Send(frame))
	}
	load()
	netnstest.Check(t, p.SetExpireTimes(map[uint8]time.Duration{1: 2 * time.Second}))
	for key := range byte(4) {
		add(key, 1)
	}
	netnstest.Eventually(t, 5*time.Second, "three flows are open", func() bool { return count() == 3 })
	load()
	if n := count(); n == 0 {
		t.Error("D7 a change of the pipeline loses what packets taught")
	}
	netnstest.Eventually(t, 10*time.Second, "they are over", func() bool { return count() == 0 })
	netnstest.Eventually(t, 10*time.Second, "there is room again", func() bool {
		for key := range byte(3) {
			add(key+10, 0)
		}
		return count() == 3
	})
	es, err := p.Learned(table)
	netnstest.Check(t, err)
	for _, e := range es {
		if e.Action != 0 || len(e.Match) != 2 || len(e.Args) != 2 || e.Match[0].Value[0] < 10 || e.IdleTimeout != 0 {
			t.Errorf("an entry %+v", e)
		}
	}
}
