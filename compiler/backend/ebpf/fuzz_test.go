package ebpf

import (
	"bytes"
	"testing"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Whatever lies in the maps, decoding it gives an entry or an error, and what a
// key decodes to encodes to the same key.
func FuzzDecode(f *testing.F) {
	l := planPlain(f,
		table("h", 8, []ir.Key{key("a", 9, ir.MatchExact), key("c", 70, ir.MatchExact)}, action("NoAction"), action("wide", 9, 128), action("small", 40)),
		table("l", 8, []ir.Key{key("d", 48, ir.MatchLPM), key("v", 12, ir.MatchExact)}, action("NoAction")),
		table("a", 8, []ir.Key{key("d", 9, ir.MatchExact)}, action("NoAction")),
		table("r", 8, []ir.Key{key("d", 9, ir.MatchTernary), key("e", 70, ir.MatchRange)}, action("NoAction")),
	)
	f.Add([]byte{1, 2, 3}, uint64(1)<<56)
	f.Add(make([]byte, 20), uint64(2)<<56)
	f.Add(make([]byte, 56), uint64(255)<<56)
	f.Fuzz(func(t *testing.T, b []byte, word uint64) {
		for _, tl := range l.Tables {
			if _, _, err := tl.DecodeWord(word, func(uint32) ([]byte, error) { return b, nil }); err == nil && word>>56 >= uint64(len(tl.Actions)) {
				t.Errorf("word %#x has no action", word)
			}
			switch e := tl.Engine.(type) {
			case Keyed:
				ms, err := e.DecodeKey(b)
				if err != nil {
					continue
				}
				k1, err := e.EncodeKey(&ir.Entry{Match: ms})
				if err != nil {
					continue // a prefix length that no entry has
				}
				back, err := e.DecodeKey(k1)
				if err != nil {
					t.Fatal(err)
				}
				if k2, err := e.EncodeKey(&ir.Entry{Match: back}); err != nil || !bytes.Equal(k1, k2) {
					t.Errorf("%x, %x, %v", k1, k2, err)
				}
			case *Linear:
				_, _ = e.DecodeRows(b)
			}
		}
	})
}
