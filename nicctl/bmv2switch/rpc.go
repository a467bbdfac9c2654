package bmv2switch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// rpc is a connection to a switch's Thrift server: binary protocol, unframed, one
// server for several services whose names precede the methods'.
type rpc struct {
	mu        sync.Mutex
	transport thrift.TTransport
	protocol  thrift.TProtocol
	sequence  int32
}

// callTime bounds one call.
const callTime = 10 * time.Second

func dial(address string) (*rpc, error) {
	conf := &thrift.TConfiguration{ConnectTimeout: callTime, SocketTimeout: callTime}
	t := thrift.NewTBufferedTransport(thrift.NewTSocketConf(address, conf), 4096)
	if err := t.Open(); err != nil {
		return nil, err
	}
	return &rpc{transport: t, protocol: thrift.NewTBinaryProtocolConf(t, conf)}, nil
}

func (r *rpc) close() error { return r.transport.Close() }

// value is an argument of a call or a field of a struct: int32, int64, float64,
// string, []byte, fields, or a list of one of them.
type value any

// fields are the fields of a struct in the order of their ids from 1 on; nil is a
// field that is not set.
type fields []value

// refusal is an exception that the interface of a method declares: a code of the
// service's.
type refusal struct {
	method string
	code   int32
}

func (e *refusal) Error() string {
	return fmt.Sprintf("the switch refuses %s with code %d", e.method, e.code)
}

// call calls a method. result reads the value returned and may be nil.
func (r *rpc) call(ctx context.Context, service, method string, args fields, result func(*reader) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sequence++
	err := r.send(ctx, service+":"+method, args)
	if err == nil {
		err = r.receive(ctx, method, result)
	}
	if err != nil {
		if _, is := err.(*refusal); !is {
			err = fmt.Errorf("%s: %w", method, err)
		}
	}
	return err
}

func (r *rpc) send(ctx context.Context, name string, args fields) error {
	p := r.protocol
	if err := p.WriteMessageBegin(ctx, name, thrift.CALL, r.sequence); err != nil {
		return err
	}
	if err := writeStruct(ctx, p, args); err != nil {
		return err
	}
	if err := p.WriteMessageEnd(ctx); err != nil {
		return err
	}
	return p.Flush(ctx)
}

func (r *rpc) receive(ctx context.Context, method string, result func(*reader) error) error {
	p := r.protocol
	_, kind, sequence, err := p.ReadMessageBegin(ctx)
	if err != nil {
		return err
	}
	if kind == thrift.EXCEPTION {
		x := thrift.NewTApplicationException(0, "")
		if err := x.Read(ctx, p); err != nil {
			return err
		}
		return x
	}
	if sequence != r.sequence {
		return fmt.Errorf("the answer to call %d, not %d", sequence, r.sequence)
	}
	// The result is a struct: field 0 is the value, field 1 the exception.
	var refused error
	err = readStruct(ctx, p, func(id int16, kind thrift.TType) (bool, error) {
		switch {
		case id == 0 && result != nil:
			return true, result(&reader{ctx, p})
		case id == 1 && kind == thrift.STRUCT:
			x := &refusal{method: method}
			refused = x
			return true, readStruct(ctx, p, func(id int16, kind thrift.TType) (bool, error) {
				if id != 1 || kind != thrift.I32 {
					return false, nil
				}
				code, err := p.ReadI32(ctx)
				x.code = code
				return true, err
			})
		}
		return false, nil
	})
	if err == nil {
		err = p.ReadMessageEnd(ctx)
	}
	if err == nil {
		err = refused
	}
	return err
}

// readStruct calls each for every field; what it does not read is skipped.
func readStruct(ctx context.Context, p thrift.TProtocol, each func(id int16, kind thrift.TType) (read bool, err error)) error {
	if _, err := p.ReadStructBegin(ctx); err != nil {
		return err
	}
	for {
		_, kind, id, err := p.ReadFieldBegin(ctx)
		if err != nil {
			return err
		}
		if kind == thrift.STOP {
			return p.ReadStructEnd(ctx)
		}
		read, err := each(id, kind)
		if err == nil && !read {
			err = p.Skip(ctx, kind)
		}
		if err == nil {
			err = p.ReadFieldEnd(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// reader reads a value that a method returns.
type reader struct {
	ctx context.Context
	p   thrift.TProtocol
}

func (r *reader) i32() (int32, error) { return r.p.ReadI32(r.ctx) }
func (r *reader) i64() (int64, error) { return r.p.ReadI64(r.ctx) }

// fields reads a struct; each is called for every field and tells whether it read it.
func (r *reader) fields(each func(id int16) (bool, error)) error {
	return readStruct(r.ctx, r.p, func(id int16, _ thrift.TType) (bool, error) { return each(id) })
}

func writeStruct(ctx context.Context, p thrift.TProtocol, s fields) error {
	if err := p.WriteStructBegin(ctx, ""); err != nil {
		return err
	}
	for i, v := range s {
		if v == nil {
			continue
		}
		if err := p.WriteFieldBegin(ctx, "", kindOf(v), int16(i+1)); err != nil {
			return err
		}
		if err := writeValue(ctx, p, v); err != nil {
			return err
		}
		if err := p.WriteFieldEnd(ctx); err != nil {
			return err
		}
	}
	if err := p.WriteFieldStop(ctx); err != nil {
		return err
	}
	return p.WriteStructEnd(ctx)
}

func kindOf(v value) thrift.TType {
	switch v.(type) {
	case bool:
		return thrift.BOOL
	case int32:
		return thrift.I32
	case int64:
		return thrift.I64
	case float64:
		return thrift.DOUBLE
	case string, []byte:
		return thrift.STRING
	case fields:
		return thrift.STRUCT
	default: // [][]byte, []fields
		return thrift.LIST
	}
}

func writeValue(ctx context.Context, p thrift.TProtocol, v value) error {
	switch v := v.(type) {
	case bool:
		return p.WriteBool(ctx, v)
	case int32:
		return p.WriteI32(ctx, v)
	case int64:
		return p.WriteI64(ctx, v)
	case float64:
		return p.WriteDouble(ctx, v)
	case string:
		return p.WriteString(ctx, v)
	case []byte:
		return p.WriteBinary(ctx, v)
	case fields:
		return writeStruct(ctx, p, v)
	case [][]byte:
		return writeList(ctx, p, thrift.STRING, v)
	case []fields:
		return writeList(ctx, p, thrift.STRUCT, v)
	}
	return fmt.Errorf("values of type %T are not written", v)
}

func writeList[T any](ctx context.Context, p thrift.TProtocol, kind thrift.TType, list []T) error {
	if err := p.WriteListBegin(ctx, kind, len(list)); err != nil {
		return err
	}
	for _, e := range list {
		if err := writeValue(ctx, p, e); err != nil {
			return err
		}
	}
	return p.WriteListEnd(ctx)
}
