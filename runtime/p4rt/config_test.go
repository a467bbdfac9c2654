package p4rt

import (
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
	"github.com/p4nic/p4nic/runtime/store"
	"github.com/p4nic/p4nic/runtime/store/storetest"
)

const (
	verify    = p4v1.SetForwardingPipelineConfigRequest_VERIFY
	commit    = p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT
	reconcile = p4v1.SetForwardingPipelineConfigRequest_RECONCILE_AND_COMMIT
)

func TestSetConformance(t *testing.T) {
	for _, c := range []struct {
		id     string
		change func(*setRequest)
		code   codes.Code
		text   string
	}{
		{"F1 device", func(m *setRequest) { m.DeviceId = 9 }, codes.NotFound, "device 9"},
		{"F1 role", func(m *setRequest) { m.Role = "x" }, codes.NotFound, `role "x" is unknown`},
		{"F1 not primary", func(m *setRequest) { m.ElectionId = eid(7) }, codes.PermissionDenied, "not primary"},
		{"F1 order", func(m *setRequest) { m.ElectionId, m.Action = eid(7), 0 }, codes.PermissionDenied, "not primary"},
		{"F2 config missing", func(m *setRequest) { m.Config = nil }, codes.InvalidArgument, "config is not set"},
		{"F2 p4info missing", func(m *setRequest) { m.Config.P4Info = nil }, codes.InvalidArgument, "config.p4info is not set"},
		{"F2 device config missing", func(m *setRequest) { m.Config.P4DeviceConfig = nil }, codes.InvalidArgument, "p4_device_config is empty"},
		{"F2 not a bundle", func(m *setRequest) { m.Config.P4DeviceConfig = []byte("no bundle") }, codes.InvalidArgument, "config.p4_device_config: no bundle"},
		{"F2 bmv2 JSON that is none", func(m *setRequest) { m.Config.P4DeviceConfig = []byte("{}") }, codes.InvalidArgument, "config.p4_device_config: headers: standard_metadata: there is no such header"},
		{"D5 other p4info", func(m *setRequest) { m.Config.P4Info.Tables[1].MatchFields[0].Bitwidth = 31 }, codes.InvalidArgument, "config.p4info is not the bundle's: tables[ingress.acl].match_fields[src].bitwidth is 31, in the bundle 32"},
		{"VERIFY_AND_SAVE", func(m *setRequest) { m.Action = p4v1.SetForwardingPipelineConfigRequest_VERIFY_AND_SAVE }, codes.Unimplemented, "VERIFY_AND_SAVE is not supported: use RECONCILE_AND_COMMIT"},
		{"COMMIT", func(m *setRequest) { m.Action = p4v1.SetForwardingPipelineConfigRequest_COMMIT }, codes.Unimplemented, "COMMIT is not supported"},
		{"F7 unspecified", func(m *setRequest) { m.Action = 0 }, codes.InvalidArgument, "action UNSPECIFIED"},
		{"F7 unknown", func(m *setRequest) { m.Action = 77 }, codes.InvalidArgument, "action 77"},
		{"F2 verify", func(m *setRequest) { m.Action = verify }, codes.OK, ""},
		{"F4", func(m *setRequest) {}, codes.OK, ""},
		{"Q11 reconcile first", func(m *setRequest) { m.Action = reconcile }, codes.OK, ""},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) {
			r := newRig(t)
			r.primary()
			m := &setRequest{DeviceId: 1, ElectionId: eid(1), Action: commit,
				Config: &p4v1.ForwardingPipelineConfig{P4Info: variantInfo(t, ""), P4DeviceConfig: device("")}}
			c.change(m)
			_, err := r.client.SetForwardingPipelineConfig(t.Context(), m)
			if status.Code(err) != c.code || c.code != codes.OK && !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v, want %v %q", err, c.code, c.text)
			}
			if live := r.plane.Program() != nil; live != (c.code == codes.OK && m.Action != verify) {
				t.Errorf("a pipeline is live: %v", live)
			}
		})
	}
}

