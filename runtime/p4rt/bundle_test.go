package p4rt

import (
	"testing"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"

	"github.com/p4nic/p4nic/compiler/driver"
	"github.com/p4nic/p4nic/compiler/ir"
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
