// Package gribicompliance plays the compliance suite of openconfig/gribigo
// against our gRIBI server with routemap, router.p4 and the simulator behind it.
// Run it with
//
//	cd test/gribicompliance && go test
package gribicompliance

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	spb "github.com/openconfig/gribi/v1/proto/service"
	"github.com/openconfig/gribigo/compliance"
	"github.com/openconfig/gribigo/fluent"
	"github.com/openconfig/testt"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/p4nic/p4nic/runtime/gribitest"
	"github.com/p4nic/p4nic/runtime/rib"
)

// skip says why a case is not for us.
func skip(c compliance.Test) string {
	switch {
	case c.RequiresMPLS:
		return "needs MPLS"
	case c.RequiresServerReordering:
		return "needs forward references, which strict mode refuses (gribi:GR44)"
	}
	return ""
}

// TestCompliance plays every case twice against one server, in random orders.
func TestCompliance(t *testing.T) {
	compliance.SetDefaultNetworkInstanceName(rib.DefaultInstance)
	const vrf = "NON-DEFAULT-VRF"
	compliance.SetNonDefaultVRFName(vrf)
	r := gribitest.New(t, gribitest.Options{TCP: true, Instances: []rib.InstanceConfig{{Name: rib.DefaultInstance, ID: 0}, {Name: vrf, ID: 1}}})
	for round := range 2 {
		seed := rand.Uint64()
		order := rand.New(rand.NewPCG(seed, 0)).Perm(len(compliance.TestSuite))
		t.Run(fmt.Sprintf("round %d seed %d", round, seed), func(t *testing.T) {
			skipped := 0
			for _, i := range order {
				c := compliance.TestSuite[i]
				if skip(c.In) != "" {
					skipped++
					continue
				}
				t.Run(c.In.ShortName, func(t *testing.T) { play(t, r.Addr, c) })
			}
			t.Logf("%d cases, %d not for strict mode without MPLS", len(order), skipped)
		})
	}
}

func play(t *testing.T, addr string, c *compliance.TestSpec) {
	client, second := fluent.NewClient(), fluent.NewClient()
	for _, f := range []*fluent.GRIBIClient{client, second} {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		f.Connection().WithStub(spb.NewGRIBIClient(conn))
	}
	opts := []compliance.TestOpt{compliance.SecondClient(second)}
	switch {
	case c.FatalMsg != "":
		if got := testt.ExpectFatal(t, func(t testing.TB) { c.In.Fn(client, t, opts...) }); !strings.Contains(got, c.FatalMsg) {
			t.Fatalf("fatal error %q, want %q", got, c.FatalMsg)
		}
		return
	case c.ErrorMsg != "":
		if got := strings.Join(testt.ExpectError(t, func(t testing.TB) { c.In.Fn(client, t, opts...) }), " "); !strings.Contains(got, c.ErrorMsg) {
			t.Fatalf("error %q, want %q", got, c.ErrorMsg)
		}
		return
	}
	c.In.Fn(client, t, opts...)
	client.Stop(t)
	second.Stop(t)
}