func TestPipelineChanges(t *testing.T) {
	get := func(r *rig) *p4v1.ForwardingPipelineConfig {
		m, err := r.client.GetForwardingPipelineConfig(t.Context(), &p4v1.GetForwardingPipelineConfigRequest{DeviceId: 1})
		if err != nil {
			t.Fatal(err)
		}
		return m.GetConfig()
	}
	t.Run("p4rt:F6 D1 reconcile keeps", func(t *testing.T) {
		r := ready(t)
		r.mustWrite(parse(t, "INSERT table_entry{table_id:EXACT KEY1 FORWARD}"))
		if err := r.setConfig(reconcile, "same"); err != nil {
			t.Fatal(err)
		}
		got, err := r.read(parseEntity(t, "table_entry{table_id:EXACT}"))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, "table_entry{table_id:EXACT KEY1 FORWARD}")
	})
	t.Run("p4rt:F6 p4rt:F8 D1 reconcile lists what is lost", func(t *testing.T) {
		r := ready(t)
		r.mustWrite(parse(t, "INSERT table_entry{table_id:EXACT KEY1 FORWARD}"))
		err := r.setConfig(reconcile, "widekey")
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "reconcile would lose: table ingress.exact: key hdr.a was bit<16> and is bit<32>, 1 entries") {
			t.Errorf("got %v", err)
		}
		if string(get(r).GetP4DeviceConfig()) != string(device("")) {
			t.Error("the config changed")
		}
		r.mustWrite(parse(t, "MODIFY table_entry{table_id:EXACT KEY1 NOOP}"))
	})
	t.Run("p4rt:F4 p4rt:F17 commit clears, streams stay", func(t *testing.T) {
		r := newRig(t)
		s := r.primary()
		for range 2 {
			if err := r.setConfig(commit, ""); err != nil {
				t.Fatal(err)
			}
			got, err := r.read(parseEntity(t, "table_entry{table_id:EXACT}"))
			if err != nil || len(got) != 0 {
				t.Errorf("read %v %v", got, err)
			}
			r.mustWrite(parse(t, "INSERT table_entry{table_id:EXACT KEY1 FORWARD}"))
		}
		s.arbitrate(eid(1))
		s.expect(codes.OK, eid(1))
	})
	t.Run("p4rt:F8 engine refuses", func(t *testing.T) {
		r := ready(t)
		r.plane.FailCheck = &dataplane.Unsupported{Construct: "extern clone3", File: "x.p4", Line: 7, Reason: "not on this engine", Remedy: "use clone"}
		err := r.setConfig(commit, "same")
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "x.p4:7: extern clone3: not on this engine (use clone)") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("p4rt:F10 D6 restart", func(t *testing.T) {
		r := ready(t)
		r.mustWrite(parse(t, `INSERT table_entry{table_id:EXACT KEY1 FORWARD metadata:"m"}`))
		before := get(r)
		r.restart()
		if after := get(r); !proto.Equal(before, after) {
			t.Errorf("after %v\nbefore %v", after, before)
		}
		got, err := r.read(parseEntity(t, "table_entry{table_id:EXACT}"))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got, `table_entry{table_id:EXACT KEY1 FORWARD metadata:"m"}`)
	})
}

