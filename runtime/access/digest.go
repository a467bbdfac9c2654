package access

import (
	"crypto/sha256"
	"hash"
	"sync"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	gribi "github.com/openconfig/gribi/v1/proto/service"
	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/p4nic/p4nic/internal/p4wire"
	"github.com/p4nic/p4nic/proto/nicdpb"
	"github.com/p4nic/p4nic/proto/routespb"
)

// wire is a message as it came.
type wire struct {
	digest [sha256.Size]byte
	size   int
}

// digests holds what the codec saw of messages that will be recorded, by the
// message, until an interceptor takes it: gRPC gives the bytes of a message to
// the codec alone. Every message that was decoded reaches an interceptor.
type digests struct {
	mu sync.Mutex
	m  map[any]wire
}

func (d *digests) put(m any, w wire) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.m == nil {
		d.m = map[any]wire{}
	}
	d.m[m] = w
}

func (d *digests) take(m any) (wire, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, ok := d.m[m]
	delete(d.m, m)
	return w, ok
}

// digested tells whether requests of this kind are recorded with a digest.
func digested(m any) bool {
	switch m.(type) {
	case *p4wire.Write, *p4v1.SetForwardingPipelineConfigRequest, *gribi.ModifyRequest, *gribi.FlushRequest, *gpb.SetRequest,
		*routespb.AddRequest, *routespb.DeleteRequest, *nicdpb.DetachRequest:
		return true
	}
	return false
}

// codec is a codec that notes the digest of what it reads.
type codec struct {
	encoding.CodecV2
	digests *digests
}

func (g *Guard) baseCodec() encoding.CodecV2 { return encoding.GetCodecV2(proto.Name) }

// Unmarshal implements encoding.CodecV2.
func (c *codec) Unmarshal(data mem.BufferSlice, m any) error {
	if !digested(m) {
		return c.CodecV2.Unmarshal(data, m)
	}
	w := wire{size: data.Len()}
	if len(data) == 1 {
		w.digest = sha256.Sum256(data[0].ReadOnlyData())
	} else {
		h := sha256.New()
		for _, b := range data {
			write(h, b.ReadOnlyData())
		}
		h.Sum(w.digest[:0])
	}
	if err := c.CodecV2.Unmarshal(data, m); err != nil {
		return err
	}
	c.digests.put(m, w)
	return nil
}

// write adds to a hash, which never fails.
func write(h hash.Hash, b []byte) { _, _ = h.Write(b) }
