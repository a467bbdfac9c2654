package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	p4 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/p4nic/p4nic/internal/gnmipath"
	"github.com/p4nic/p4nic/internal/netns"
	"github.com/p4nic/p4nic/internal/netnstest"
	"github.com/p4nic/p4nic/proto/routespb"
)

// TestTelemetry: on every engine gNMI's counters are the packets sent within two
// intervals after the last; status changes are told; a restart of nicd is a pause;
// /metrics says the same.
func TestTelemetry(t *testing.T) {
	for _, c := range []struct {
		name, engine string
		ports        []string
	}{
		{"sim", EngineSim, []string{"--port", "1=s1", "--port", "2=s2"}},
		{"tc", EngineKernel, []string{"--port", "1=s1,hook=tc", "--port", "2=s2,hook=tc"}},
		{"xdp", EngineKernel, []string{"--port", "1=s1,hook=xdp", "--port", "2=s2,hook=xdp"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.engine == EngineKernel {
				netnstest.NeedBPF(t)
			}
			checkTelemetry(t, c.engine, c.ports)
		})
	}
}

const (
	sampleInterval = 500 * time.Millisecond
	inPkts         = "/interfaces/interface[name=s1]/state/counters/in-pkts"
	outPkts        = "/interfaces/interface[name=s2]/state/counters/out-pkts"
	outOctets      = "/interfaces/interface[name=s2]/state/counters/out-octets"
	entryPackets   = "/pipeline/tables/table[name=I.wires]/entries/entry[match=port=0x1]/state/packets"
	operStatus     = "/interfaces/interface[name=s2]/state/oper-status"
)

