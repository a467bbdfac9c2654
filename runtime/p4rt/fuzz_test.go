package p4rt

import (
	"reflect"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

// FuzzUpdate: any bytes are read as an Update without a panic, and what is decoded
// from the bytes is what is decoded from the message.
func FuzzUpdate(f *testing.F) {
	p, err := storetest.Program("")
	if err != nil {
		f.Fatal(err)
	}
	pl, err := store.NewPipeline(store.Config{}, p)
	if err != nil {
		f.Fatal(err)
	}
	b, err := bind(infoOf(p), pl)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		`INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x00\x00" prefix_len:24}} FORWARD}`,
		`DELETE table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a" prefix_len:32}}}`,
		`MODIFY table_entry{table_id:ROUTES is_default_action:true FORWARD}`,
	} {
		raw, err := proto.Marshal(parse(f, text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := wireDecoder{b: b}
		var got entity.Update
		direct := d.update(raw, &got)
		m := &p4v1.Update{}
		if err := proto.Unmarshal(raw, m); err != nil {
			if direct {
				t.Fatalf("decoded; the message says %v", err)
			}
			return
		}
		want, skip, err := b.update(m)
		if !direct {
			return
		}
		if err != nil || skip {
			t.Fatalf("decoded to %+v; the message says %v, skip %v", got, err, skip)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
