package p4rt

import (
	"bytes"
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/internal/p4wire"
	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

func bound(t testing.TB) *binding {
	t.Helper()
	p, err := storetest.Program("")
	if err != nil {
		t.Fatal(err)
	}
	pl, err := store.NewPipeline(store.Config{}, p)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bind(infoOf(p), pl)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// updates are right ones of every kind of match and ones that are wrong in
// many ways.
var updates = []string{
	`INSERT table_entry{table_id:EXACT match{field_id:1 exact{value:"\x01\x02"}} match{field_id:2 exact{value:"\x00\x01"}} FORWARD}`,
	`MODIFY table_entry{table_id:EXACT match{field_id:2 exact{value:"\x01"}} match{field_id:1 exact{value:"\x00\x00\x02"}} metadata:"m" controller_metadata:7}`,
	`DELETE table_entry{table_id:EXACT match{field_id:1 exact{value:"\x01"}} match{field_id:2 exact{value:"\x01"}}}`,
	`DELETE table_entry{table_id:EXACT match{field_id:1 exact{value:"\x01"}} match{field_id:2 exact{value:"\x01"}} FORWARD}`,
	`INSERT table_entry{table_id:ROUTES match{field_id:1 lpm{value:"\x0a\x00\x00\x00" prefix_len:24}} FORWARD}`,
	`INSERT table_entry{table_id:ROUTES FORWARD}`,
	`INSERT table_entry{table_id:ACL priority:5 match{field_id:1 ternary{value:"\x01" mask:"\x01"}} match{field_id:2 range{low:"\x01" high:"\x05"}} match{field_id:3 optional{value:"\x06"}} FORWARD}`,
	`INSERT table_entry{table_id:ACL priority:5 FORWARD}`,
	`INSERT table_entry{table_id:ACL FORWARD}`,
	`INSERT table_entry{table_id:ACL priority:-1 FORWARD}`,
	`INSERT table_entry{table_id:EXACT priority:1 match{field_id:1 exact{value:"\x01"}} match{field_id:2 exact{value:"\x01"}} FORWARD}`,
	`INSERT table_entry{table_id:EXACT match{field_id:1 exact{value:"\x01"}} FORWARD}`,
	`INSERT table_entry{table_id:EXACT match{field_id:1 exact{value:"\x01"}} match{field_id:1 exact{value:"\x01"}} match{field_id:2 exact{value:"\x01"}} FORWARD}`,
	`INSERT table_entry{table_id:EXACT match{field_id:1 exact{value:"\x01\x01\x01"}} match{field_id:2 exact{value:"\x01"}} FORWARD}`,
	`INSERT table_entry{table_id:EXACT match{field_id:1 exact{value:""}} match{field_id:2 exact{value:"\x01"}} FORWARD}`,
	`INSERT table_entry{table_id:EXACT match{field_id:9 exact{value:"\x01"}} match{field_id:2 exact{value:"\x01"}} FORWARD}`,
	`INSERT table_entry{table_id:EXACT match{field_id:1 lpm{value:"\x01" prefix_len:4}} match{field_id:2 exact{value:"\x01"}} FORWARD}`,
	`INSERT table_entry{table_id:EXACT is_const:true match{field_id:1 exact{value:"\x01"}} match{field_id:2 exact{value:"\x01"}} FORWARD}`,
	`INSERT table_entry{table_id:EXACT counter_data{packet_count:3} match{field_id:1 exact{value:"\x01"}} match{field_id:2 exact{value:"\x01"}} FORWARD}`,
	`INSERT table_entry{table_id:EXACT idle_timeout_ns:5 match{field_id:1 exact{value:"\x01"}} match{field_id:2 exact{value:"\x01"}} FORWARD}`,
	`MODIFY table_entry{table_id:EXACT is_default_action:true FORWARD}`,
	`INSERT table_entry{table_id:0x02ffffff FORWARD}`,
	`INSERT table_entry{FORWARD}`,
	`INSERT counter_entry{}`,
	`MODIFY direct_counter_entry{table_entry{table_id:EXACT}}`,
}

// agree compares what the two ways make of one Update's bytes.
func agree(t *testing.T, b *binding, raw []byte) (fast bool) {
	t.Helper()
	d := wireDecoder{b: b}
	var got entity.Update
	if !d.update(raw, &got) {
		return false
	}
	m := &p4v1.Update{}
	if err := proto.Unmarshal(raw, m); err != nil {
		t.Fatalf("%x is taken, but malformed: %v", raw, err)
	}
	want, skip, err := b.update(m)
	if err != nil || skip {
		t.Fatalf("%v is taken, but wrong: %v", m, err)
	}
	if len(want.Extra.Metadata) == 0 && len(got.Extra.Metadata) == 0 {
		want.Extra.Metadata, got.Extra.Metadata = nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%v\n got %+v\nwant %+v", m, got, want)
	}
	return true
}

// TestWireDecoder: bytes that the decoder takes mean what the messages say, and
// it takes all that is usual.
func TestWireDecoder(t *testing.T) {
	b := bound(t)
	for i, text := range updates {
		t.Run(text, func(t *testing.T) {
			raw, err := proto.Marshal(parse(t, text))
			if err != nil {
				t.Fatal(err)
			}
			usual := i < 8 && i != 3
			if fast := agree(t, b, raw); fast != usual {
				t.Errorf("taken: %v, want %v", fast, usual)
			}
		})
	}
}

func FuzzWireDecoder(f *testing.F) {
	for _, text := range updates {
		raw, err := proto.Marshal(parse(f, text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	b := bound(f)
	f.Fuzz(func(t *testing.T, raw []byte) { agree(t, b, raw) })
}

// TestWireMutants holds the two ways together on bytes that are nearly right:
// fuzzing in small, on every run.
func TestWireMutants(t *testing.T) {
	b := bound(t)
	rng := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for _, text := range updates {
		raw, err := proto.Marshal(parse(t, text))
		if err != nil {
			t.Fatal(err)
		}
		for range 3000 {
			m := bytes.Clone(raw)
			for range 1 + rng.IntN(2) {
				switch i := rng.IntN(len(m)); rng.IntN(4) {
				case 0:
					m[i] ^= 1 << rng.IntN(8)
				case 1:
					m[i] = byte(rng.IntN(256))
				case 2:
					m = append(m, m[i:]...)
				default:
					m = append(m[:i], append([]byte{byte(rng.IntN(256))}, m[i:]...)...)
				}
			}
			if agree(t, b, m) {
				taken++
			}
		}
	}
	if taken < 300 {
		t.Errorf("%d mutants were taken: they say little", taken)
	}
}

// message is the entry as a tree of messages, written anew from the
// specification, to compare with.
func (t *tableInfo) message(e *entity.Entry) *p4v1.TableEntry {
	m := &p4v1.TableEntry{TableId: t.id, Priority: e.Priority, IsConst: e.Is(entity.Const), IsDefaultAction: e.Handle == 0}
	if e.Handle != 0 {
		for i := range t.Fields {
			f := &t.Fields[i]
			v, ok := f.Get([]byte(e.Key))
			if !ok {
				continue
			}
			x := &p4v1.FieldMatch{FieldId: t.fields[i]}
			switch f.Kind.String() {
			case "exact":
				x.FieldMatchType = &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: f.Canonical(v.Value)}}
			case "lpm":
				x.FieldMatchType = &p4v1.FieldMatch_Lpm{Lpm: &p4v1.FieldMatch_LPM{Value: f.Canonical(v.Value), PrefixLen: int32(v.PrefixLen)}}
			case "ternary":
				x.FieldMatchType = &p4v1.FieldMatch_Ternary_{Ternary: &p4v1.FieldMatch_Ternary{Value: f.Canonical(v.Value), Mask: f.Canonical(v.Mask)}}
			case "range":
				x.FieldMatchType = &p4v1.FieldMatch_Range_{Range: &p4v1.FieldMatch_Range{Low: f.Canonical(v.Value), High: f.Canonical(v.Mask)}}
			default:
				x.FieldMatchType = &p4v1.FieldMatch_Optional_{Optional: &p4v1.FieldMatch_Optional{Value: f.Canonical(v.Value)}}
			}
			m.Match = append(m.Match, x)
		}
	}
	a := t.actions[e.Action]
	act := &p4v1.Action{ActionId: a.id}
	for i := range a.Params {
		act.Params = append(act.Params, &p4v1.Action_Param{ParamId: a.params[i], Value: a.Params[i].Canonical(a.Params[i].Get([]byte(e.Args)))})
	}
	m.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: act}}
	if x := e.Extra; x != nil {
		m.Metadata, m.IdleTimeoutNs = x.Metadata, x.IdleTimeout
		//lint:ignore SA1019 older clients send the field, and expect it back
		m.ControllerMetadata = x.ControllerMetadata
	}
	return m
}

// TestWireEntries: what is written as bytes is what the messages would say, long
// fields included.
func TestWireEntries(t *testing.T) {
	b := bound(t)
	for _, n := range []int{0, 1, 40, 127, 128, 300, 20_000} {
		for _, ti := range b.inOrder {
			e := &entity.Entry{Handle: 3, Priority: int32(n), Key: string(ti.NewKey()), Action: uint16(len(ti.Actions) - 1), Flags: entity.Const}
			e.Args = strings.Repeat("\x01", ti.Actions[e.Action].ArgSize)
			if n > 0 {
				e.Extra = &entity.Extra{Metadata: bytes.Repeat([]byte("m"), n), ControllerMetadata: uint64(n) << 20, IdleTimeout: int64(n)}
			}
			want := &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: ti.message(e)}}
			want.GetTableEntry().CounterData = &p4v1.CounterData{PacketCount: 300, ByteCount: 1}
			got := &p4v1.Entity{}
			if err := proto.Unmarshal(ti.appendEntry(nil, e, asked{count: &entity.Counter{Packets: 300, Bytes: 1}}), got); err != nil || !proto.Equal(got, want) {
				t.Errorf("%s: got %v, %v\nwant %v", ti.Name, got, err, want)
			}
		}
	}
}

// TestMalformedWrite: bytes that are no WriteRequest are refused as gRPC refuses
// them, whether the whole or one update is broken, and nothing of them is done.
func TestMalformedWrite(t *testing.T) {
	r := ready(t)
	good := parse(t, updates[0])
	req, err := proto.Marshal(&p4v1.WriteRequest{DeviceId: 1, ElectionId: eid(1), Updates: []*p4v1.Update{good}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tail := range map[string][]byte{
		"broken update":  {4<<3 | 2, 2, 1 << 3, 0x80},
		"broken request": {4<<3 | 2, 9, 1},
		"role no UTF-8":  {6<<3 | 2, 1, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.server.writeWire(context.Background(), p4wire.New(append(bytes.Clone(req), tail...)))
			if status.Code(err) != codes.Internal || !strings.HasPrefix(status.Convert(err).Message(), "grpc: error unmarshalling request: ") {
				t.Errorf("got %v", err)
			}
			if n := r.store.Snapshot(nil).Count(storetest.Exact); n != 0 {
				t.Errorf("%d entries are there", n)
			}
		})
	}
}
