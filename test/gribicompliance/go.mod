// The compliance suite of openconfig/gribigo against our server. A module of its
// own, so that the product never depends on gribigo.
module github.com/p4nic/p4nic/test/gribicompliance

go 1.26.0

require (
	github.com/openconfig/gribi v1.9.1
	github.com/openconfig/gribigo v0.1.3
	github.com/openconfig/testt v0.0.0-20220311054427-efbb1a32ec07
	github.com/p4nic/p4nic v0.0.0
	google.golang.org/grpc v1.83.1
)

require (
	github.com/golang/glog v1.2.5 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/kylelemons/godebug v1.1.0 // indirect
	github.com/openconfig/gnmi v0.14.1 // indirect
	github.com/openconfig/goyang v1.6.0 // indirect
	github.com/openconfig/ygot v0.32.0 // indirect
	github.com/p4lang/p4runtime v1.5.0 // indirect
	go.uber.org/atomic v1.10.0 // indirect
	golang.org/x/exp v0.0.0-20250218142911-aa4b98e5adaa // indirect
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260526163538-3dc84a4a5aaa // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	lukechampine.com/uint128 v1.3.0 // indirect
)

replace github.com/p4nic/p4nic => ../..