func TestGet(t *testing.T) {
	type get = p4v1.GetForwardingPipelineConfigRequest
	t.Run("p4rt:F11 D-3 before any", func(t *testing.T) {
		r := newRig(t)
		m, err := r.client.GetForwardingPipelineConfig(t.Context(), &get{DeviceId: 1})
		if err != nil || m.GetConfig() != nil {
			t.Errorf("got %v %v", m, err)
		}
	})
	r := ready(t)
	t.Run("p4rt:F14", func(t *testing.T) {
		if _, err := r.client.GetForwardingPipelineConfig(t.Context(), &get{DeviceId: 8}); status.Code(err) != codes.NotFound {
			t.Errorf("got %v", err)
		}
	})
	for typ, want := range map[p4v1.GetForwardingPipelineConfigRequest_ResponseType]struct{ info, device bool }{
		p4v1.GetForwardingPipelineConfigRequest_ALL:                      {true, true},
		p4v1.GetForwardingPipelineConfigRequest_COOKIE_ONLY:              {false, false},
		p4v1.GetForwardingPipelineConfigRequest_P4INFO_AND_COOKIE:        {true, false},
		p4v1.GetForwardingPipelineConfigRequest_DEVICE_CONFIG_AND_COOKIE: {false, true},
	} {
		t.Run("p4rt:F12 "+typ.String(), func(t *testing.T) {
			m, err := r.client.GetForwardingPipelineConfig(t.Context(), &get{DeviceId: 1, ResponseType: typ})
			if err != nil {
				t.Fatal(err)
			}
			wantConfig := &p4v1.ForwardingPipelineConfig{Cookie: &p4v1.ForwardingPipelineConfig_Cookie{Cookie: 42}}
			if want.info {
				wantConfig.P4Info = variantInfo(t, "")
			}
			if want.device {
				wantConfig.P4DeviceConfig = device("")
			}
			if !proto.Equal(m.GetConfig(), wantConfig) {
				t.Errorf("got %v", m)
			}
		})
	}
	t.Run("p4rt:F12 unknown type", func(t *testing.T) {
		if _, err := r.client.GetForwardingPipelineConfig(t.Context(), &get{DeviceId: 1, ResponseType: 9}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("got %v", err)
		}
	})
	for _, c := range []*p4v1.ForwardingPipelineConfig_Cookie{nil, {}} {
		t.Run("p4rt:F13 cookie", func(t *testing.T) {
			_, err := r.client.SetForwardingPipelineConfig(t.Context(), &setRequest{DeviceId: 1, ElectionId: eid(1), Action: commit,
				Config: &p4v1.ForwardingPipelineConfig{P4Info: variantInfo(t, ""), P4DeviceConfig: device(""), Cookie: c}})
			if err != nil {
				t.Fatal(err)
			}
			m, err := r.client.GetForwardingPipelineConfig(t.Context(), &get{DeviceId: 1})
			if err != nil || (m.GetConfig().GetCookie() == nil) != (c == nil) {
				t.Errorf("got %v %v, want %v", m.GetConfig().GetCookie(), err, c)
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		id   uint64
		code codes.Code
	}{{0, codes.OK}, {1, codes.OK}, {2, codes.NotFound}} {
		m, err := r.client.Capabilities(t.Context(), &p4v1.CapabilitiesRequest{DeviceId: c.id})
		if status.Code(err) != c.code || err == nil && m.GetP4RuntimeApiVersion() != "1.5.0" {
			t.Errorf("p4rt:CP1 p4rt:CP2: device %d: %v %v", c.id, m, err)
		}
	}
}

func TestBind(t *testing.T) {
	translated := func(info *p4configv1.P4Info, width int32, sdnString bool) {
		tr := &p4configv1.P4NewTypeTranslation{Uri: "u", SdnType: &p4configv1.P4NewTypeTranslation_SdnBitwidth{SdnBitwidth: width}}
		if sdnString {
			tr.SdnType = &p4configv1.P4NewTypeTranslation_SdnString_{SdnString: &p4configv1.P4NewTypeTranslation_SdnString{}}
		}
		info.TypeInfo = &p4configv1.P4TypeInfo{NewTypes: map[string]*p4configv1.P4NewTypeSpec{"port_t": {Representation: &p4configv1.P4NewTypeSpec_TranslatedType{TranslatedType: tr}}}}
	}
	for _, c := range []struct {
		id     string
		change func(*p4configv1.P4Info)
		want   string
	}{
		{"I1 prefix", func(i *p4configv1.P4Info) { i.Tables[0].Preamble.Id = 0x01000099 }, "table ingress.exact: id 0x01000099 does not start with 0x02"},
		{"I2 id twice", func(i *p4configv1.P4Info) { i.Tables[1].Preamble.Id = idExact }, "table ingress.acl: id 0x02000001 is also that of table ingress.exact"},
		{"I2 action reference", func(i *p4configv1.P4Info) { i.Tables[0].ActionRefs[0].Id = 0x010000ff }, "action id 0x010000ff is not in the P4Info"},
		{"I2 field id twice", func(i *p4configv1.P4Info) { i.Tables[0].MatchFields[1].Id = 1 }, "match field hdr.b: id 1 is zero or used twice"},
		{"I12 table", func(i *p4configv1.P4Info) { i.Tables[0].Preamble.Name = "x" }, "table x: it is not in the program"},
		{"I12 fields", func(i *p4configv1.P4Info) { i.Tables[0].MatchFields = i.Tables[0].MatchFields[:1] }, "P4Info has 1 match fields, the program 2"},
		{"I12 field", func(i *p4configv1.P4Info) { i.Tables[0].MatchFields[0].Name = "x" }, "match field 1 is x EXACT, in the program hdr.a exact"},
		{"I12 width", func(i *p4configv1.P4Info) { i.Tables[0].MatchFields[0].Bitwidth = 17 }, "table ingress.exact: match field hdr.a: P4Info has 17 bits, the program 16"},
		{"I12 action missing", func(i *p4configv1.P4Info) { i.Tables[0].ActionRefs = i.Tables[0].ActionRefs[:4] }, "action ingress.table_only of the program is not in the P4Info"},
		{"I12 parameters", func(i *p4configv1.P4Info) { i.Actions[1].Params = nil }, "action ingress.set has 0 parameters, in the program 2"},
		{"I12 counter", func(i *p4configv1.P4Info) { i.Counters[0].Preamble.Name = "x" }, "counter x is not in the program"},
		{"X1 identity", func(i *p4configv1.P4Info) {
			translated(i, 32, false)
			i.Tables[0].MatchFields[1].Bitwidth, i.Tables[0].MatchFields[1].TypeName = 32, &p4configv1.P4NamedType{Name: "port_t"}
		}, ""},
		{"X5 ternary", func(i *p4configv1.P4Info) {
			translated(i, 64, false)
			i.Tables[1].MatchFields[0].Bitwidth, i.Tables[1].MatchFields[0].TypeName = 64, &p4configv1.P4NamedType{Name: "port_t"}
		}, "only exact and optional"},
		{"X2 string", func(i *p4configv1.P4Info) {
			translated(i, 0, true)
			i.Tables[0].MatchFields[1].Bitwidth, i.Tables[0].MatchFields[1].TypeName = 0, &p4configv1.P4NamedType{Name: "port_t"}
		}, "type port_t is translated to a string (u)"},
	} {
		t.Run("p4rt:"+c.id, func(t *testing.T) {
			p, err := storetest.Program("")
			if err != nil {
				t.Fatal(err)
			}
			info := infoOf(p)
			c.change(info)
			pl, err := store.NewPipeline(store.Config{}, p)
			if err != nil {
				t.Fatal(err)
			}
			_, err = bind(info, pl)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestDifference(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*p4configv1.P4Info)
		want   string
	}{
		{"equal", func(*p4configv1.P4Info) {}, ""},
		{"order means nothing", func(i *p4configv1.P4Info) { i.Tables[0], i.Tables[1] = i.Tables[1], i.Tables[0] }, ""},
		{"missing", func(i *p4configv1.P4Info) { i.Tables = i.Tables[1:] }, "tables[ingress.exact] (id 0x02000001) is missing, the bundle has it"},
		{"added", func(i *p4configv1.P4Info) {
			i.Actions = append(i.Actions, &p4configv1.Action{Preamble: &p4configv1.Preamble{Id: 5, Name: "a"}})
		}, "actions[a] (id 0x00000005) is not in the bundle"},
		{"string", func(i *p4configv1.P4Info) { i.PkgInfo.Arch = "psa" }, `pkg_info.arch is "psa", in the bundle "v1model"`},
		{"not set", func(i *p4configv1.P4Info) { i.PkgInfo = nil }, "pkg_info is not set, in the bundle it is set"},
		{"enum", func(i *p4configv1.P4Info) {
			i.Tables[0].MatchFields[0].Match = &p4configv1.MatchField_MatchType_{MatchType: p4configv1.MatchField_LPM}
		}, "tables[ingress.exact].match_fields[hdr.a].match_type is LPM, in the bundle EXACT"},
		{"list", func(i *p4configv1.P4Info) { i.Tables[0].DirectResourceIds = nil }, "tables[ingress.exact].direct_resource_ids has 0 elements, in the bundle 1"},
		{"map", func(i *p4configv1.P4Info) {
			i.TypeInfo = &p4configv1.P4TypeInfo{NewTypes: map[string]*p4configv1.P4NewTypeSpec{"t": {}}}
		}, "type_info is set, in the bundle it is not set"},
	} {
		t.Run("D5 "+c.name, func(t *testing.T) {
			a := variantInfo(t, "")
			c.change(a)
			if got := difference(a.ProtoReflect(), variantInfo(t, "").ProtoReflect()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStoredP4InfoMustFit(t *testing.T) {
	r := ready(t)
	r.stop()
	r.sopts.Load = func(store.Config) (*ir.Program, error) { return storetest.Program("widekey") }
	s, err := store.Open(r.sopts)
	if err == nil {
		r.opts.Store = s
		_, err = NewServer(r.opts)
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "hdr.a") && !strings.Contains(err.Error(), "exact") {
		t.Errorf("got %v", err)
	}
	r.sopts.Load = func(c store.Config) (*ir.Program, error) { _, p, err := loadVariant(c.Device); return p, err }
	r.start()
}
