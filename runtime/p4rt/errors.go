package p4rt

import (
	"errors"
	"fmt"

	p4v1 "github.com/p4lang/p4runtime/go/p4/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/p4nic/p4nic/runtime/entity"
	"github.com/p4nic/p4nic/runtime/store"
)

// space names the errors' origin in p4.v1.Error (p4rt:E5).
const space = "p4nic-v1model-p4nic"

// code maps a refusal to gRPC's.
func code(err error) codes.Code {
	var e *entity.Error
	if errors.As(err, &e) {
		switch e.Reason {
		case entity.Invalid:
			return codes.InvalidArgument
		case entity.OutOfRange:
			return codes.OutOfRange
		case entity.Exists:
			return codes.AlreadyExists
		case entity.NotFound:
			return codes.NotFound
		case entity.Full:
			return codes.ResourceExhausted
		case entity.Denied:
			return codes.PermissionDenied
		case entity.Unsupported:
			return codes.Unimplemented
		case entity.Unavailable:
			return codes.Unavailable
		case entity.Precondition:
			return codes.FailedPrecondition
		case entity.Aborted:
			return codes.Aborted
		default:
			return codes.Internal
		}
	}
	switch {
	case errors.Is(err, store.ErrNotStarted), errors.Is(err, store.ErrClosed):
		return codes.Unavailable
	case errors.Is(err, store.ErrPipelineChanged):
		return codes.Aborted
	case errors.Is(err, store.ErrNoPipeline):
		return codes.FailedPrecondition
	}
	return codes.Internal
}

// rpcError is the status of a call that failed as a whole (p4rt:E2).
func rpcError(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.Error(code(err), err.Error())
}

func (s *Server) noPipeline() error {
	return status.Errorf(codes.FailedPrecondition, "No forwarding pipeline config set for device %d", s.opts.DeviceID)
}

// batchError is the status of a batch of which some failed: UNKNOWN, and one
// p4.v1.Error each, in order (p4rt:E3, E6, E8). It is nil when none did.
func batchError(what string, errs []error) error {
	failed := 0
	var first error
	details := make([]protoadapt.MessageV1, len(errs))
	for i, err := range errs {
		d := &p4v1.Error{}
		if err != nil {
			failed++
			if first == nil {
				first = err
			}
			d.CanonicalCode, d.Message, d.Space = int32(code(err)), err.Error(), space
		}
		details[i] = protoadapt.MessageV1Of(d)
	}
	if failed == 0 {
		return nil
	}
	st := status.New(codes.Unknown, fmt.Sprintf("%d of %d %s failed, the first: %v", failed, len(errs), what, first))
	with, err := st.WithDetails(details...)
	if err != nil {
		return st.Err()
	}
	return with.Err()
}

func invalid(format string, args ...any) error {
	return entity.Errorf(entity.Invalid, format, args...)
}

func unsupported(format string, args ...any) error {
	return entity.Errorf(entity.Unsupported, format, args...)
}

// within puts the name of what an error is about before its text; nil stays nil.
func within(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	var e *entity.Error
	what := fmt.Sprintf(format, args...)
	if errors.As(err, &e) {
		return &entity.Error{Reason: e.Reason, Msg: what + ": " + e.Msg, Err: e.Err}
	}
	return fmt.Errorf("%s: %w", what, err)
}
