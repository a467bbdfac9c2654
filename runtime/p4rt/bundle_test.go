package p4rt

import (
	"errors"
	"os"
	"strings"
	"testing"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/p4info"
	"github.com/p4nic/p4nic/runtime/store"
)

// TestRouterBundle sets what the compiler makes of p4src/router.p4, restarts and
// reads all defaults and entries: ids, widths and names of both sides fit.
func TestRouterBundle(t *testing.T) {
	raw := buildRouter(t)
	info, _, err := LoadBundle(raw)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *Options) { o.Load = nil })
	r.stop()
	r.sopts.Load = func(c store.Config) (*ir.Program, error) {
		_, p, err := LoadBundle(c.Device)
		return p, err
	}
	r.start()
	r.primary()
	_, err = r.client.SetForwardingPipelineConfig(t.Context(), &setRequest{DeviceId: 1, ElectionId: eid(1), Action: reconcile,
		Config: &p4v1.ForwardingPipelineConfig{P4Info: info, P4DeviceConfig: raw}})
	if err != nil {
		t.Fatal(err)
	}
	r.restart()
	got, err := r.read(tableEntity(&p4v1.TableEntry{IsDefaultAction: true}))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(info.GetTables()) {
		t.Errorf("%d default entries of %d tables", len(got), len(info.GetTables()))
	}
}

func buildRouter(t *testing.T) []byte {
	t.Helper()
	res, err := driver.Compile(driver.Options{Path: "../../p4src/router.p4"})
	if err != nil {
		t.Fatal(err)
	}
	if res.Core == nil {
		t.Fatalf("router.p4: %v", res.Diags)
	}
	raw, err := res.Bundle("test")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestBMV2JSON sets what p4c makes of router.p4, raw and wrapped as older
// controllers send it (Q4), restarts, and reads all defaults (D4, D5).
func TestBMV2JSON(t *testing.T) {
	const dir = "../../bmv2-tests/p4c/router/"
	js, err := os.ReadFile(dir + "router.json")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(dir + "router.p4info.txtpb")
	if err != nil {
		t.Fatal(err)
	}
	info, err := p4info.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	wrapped := protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), js)
	for name, device := range map[string][]byte{"raw": js, "P4DeviceConfig": wrapped} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.Load = nil })
			r.stop()
			r.sopts.Load = func(c store.Config) (*ir.Program, error) {
				js, is := bmv2.DeviceConfig(c.Device)
				if !is {
					return nil, errors.New("no JSON was stored")
				}
				return bmv2.Import(js, info, "")
			}
			r.start()
			r.primary()
			set := func(info *p4configv1.P4Info) error {
				_, err := r.client.SetForwardingPipelineConfig(t.Context(), &setRequest{DeviceId: 1, ElectionId: eid(1), Action: reconcile,
					Config: &p4v1.ForwardingPipelineConfig{P4Info: info, P4DeviceConfig: device}})
				return err
			}
			other := proto.CloneOf(info)
			other.Tables[0].MatchFields[0].Bitwidth = 10
			if err := set(other); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "in the JSON 9") {
				t.Errorf("another P4Info: %v", err)
			}
			if err := set(info); err != nil {
				t.Fatal(err)
			}
			r.restart()
			got, err := r.read(tableEntity(&p4v1.TableEntry{IsDefaultAction: true}))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(info.GetTables()) {
				t.Errorf("%d default entries of %d tables", len(got), len(info.GetTables()))
			}
		})
	}
}