func checkTelemetry(t *testing.T, engine string, ports []string) {
	net := newWires(t)
	d := newNicd(t, net.sw, append([]string{"--engine", engine, "--metrics", "unix://" + t.TempDir() + "/m"}, ports...)...)
	metrics := d.args[len(d.args)-len(ports)-1]
	d.start()
	c := d.client()
	stamp := bundleOf(t, compileFile(t, "testdata/stamp.p4"))
	netnstest.Check(t, d.load(c, stamp, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))
	d.write(c, stamp, p4.Update_INSERT, "wires port=1 to_port port=2")
	out, in := netnstest.Packets(t, net.h1, "eth0"), netnstest.Packets(t, net.h2, "eth0")

	s := follow(t, c.Conn, gpb.SubscriptionMode_SAMPLE, sampleInterval, inPkts, outPkts, outOctets, entryPackets)
	sent := uint64(0)
	send := func(n uint64) (last time.Time) {
		t.Helper()
		for range n {
			netnstest.Check(t, out.Send(udpFrame(sent)))
			arrives(t, in, sent)
			sent++
		}
		return time.Now()
	}
	// counted proves that the first samples two intervals after the last packet
	// have it.
	counted := func(s *follower, last time.Time, entry uint64) {
		t.Helper()
		size := uint64(len(udpFrame(0)))
		want := map[string]uint64{inPkts: sent, outPkts: sent, outOctets: sent * size, entryPackets: entry}
		for path, n := range want {
			at, v := s.until(path, func(at time.Time, _ *gpb.TypedValue) bool { return at.After(last) })
			if v.GetUintVal() != n {
				t.Errorf("%s is %d, want %d", path, v.GetUintVal(), n)
			}
			if late := at.Sub(last); late > 2*sampleInterval {
				t.Errorf("%s: the sample was taken %v after the last packet", path, late)
			}
		}
	}
	counted(s, send(500), 500)
	counted(s, send(300), 800)

	// The same on /metrics.
	text := scrape(t, metrics)
	for _, want := range []string{
		fmt.Sprintf(`p4nic_interface_receive_packets_total{interface="s1"} %d`, sent),
		fmt.Sprintf(`p4nic_interface_transmit_packets_total{interface="s2"} %d`, sent),
		fmt.Sprintf(`p4nic_entry_packets_total{match="port=0x1",table="I.wires"} %d`, sent),
		`p4nic_table_entries{table="I.wires"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in /metrics:\n%s", want, text)
		}
	}

	// Status: Set is seen as a change, and so is what the other side does.
	events := follow(t, c.Conn, gpb.SubscriptionMode_ON_CHANGE, 0, operStatus)
	is := func(want ...string) {
		t.Helper()
		events.until(operStatus, func(_ time.Time, v *gpb.TypedValue) bool { return slices.Contains(want, v.GetStringVal()) })
	}
	is("UP")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	set := func(up bool) {
		t.Helper()
		_, err := gpb.NewGNMIClient(c.Conn).Set(ctx, &gpb.SetRequest{Update: []*gpb.Update{{Path: parsePath(t, "/interfaces/interface[name=s2]/config/enabled"),
			Val: &gpb.TypedValue{Value: &gpb.TypedValue_BoolVal{BoolVal: up}}}}})
		netnstest.Check(t, err)
	}
	set(false)
	is("DOWN")
	set(true)
	is("UP")
	netnstest.Check(t, net.h2.Down("eth0"))
	is("DOWN", "LOWER_LAYER_DOWN") // the latter on Linux 6.1
	netnstest.Check(t, net.h2.Up("eth0"))
	is("UP")
	counted(s, send(200), 1000)

	services(ctx, t, c.Conn)

	// A restart: streams end with UNAVAILABLE, the next ones go on; on the kernel
	// engine the entry's count does.
	d.kill()
	if err := s.end(); !strings.Contains(err.Error(), "Unavailable") {
		t.Errorf("the stream ended with %v", err)
	}
	netnstest.Check(t, c.Close())
	d.start()
	c = d.client()
	before := sent
	if engine == EngineSim {
		sent = 0 // nothing of the simulator survives but what the journal has
	}
	s = follow(t, c.Conn, gpb.SubscriptionMode_SAMPLE, sampleInterval, inPkts, outPkts, outOctets, entryPackets)
	last := send(100)
	if engine == EngineSim {
		before = 0
	}
	counted(s, last, before+100)
	netnstest.Check(t, c.Close())
	d.detach()
}

// arrives receives up to the frame of that number.
func arrives(t testing.TB, in *netns.Packets, number uint64) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		f, err := in.Recv(deadline)
		if errors.Is(err, syscall.ENETDOWN) { // told once after the netdev was down
			continue
		}
		if err != nil {
			t.Fatalf("frame %d does not arrive: %v", number, err)
		}
		if len(f) == len(udpFrame(0)) && string(f[42:50]) == string(udpFrame(number)[42:50]) {
			return
		}
	}
}

func parsePath(t testing.TB, text string) *gpb.Path {
	t.Helper()
	p, err := gnmipath.Parse(text)
	netnstest.Check(t, err)
	return p
}

// follower is a STREAM subscription.
type follower struct {
	t testing.TB
	g gpb.GNMI_SubscribeClient
	// latest update of each path
	at    map[string]time.Time
	value map[string]*gpb.TypedValue
}

func follow(t testing.TB, conn *grpc.ClientConn, mode gpb.SubscriptionMode, interval time.Duration, paths ...string) *follower {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	g, err := gpb.NewGNMIClient(conn).Subscribe(ctx)
	netnstest.Check(t, err)
	l := &gpb.SubscriptionList{Encoding: gpb.Encoding_PROTO}
	for _, p := range paths {
		l.Subscription = append(l.Subscription, &gpb.Subscription{Path: parsePath(t, p), Mode: mode, SampleInterval: uint64(interval)})
	}
	netnstest.Check(t, g.Send(&gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: l}}))
	return &follower{t: t, g: g, at: map[string]time.Time{}, value: map[string]*gpb.TypedValue{}}
}

// until receives until the latest update of a path is as wanted.
func (f *follower) until(path string, ok func(time.Time, *gpb.TypedValue) bool) (time.Time, *gpb.TypedValue) {
	f.t.Helper()
	for {
		if v := f.value[path]; v != nil && ok(f.at[path], v) {
			return f.at[path], v
		}
		m, err := f.g.Recv()
		if err != nil {
			f.t.Fatalf("%s: %v, last %v", path, err, f.value[path])
		}
		n := m.GetUpdate()
		for _, u := range n.GetUpdate() {
			p := gnmipath.Format(n.GetPrefix(), u.GetPath())
			f.at[p], f.value[p] = time.Unix(0, n.GetTimestamp()), u.GetVal()
		}
	}
}

// end receives the error that ends the stream.
func (f *follower) end() error {
	for {
		if _, err := f.g.Recv(); err != nil {
			return err
		}
	}
}

// scrape reads /metrics over a unix socket.
func scrape(t testing.TB, address string) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(address, "unix://"))
		}}}
	r, err := client.Get("http://nicd/metrics")
	netnstest.Check(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	netnstest.Check(t, err)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %s\n%s", r.Status, b)
	}
	return string(b)
}

// services: gnmi:GN9, p4rt: health of every service, and their list.
func services(ctx context.Context, t testing.TB, conn *grpc.ClientConn) {
	t.Helper()
	r, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	netnstest.Check(t, err)
	netnstest.Check(t, r.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}))
	m, err := r.Recv()
	netnstest.Check(t, err)
	names := map[string]bool{}
	for _, s := range m.GetListServicesResponse().GetService() {
		names[s.GetName()] = true
	}
	for _, want := range []string{"gnmi.gNMI", "p4.v1.P4Runtime", "gribi.gRIBI", "grpc.health.v1.Health"} {
		if !names[want] {
			t.Errorf("reflection has no %s: %v", want, names)
		}
		h, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: want})
		if err != nil || h.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health of %s: %v, %v", want, h.GetStatus(), err)
		}
	}
	h, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil || h.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", h.GetStatus(), err)
	}
}

// TestRoutesTelemetry: gribi:GR66, GR67: network instances made over gNMI survive a
// restart; routes are in the AFT of their instance once they are in the datapath,
// and leave it.
func TestRoutesTelemetry(t *testing.T) {
	net := newWires(t)
	file := filepath.Join(t.TempDir(), "nicd.yaml")
	netnstest.Check(t, os.WriteFile(file, []byte("network-instances: [{name: DEFAULT, id: 0}]\n"), 0o600))
	d := newNicd(t, net.sw, "--config", file, "--engine", "sim", "--port", "1=s1", "--port", "2=s2")
	d.start()
	c := d.client()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	router := bundleOf(t, compileFile(t, "../../p4src/router.p4"))
	netnstest.Check(t, d.load(c, router, p4.SetForwardingPipelineConfigRequest_VERIFY_AND_COMMIT))

	_, err := gpb.NewGNMIClient(c.Conn).Set(ctx, &gpb.SetRequest{Update: []*gpb.Update{{Path: parsePath(t, "/network-instances/network-instance[name=red]/config"),
		Val: &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: []byte(`{"name":"red","type":"L3VRF"}`)}}}}})
	netnstest.Check(t, err)
	netnstest.Check(t, c.Close())
	d.kill()
	d.start()
	c = d.client()

	const entry = "/network-instances/network-instance[name=red]/afts/ipv4-unicast/ipv4-entry[prefix=198.51.100.0/24]"
	s := follow(t, c.Conn, gpb.SubscriptionMode_ON_CHANGE, 0, "/network-instances/network-instance[name=red]/afts/ipv4-unicast", "/network-instances/network-instance/config/name")
	s.until("/network-instances/network-instance[name=red]/config/name", func(_ time.Time, v *gpb.TypedValue) bool { return v.GetStringVal() == "red" })
	routes := routespb.NewRoutesClient(c.Conn)
	added, err := routes.Add(ctx, &routespb.AddRequest{Routes: []*routespb.StaticRoute{{Instance: "red", Prefix: "198.51.100.0/24", Target: routespb.Target_DROP}}})
	netnstest.Check(t, err)
	if len(added.GetFailed()) > 0 {
		t.Fatal(added)
	}
	s.until(entry+"/state/origin-protocol", func(_ time.Time, v *gpb.TypedValue) bool { return v.GetStringVal() == "STATIC" })
	_, err = routes.Delete(ctx, &routespb.DeleteRequest{Routes: []*routespb.RouteKey{{Instance: "red", Prefix: "198.51.100.0/24"}}})
	netnstest.Check(t, err)
	for {
		m, err := s.g.Recv()
		netnstest.Check(t, err)
		if ds := m.GetUpdate().GetDelete(); len(ds) > 0 {
			if got := gnmipath.Format(m.GetUpdate().GetPrefix(), ds[0]); got != entry {
				t.Errorf("deleted %s", got)
			}
			break
		}
	}
	netnstest.Check(t, c.Close())
	d.detach()
}
