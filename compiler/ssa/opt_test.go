package ssa

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
	"golang.org/x/tools/txtar"
)

// TestPasses runs each pass of the table on its testdata/opt/NAME.txtar.
func TestPasses(t *testing.T) {
	for _, p := range Passes() {
		t.Run(p.Name, func(t *testing.T) {
			path := filepath.Join("testdata/opt", p.Name+".txtar")
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f, err := Parse(string(file(t, a, "in.ssa").Data), &ir.Program{})
			if err != nil {
				t.Fatal(err)
			}
			p.run(f)
			if err := Verify(f); err != nil {
				t.Fatal(err)
			}
			f.Renumber()
			got := f.String()
			if p.run(f); true {
				if f.Renumber(); f.String() != got && p.Name != "fold" {
					t.Errorf("a second run changes it to\n%s", f)
				}
			}
			want := file(t, a, "want.ssa")
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want.Data) {
				t.Errorf("got\n%s\nwant\n%s", got, want.Data)
			}
		})
	}
}

// stage is one with a frame of a cell.
const stage = "\nstage \"s\" frame=32\nb0:\n v1 = frame.32 aux=24\n output v1"

// TestVerify: each fault is found.
func TestVerify(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"use before definition", "b0:\n v2 = add.32 v1, v1\n v1 = pktlen.32\n output v1", "not defined"},
		{"use from a sibling", "b0:\n v1 = const.1 aux=0\n branch v1 -> b1, b2\nb1:\n v2 = pktlen.32\n output v2\nb2:\n output v2", "not defined"},
		{"argument count", "b0:\n v1 = pktlen.32\n jump -> b1\nb1(v2:32):\n output v2", "arguments"},
		{"argument type", "b0:\n v1 = const.8 aux=1\n jump -> b1(v1)\nb1(v2:32):\n output v2", "another type"},
		{"operand type", "b0:\n v1 = const.8 aux=1\n v2 = pktlen.32\n v3 = add.32 v1, v2\n output v3", "wrong type"},
		{"condition type", "b0:\n v1 = const.8 aux=1\n branch v1 -> b1, b1\nb1:\n drop program", "type 8"},
		{"constant too big", "b0:\n v1 = const.8 aux=256\n drop program", "wrong type"},
		{"unreachable", "b0:\n drop program\nb1:\n drop program", "cannot be reached"},
		{"check without pointer", "b0:\n v1 = const.32 aux=0\n check v1 n=4 -> b1, b1\nb1:\n drop program", "no pointer"},
		{"check target shared", "b0:\n v1 = const.32 aux=0\n check v1 n=4 -> b1, b2\nb2:\n check v1 n=2 -> b1, b3\nb1(v2:ptr):\n output v1\nb3:\n drop parser", "other edges"},
		{"pointer passed on", "b0:\n v1 = const.32 aux=0\n check v1 n=4 -> b1, b2\nb1(v2:ptr):\n jump -> b3(v2)\nb3(v3:ptr):\n output v1\nb2:\n drop parser", "cannot be a parameter"},
		{"load after store", "b0:\n v1 = const.32 aux=0\n v3 = const.8 aux=1\n check v1 n=4 -> b1, b2\nb1(v2:ptr):\n store v2, v3 n=1\n jump -> b3\nb3:\n v4 = load.8 v2 n=1\n output v1\nb2:\n drop parser", "after it was changed"},
		{"store after splice", "b0:\n v1 = const.32 aux=0\n v3 = const.8 aux=1\n check v1 n=4 -> b1, b2\nb1(v2:ptr):\n v5 = splice.1 v1, v1\n store v2, v3 n=1\n output v1\nb2:\n drop parser", "resized"},
		{"duplicate label", "b0:\n v1 = pktlen.32\n switch v1 -> 1: b1, 1: b1, b1\nb1:\n drop program", "label"},
		{"entry with parameters", "b0(v1:32):\n output v1", "entry block"},
		{"no table", "b0:\n v1 = const.32 aux=0\n v2 = entry.64 v1\n drop program", "no table"},
		{"hash of bits", "b0:\n v1 = const.4 aux=0\n v2 = crc16.16 v1\n drop program", "whole bytes"},
		{"frame outside of stages", "b0:\n v1 = frame.32 aux=0\n drop program", "outside of stages"},
		{"job without stage", "b0:\n v1 = job.32 aux=0\n next", "no such stage"},
		{"job of no kind", "b0:\n v1 = job.32 aux=0 n=3\n next" + stage, "no such job"},
		{"store to no job", "b0:\n v1 = pktlen.32\n jobstore v1, v1\n next" + stage, "no job"},
		{"store to half a cell", "b0:\n v1 = job.32 aux=0\n jobstore v1, v1 aux=28\n next" + stage, "no such cell"},
		{"store of a length", "b0:\n v1 = job.32 aux=0\n jobstore v1, v1 aux=12\n next" + stage, "cell of the engine"},
		{"narrow store to a word", "b0:\n v1 = job.32 aux=0\n v2 = const.8 aux=1\n jobstore v1, v2\n next" + stage, "no such cell"},
		{"store behind replication", "b0:\n v1 = job.32 aux=0\n v2 = replicate.1 v1, v1\n jobstore v1, v1 aux=24\n next" + stage, "after it was replicated"},
		{"job of another block", "b0:\n v1 = job.32 aux=0\n v2 = const.1 aux=1\n branch v2 -> b1, b2\nb1:\n jobstore v1, v1 aux=24\n next\nb2:\n next" + stage, "not the last job"},
		{"replication of no kind", "b0:\n v1 = job.32 aux=0\n v2 = replicate.1 v1, v1 n=2\n next" + stage, "no such replication"},
		{"output behind a job", "b0:\n v1 = job.32 aux=0\n jump -> b1\nb1:\n output v1" + stage, "output after a job"},
		{"drop behind a job", "b0:\n v1 = job.32 aux=0\n drop program" + stage, "drop after a job"},
		{"change behind a job", "b0:\n v1 = job.32 aux=0\n v2 = trim.1 v1\n next" + stage, "changed after a job"},
		{"job behind a change", "b0:\n v1 = const.32 aux=0\n v2 = trim.1 v1\n v3 = job.32 aux=0\n next" + stage, "job is made after"},
		{"a cell of two types", "b0:\n v1 = job.32 aux=0\n v2 = const.8 aux=1\n jobstore v1, v2 aux=24\n next" + stage, "two types"},
		{"cell beyond the frame", "b0:\n v1 = job.32 aux=0\n next\nstage \"s\" frame=24\nb0:\n v1 = frame.32 aux=24\n output v1", "beyond the frame"},
		{"frame too small", "b0:\n next\nstage \"s\" frame=16\nb0:\n next", "frame of 16 bytes"},
		{"frame of the whole", "b0:\n next\nstage \"s\" frame=24\nb0:\n next", "largest frame has 24 bytes, not 0"},
		{"next with an operand", "b0:\n v1 = pktlen.32\n next v1", "with an operand"},
		{"same width zext", "b0:\n v1 = const.4 aux=0\n v2 = zext.4 v1\n drop program", "wrong type"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("func \"t\"\n"+test.text+"\n", &ir.Program{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// FuzzParse: what is accepted prints to a text that is read back the same.
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"testdata/opt/*.txtar", "testdata/lower/*.txtar"} {
		paths, _ := filepath.Glob(dir)
		for _, path := range paths {
			a, err := txtar.ParseFile(path)
			if err != nil {
				f.Fatal(err)
			}
			for _, s := range a.Files {
				if strings.HasSuffix(s.Name, ".ssa") {
					f.Add(string(s.Data))
				}
			}
		}
	}
	prog := sample(f, "router", Options{}).Prog
	f.Fuzz(func(t *testing.T, text string) {
		g, err := Parse(text, prog)
		if err != nil {
			return
		}
		once := g.String()
		h, err := Parse(once, prog)
		if err != nil {
			t.Fatalf("%v in\n%s", err, once)
		}
		if again := h.String(); again != once {
			t.Errorf("prints as\n%s\nthen as\n%s", once, again)
		}
		if err := Optimize(g, Options{}); err != nil {
			t.Errorf("%v after optimising\n%s", err, once)
		}
	})
}
