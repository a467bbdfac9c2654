package bmv2switch

import (
	"context"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
)

// FuzzReply: any bytes that a switch answers with are a result or an error.
func FuzzReply(f *testing.F) {
	conf := &thrift.TConfiguration{MaxMessageSize: 1 << 16}
	ctx := context.Background()
	for _, reply := range []fields{{}, {int32(5)}, {fields{int32(3), "text"}}} {
		buf := thrift.NewTMemoryBuffer()
		p := thrift.NewTBinaryProtocolConf(buf, conf)
		for _, err := range []error{p.WriteMessageBegin(ctx, "m", thrift.REPLY, 1), writeStruct(ctx, p, reply), p.WriteMessageEnd(ctx), p.Flush(ctx)} {
			if err != nil {
				f.Fatal(err)
			}
		}
		f.Add(buf.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		buf := thrift.NewTMemoryBuffer()
		if _, err := buf.Write(raw); err != nil {
			t.Fatal(err)
		}
		r := &rpc{transport: buf, protocol: thrift.NewTBinaryProtocolConf(buf, conf), sequence: 1}
		_ = r.receive(ctx, "m", func(v *reader) error {
			return v.fields(func(id int16) (bool, error) {
				if id != 1 {
					return false, nil
				}
				_, err := v.i32()
				return true, err
			})
		})
	})
}
