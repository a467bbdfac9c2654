// The client of openconfig/gnmi (what gnmi_cli is made of) against our server. A
// module of its own, so that the product never depends on it.
module github.com/p4nic/p4nic/test/gnmicli

go 1.26.0

require (
	github.com/openconfig/gnmi v0.14.1
	github.com/p4nic/p4nic v0.0.0
	google.golang.org/grpc v1.83.1
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/golang/glog v1.2.5 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/kylelemons/godebug v1.1.0 // indirect
	github.com/mitchellh/go-wordwrap v1.0.1 // indirect
	github.com/openconfig/goyang v1.6.0 // indirect
	github.com/openconfig/grpctunnel v0.1.0 // indirect
	github.com/openconfig/ygot v0.29.20 // indirect
	github.com/protocolbuffers/txtpbfmt v0.0.0-20240823084532-8e6b51fa9bef // indirect
	github.com/vishvananda/netlink v1.3.1 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/exp v0.0.0-20241009180824-f66d83c29e7c // indirect
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260526163538-3dc84a4a5aaa // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

// The old module has packages of the new ones.
exclude google.golang.org/genproto v0.0.0-20230410155749-daa745c078e1

replace github.com/p4nic/p4nic => ../..
