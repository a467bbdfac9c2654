package p4wire

import (
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"
)

// FuzzWrite: the header and the counts are those of the general decoder, and the
// updates' bytes decode to its updates; what it refuses is refused, with the
// header or with an update.
func FuzzWrite(f *testing.F) {
	seed := func(r *p4v1.WriteRequest, more ...byte) {
		raw, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(raw, more...))
	}
	entry := &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{TableId: 7, Priority: 3}}}
	full := &p4v1.WriteRequest{DeviceId: 1, Role: "r", ElectionId: &p4v1.Uint128{Low: 3}, Atomicity: p4v1.WriteRequest_ROLLBACK_ON_ERROR,
		Updates: []*p4v1.Update{{Type: p4v1.Update_INSERT, Entity: entry}, {Type: p4v1.Update_DELETE}, {}}}
	seed(full)
	seed(full, 0x1a, 0x02, 0x08, 0x01) // a second election id
	seed(full, 0x22, 0x02, 0x08)       // an update that is cut off
	seed(&p4v1.WriteRequest{}, 0xf8, 0x07, 0x01)
	f.Add([]byte{0x32, 0x01, 0xff}) // a role that is no UTF-8
	f.Fuzz(func(t *testing.T, raw []byte) {
		w := New(raw)
		head, whole, err := w.Request()
		want := &p4v1.WriteRequest{}
		if wantErr := proto.Unmarshal(raw, want); wantErr != nil {
			if err == nil && !whole {
				for u := range w.Updates() {
					if proto.Unmarshal(u, &p4v1.Update{}) != nil {
						return
					}
				}
			}
			if err == nil {
				t.Fatalf("accepted; the general decoder says %v", wantErr)
			}
			return
		}
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		got := proto.CloneOf(head)
		if !whole {
			for u := range w.Updates() {
				m := &p4v1.Update{}
				if err := proto.Unmarshal(u, m); err != nil {
					t.Fatal(err)
				}
				got.Updates = append(got.Updates, m)
			}
		}
		if !proto.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		var kinds Kinds
		for _, u := range want.GetUpdates() {
			kinds.add(u.GetType())
		}
		if w.Kinds() != kinds {
			t.Errorf("counted %v, want %v", w.Kinds(), kinds)
		}
	})
}
