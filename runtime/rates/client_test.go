package rates

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	p4configv1 "github.com/p4lang/p4runtime/go/p4/config/v1"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/p4nic/p4nic/internal/netnstest"
)

// The client is this test binary run again with an order in its environment, so
// that it has memory, garbage collector and processor time of its own.
const clientEnv = "P4NIC_RATES_CLIENT"

func TestMain(m *testing.M) {
	if order := os.Getenv(clientEnv); order != "" {
		os.Exit(clientMain(order))
	}
	os.Exit(netnstest.Main(m))
}

// order is what the client shall do.
type order struct {
	Socket string
	Info   []byte // P4Info, for ids
	// Write: entries From..From+Batches*Size are inserted, Window batches under way
	// at a time on the one connection. Which of them the server takes first is
	// open, as P4Runtime has it for concurrent writes; each is answered alone.
	// With Window 1 each is sent when the one before is acknowledged.
	From, Batches, Size, Window int
	Modify                      bool // instead of inserting
	// Read: the table is read whole, this many times; messages are not decoded.
	Reads int
}

// outcome is what the client measured.
type outcome struct {
	Seconds float64
	CPU     float64   // seconds of processor time, user and system
	Worst   float64   // seconds of the slowest batch
	Batches []float64 // seconds of each batch with Window 1
	Bytes   int64     // of answers to reads
}

func clientMain(text string) int {
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		var out *outcome
		if out, err = o.run(); err == nil {
			err = json.NewEncoder(os.Stdout).Encode(out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// start starts a client; wait gives what it measured.
func start(t testing.TB, o order) (wait func() *outcome) {
	t.Helper()
	text, err := json.Marshal(o)
	netnstest.Check(t, err)
	exe, err := os.Executable()
	netnstest.Check(t, err)
	c := exec.Command(exe)
	c.Env = append(os.Environ(), clientEnv+"="+string(text))
	c.Stderr = os.Stderr
	pipe, err := c.StdoutPipe()
	netnstest.Check(t, err)
	netnstest.Check(t, c.Start())
	return func() *outcome {
		t.Helper()
		raw, err := io.ReadAll(pipe)
		if err = errors.Join(err, c.Wait()); err != nil {
			t.Fatalf("client: %v", err)
		}
		out := &outcome{}
		netnstest.Check(t, json.Unmarshal(raw, out))
		return out
	}
}

// rawCodec carries messages that are encoded already.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*int) += data.Len()
	return nil
}

func (o *order) run() (*outcome, error) {
	conn, err := grpc.NewClient("unix://"+o.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(8<<20), grpc.WithInitialConnWindowSize(16<<20), grpc.WithReadBufferSize(1<<18))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	info := &p4configv1.P4Info{}
	if err := proto.Unmarshal(o.Info, info); err != nil {
		return nil, err
	}
	if o.Reads > 0 {
		return o.read(conn, info)
	}
	stream, err := p4v1.NewP4RuntimeClient(conn).StreamChannel(context.Background())
	if err != nil {
		return nil, err
	}
	id := &p4v1.Uint128{Low: 1}
	if err := stream.Send(&p4v1.StreamMessageRequest{Update: &p4v1.StreamMessageRequest_Arbitration{
		Arbitration: &p4v1.MasterArbitrationUpdate{DeviceId: 1, ElectionId: id}}}); err != nil {
		return nil, err
	}
	if _, err := stream.Recv(); err != nil {
		return nil, err
	}
	batches := make([][]byte, o.Batches)
	for i := range batches {
		r := &p4v1.WriteRequest{DeviceId: 1, ElectionId: id}
		for k := range o.Size {
			u := insert(info, uint64(o.From+i*o.Size+k))
			if o.Modify {
				u.Type = p4v1.Update_MODIFY
			}
			r.Updates = append(r.Updates, u)
		}
		if batches[i], err = proto.Marshal(r); err != nil {
			return nil, err
		}
	}
	return o.write(conn, batches)
}

func (o *order) write(conn *grpc.ClientConn, batches [][]byte) (*outcome, error) {
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	out := &outcome{Batches: make([]float64, len(batches))}
	next := make(chan int)
	cpu, begin := processorTime(), time.Now()
	for range o.Window {
		wg.Go(func() {
			for i := range next {
				size, sent := 0, time.Now()
				err := conn.Invoke(context.Background(), p4v1.P4Runtime_Write_FullMethodName, batches[i], &size, grpc.ForceCodecV2(rawCodec{}))
				out.Batches[i] = time.Since(sent).Seconds()
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	for i := range batches {
		next <- i
	}
	close(next)
	wg.Wait()
	out.Seconds, out.CPU = time.Since(begin).Seconds(), processorTime()-cpu
	out.Worst = slices.Max(out.Batches)
	return out, failed
}

func (o *order) read(conn *grpc.ClientConn, info *p4configv1.P4Info) (*outcome, error) {
	req, err := proto.Marshal(&p4v1.ReadRequest{DeviceId: 1, Entities: []*p4v1.Entity{{Entity: &p4v1.Entity_TableEntry{
		TableEntry: &p4v1.TableEntry{TableId: info.GetTables()[0].GetPreamble().GetId()}}}}})
	if err != nil {
		return nil, err
	}
	out := &outcome{}
	cpu, begin := processorTime(), time.Now()
	for range o.Reads {
		s, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true}, p4v1.P4Runtime_Read_FullMethodName, grpc.ForceCodecV2(rawCodec{}))
		if err != nil {
			return nil, err
		}
		if err := errors.Join(s.SendMsg(req), s.CloseSend()); err != nil {
			return nil, err
		}
		for {
			size := 0
			if err = s.RecvMsg(&size); err != nil {
				break
			}
			out.Bytes += int64(size)
		}
		if err != io.EOF {
			return nil, err
		}
	}
	out.Seconds, out.CPU = time.Since(begin).Seconds(), processorTime()-cpu
	return out, nil
}

// insert is the INSERT of entry n: its key is n, spread over the bits.
func insert(info *p4configv1.P4Info, n uint64) *p4v1.Update {
	t := info.GetTables()[0]
	key := binary.BigEndian.AppendUint64(nil, n*0x9e3779b97f4a7c15)
	te := &p4v1.TableEntry{TableId: t.GetPreamble().GetId()}
	for _, f := range t.GetMatchFields() {
		v := key[:(f.GetBitwidth()+7)/8]
		te.Match = append(te.Match, &p4v1.FieldMatch{FieldId: f.GetId(), FieldMatchType: &p4v1.FieldMatch_Exact_{Exact: &p4v1.FieldMatch_Exact{Value: v}}})
	}
	for _, a := range info.GetActions() {
		if len(a.GetParams()) == 0 {
			continue
		}
		act := &p4v1.Action{ActionId: a.GetPreamble().GetId()}
		for _, q := range a.GetParams() {
			v := binary.BigEndian.AppendUint64(nil, n&(1<<min(q.GetBitwidth(), 16)-1))[8-(min(q.GetBitwidth(), 64)+7)/8:]
			for len(v) > 1 && v[0] == 0 {
				v = v[1:]
			}
			act.Params = append(act.Params, &p4v1.Action_Param{ParamId: q.GetId(), Value: v})
		}
		te.Action = &p4v1.TableAction{Type: &p4v1.TableAction_Action{Action: act}}
	}
	return &p4v1.Update{Type: p4v1.Update_INSERT, Entity: &p4v1.Entity{Entity: &p4v1.Entity_TableEntry{TableEntry: te}}}
}

// processorTime is what this process has used, in seconds.
func processorTime() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
