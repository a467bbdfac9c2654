package gribi

import (
	"fmt"

	spb "github.com/openconfig/gribi/v1/proto/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

func withDetails(code codes.Code, d protoadapt.MessageV1, format string, args ...any) error {
	st := status.Newf(code, format, args...)
	if more, err := st.WithDetails(d); err == nil {
		st = more
	}
	return st.Err()
}

func modifyError(code codes.Code, r spb.ModifyRPCErrorDetails_Reason, format string, args ...any) error {
	return withDetails(code, protoadapt.MessageV1Of(&spb.ModifyRPCErrorDetails{Reason: r}), format, args...)
}

func errParamsDiffer() error {
	return modifyError(codes.FailedPrecondition, spb.ModifyRPCErrorDetails_PARAMS_DIFFER_FROM_OTHER_CLIENTS,
		"the session parameters differ from those of a client that is connected")
}

func errUnsupported(what string) error {
	return modifyError(codes.Unimplemented, spb.ModifyRPCErrorDetails_UNSUPPORTED_PARAMS,
		"%s is not supported: send SINGLE_PRIMARY and PRESERVE", what)
}

func errLateParams(why string) error {
	return modifyError(codes.FailedPrecondition, spb.ModifyRPCErrorDetails_MODIFY_NOT_ALLOWED,
		"session parameters are the first message of a stream and come once: %s", why)
}

func errElectionInAllPrimary() error {
	return modifyError(codes.FailedPrecondition, spb.ModifyRPCErrorDetails_ELECTION_ID_IN_ALL_PRIMARY,
		"an election id needs a session with SINGLE_PRIMARY; without session parameters it is ALL_PRIMARY")
}

func flushError(code codes.Code, r spb.FlushResponseError_Reason, format string, args ...any) error {
	return withDetails(code, protoadapt.MessageV1Of(&spb.FlushResponseError{Status: r}), "flush: %s", fmt.Sprintf(format, args...))
}
