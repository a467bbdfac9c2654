package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/p4nic/p4nic/internal/version"
	"github.com/p4nic/p4nic/proto/nicdpb"
	"github.com/p4nic/p4nic/runtime/access"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// service answers operators (proto/nicd.proto).
type service struct {
	nicdpb.UnimplementedNicdServer
	d        *Daemon
	mu       sync.RWMutex // held for reading by what needs the plane
	detached bool
}

// errDetached answers what comes after a Detach.
var errDetached = status.Error(codes.Unavailable, "the datapath was detached, nicd is ending")

// tableEngines is a Plane that chooses an engine for each table.
type tableEngines interface {
	// TableEngines names the engine of each table of the live pipeline.
	TableEngines() []string
}

// Status implements the RPC.
func (s *service) Status(context.Context, *nicdpb.StatusRequest) (*nicdpb.StatusResponse, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.detached {
		return nil, errDetached
	}
	d := s.d
	out := &nicdpb.StatusResponse{
		Version: version.Version, Instance: d.config.Instance, Engine: d.plane.Name(), Pid: int32(os.Getpid()),
		StartedUnixNs: d.started.UnixNano(), DeviceId: d.config.DeviceID, StateDir: d.config.StateDir,
	}
	for i, l := range d.listeners {
		path, unix := unixPath(d.config.Listen[i])
		address := "unix://" + path
		if !unix {
			address = l.Addr().String() // with the port that was chosen for :0
		}
		via := d.config.via(d.config.Listen[i])
		out.Listeners = append(out.Listeners, &nicdpb.Listener{Address: address, Insecure: via == access.ViaInsecure, Tls: via == access.ViaTLS,
			Anonymous: via == access.ViaTLS && d.config.TLS.Anonymous})
	}
	out.Pipeline = d.pipelineStatus()
	for _, p := range d.plane.Ports() {
		q := &nicdpb.Port{Number: p.Number, Netdev: p.Netdev, Hook: p.Hook, Up: p.Up, Problem: p.Problem, Note: p.Note}
		if st, err := d.plane.PortStats(p.Number); err == nil {
			q.RxPackets, q.RxBytes, q.TxPackets, q.TxBytes, q.Drops = st.RxPackets, st.RxBytes, st.TxPackets, st.TxBytes, st.Drops
		}
		out.Ports = append(out.Ports, q)
	}
	out.CpuPort = d.cpuPortStatus()
	out.Security = securityStatus(d.gate.State())
	return out, nil
}

func securityStatus(s access.State) *nicdpb.Security {
	out := &nicdpb.Security{Connections: uint64(s.Connections), FailedHandshakes: s.Handshakes, RefusedConnections: s.Full, Denied: s.Denied, Limited: s.Limited,
		Rules: uint32(s.Rules)}
	if c := s.Certificate; c != nil {
		out.Certificate = &nicdpb.Certificate{Subject: c.Subject, Serial: c.Serial, NotBeforeUnix: c.NotBefore.Unix(), NotAfterUnix: c.NotAfter.Unix(),
			LoadedUnix: c.Loaded.Unix(), Reloads: c.Reloads, Problem: c.Problem}
	}
	if a := s.Audit; a != nil {
		out.Audit = &nicdpb.Audit{File: a.File, Sequence: a.Sequence, Head: a.Head, Lost: a.Lost, Problem: a.Problem, Refusing: a.Refusing && a.Problem != ""}
	}
	return out
}

// cpuPortStatus is nil where the engine has no CPU port.
func (d *Daemon) cpuPortStatus() *nicdpb.CPUPort {
	plane, ok := d.plane.(dataplane.PacketIO)
	if !ok {
		return nil
	}
	n := d.p4rt.PacketCounts()
	out := &nicdpb.CPUPort{Problem: d.p4rt.PacketProblem(), PacketIns: n.In, PacketOuts: n.Out, NoPrimary: n.NoPrimary,
		SlowClient: n.Slow, Malformed: n.Malformed, Refused: n.Refused}
	if st, err := plane.CPUStats(); err == nil {
		out.PortDrops = st.Drops
	}
	return out
}

func (d *Daemon) pipelineStatus() *nicdpb.Pipeline {
	p := d.store.Pipeline()
	if p == nil {
		return nil
	}
	digest := sha256.Sum256(p.Config.Device)
	out := &nicdpb.Pipeline{Name: p.Program.Name, Digest: hex.EncodeToString(digest[:]), HasCookie: p.Config.HasCookie, Cookie: p.Config.Cookie,
		Sequence: d.plane.AppliedSequence()}
	var engines []string
	if e, ok := d.plane.(tableEngines); ok {
		engines = e.TableEngines()
	}
	v := d.store.Snapshot(p)
	for i, t := range p.Program.Tables {
		row := &nicdpb.Table{Name: t.Name, Size: uint64(p.Schema.Tables[i].Size)}
		if v != nil {
			row.Used = uint64(v.Count(i))
		}
		if i < len(engines) {
			row.Engine = engines[i]
		}
		out.Tables = append(out.Tables, row)
	}
	return out
}

// Detach implements the RPC. The store ends first: what was acknowledged is in
// its journal, and nothing writes to a datapath that is gone.
func (s *service) Detach(context.Context, *nicdpb.DetachRequest) (*nicdpb.DetachResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.detached {
		return nil, errDetached
	}
	s.detached = true
	out := &nicdpb.DetachResponse{}
	for _, port := range s.d.plane.Ports() {
		out.Removed = append(out.Removed, fmt.Sprintf("port %d (%s)", port.Number, port.Netdev))
	}
	err := errors.Join(s.d.store.Close(), s.d.plane.DetachAll())
	s.d.detached <- err // nicd ends, whether it worked or not
	if err != nil {
		return nil, status.Errorf(codes.Internal, "detach: %v", err)
	}
	return out, nil
}
