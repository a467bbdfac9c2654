package p4info

import (
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

func sample() *p4configv1.P4Info {
	return &p4configv1.P4Info{
		PkgInfo: &p4configv1.PkgInfo{Arch: "v1model", Name: "a \"b\"\n\\é\x01"},
		Tables: []*p4configv1.Table{{
			Preamble:             &p4configv1.Preamble{Id: 1, Annotations: []string{"@a", "@b(\"c\")"}},
			MatchFields:          []*p4configv1.MatchField{{Id: 1, Match: &p4configv1.MatchField_MatchType_{MatchType: p4configv1.MatchField_LPM}}},
			Size:                 1024,
			DirectResourceIds:    []uint32{3, 4},
			IsConstTable:         true,
			InitialDefaultAction: &p4configv1.TableActionCall{Arguments: []*p4configv1.TableActionCall_Argument{{ParamId: 1, Value: []byte("\x00A\xff\"")}}},
		}},
		TypeInfo: &p4configv1.P4TypeInfo{
			NewTypes: map[string]*p4configv1.P4NewTypeSpec{"b_t": {}, "a_t": {}},
			Structs:  map[string]*p4configv1.P4StructTypeSpec{},
		},
	}
}

const sampleText = `pkg_info {
  name: "a \"b\"\n\\é\001"
  arch: "v1model"
}
tables {
  preamble {
    id: 1
    annotations: "@a"
    annotations: "@b(\"c\")"
  }
  match_fields {
    id: 1
    match_type: LPM
  }
  initial_default_action {
    arguments {
      param_id: 1
      value: "\000A\377\""
    }
  }
  direct_resource_ids: 3
  direct_resource_ids: 4
  size: 1024
  is_const_table: true
}
type_info {
  new_types {
    key: "a_t"
    value {
    }
  }
  new_types {
    key: "b_t"
    value {
    }
  }
}
`

func TestText(t *testing.T) {
	if got := string(Text(sample())); got != sampleText {
		t.Errorf("got\n%s\nwant\n%s", got, sampleText)
	}
	back, err := Parse([]byte(sampleText))
	if err != nil || !proto.Equal(back, sample()) {
		t.Errorf("parsed again: %v, %v", err, back)
	}
	// p4c's files begin with comments.
	if _, err := Parse([]byte("# proto-file: p4/config/v1/p4info.proto\n\n" + sampleText)); err != nil {
		t.Error(err)
	}
	if _, err := Parse([]byte("tables { nonsense: 1 }")); err == nil {
		t.Error("an unknown field is accepted")
	}
}

const entryJSON = `{
  "deviceId": "18446744073709551615",
  "updates": [
    {
      "type": "INSERT",
      "entity": {
        "tableEntry": {
          "tableId": 7,
          "match": [
            {
              "fieldId": 1,
              "exact": {
                "value": "AP8="
              }
            }
          ],
          "priority": -1,
          "isConst": true
        }
      }
    }
  ]
}
`

func TestJSON(t *testing.T) {
	m := &p4v1.WriteRequest{DeviceId: 1<<64 - 1, Updates: []*p4v1.Update{{Type: p4v1.Update_INSERT, Entity: &p4v1.Entity{
		Entity: &p4v1.Entity_TableEntry{TableEntry: &p4v1.TableEntry{
			TableId: 7, Priority: -1, IsConst: true,
			Match: []*p4v1.FieldMatch{{FieldId: 1, FieldMatchType: &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: []byte{0, 255}}}}},
		}},
	}}}}
	if got := string(JSON(m)); got != entryJSON {
		t.Errorf("got\n%s\nwant\n%s", got, entryJSON)
	}
	for _, m := range []proto.Message{m, sample()} {
		back := m.ProtoReflect().New().Interface()
		if err := protojson.Unmarshal(JSON(m), back); err != nil || !proto.Equal(back, m) {
			t.Errorf("read again: %v, %v", err, back)
		}
	}
	if got := string(JSON(&p4configv1.P4Info{})); got != "{}\n" {
		t.Errorf("empty message: %q", got)
	}
}

// What parses prints to a text that parses to the same message, and JSON agrees.
func FuzzText(f *testing.F) {
	f.Add([]byte(sampleText))
	f.Add([]byte("type_info { structs { key: \"x\" value { } } }"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		back, err := Parse(Text(m))
		if err != nil || !proto.Equal(back, m) {
			t.Fatalf("text: %v\n%s", err, Text(m))
		}
		back = &p4configv1.P4Info{}
		if err := protojson.Unmarshal(JSON(m), back); err != nil {
			if _, merr := protojson.Marshal(m); merr == nil {
				t.Fatalf("json: %v\n%s", err, JSON(m))
			}
			return // an Any that the standard library cannot write either
		}
	})
}
