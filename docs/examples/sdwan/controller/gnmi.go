package controller

import (
	"context"
	"fmt"
	"strconv"
	"time"

	gnmi "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
)

// Reading is a packet counter at the time that the device read it.
type Reading struct {
	Packets uint64
	At      time.Time
}

// Watch streams one counter (in-pkts or out-pkts) of an interface to each, every
// interval, until ctx ends or the stream breaks.
func Watch(ctx context.Context, conn *grpc.ClientConn, netdev, counter string, interval time.Duration, each func(Reading)) error {
	stream, err := gnmi.NewGNMIClient(conn).Subscribe(ctx)
	if err != nil {
		return fmt.Errorf("gNMI: %w", err)
	}
	path := &gnmi.Path{Elem: []*gnmi.PathElem{
		{Name: "interfaces"}, {Name: "interface", Key: map[string]string{"name": netdev}},
		{Name: "state"}, {Name: "counters"}, {Name: counter},
	}}
	err = stream.Send(&gnmi.SubscribeRequest{Request: &gnmi.SubscribeRequest_Subscribe{Subscribe: &gnmi.SubscriptionList{
		Mode:     gnmi.SubscriptionList_STREAM,
		Encoding: gnmi.Encoding_PROTO,
		Subscription: []*gnmi.Subscription{{
			Path: path, Mode: gnmi.SubscriptionMode_SAMPLE, SampleInterval: uint64(interval.Nanoseconds()),
		}},
	}}})
	if err != nil {
		return fmt.Errorf("gNMI: %w", err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("gNMI: %w", err)
		}
		n := m.GetUpdate()
		for _, u := range n.GetUpdate() {
			v, err := value(u.GetVal())
			if err != nil {
				return fmt.Errorf("gNMI: %s of %s: %w", counter, netdev, err)
			}
			each(Reading{v, time.Unix(0, n.GetTimestamp())})
		}
	}
}

// value is a counter in any of the encodings that a device may choose.
func value(v *gnmi.TypedValue) (uint64, error) {
	switch x := v.GetValue().(type) {
	case *gnmi.TypedValue_UintVal:
		return x.UintVal, nil
	case *gnmi.TypedValue_IntVal:
		return uint64(x.IntVal), nil
	case *gnmi.TypedValue_JsonIetfVal: // RFC 7951 writes 64-bit numbers as strings
		s := string(x.JsonIetfVal)
		if u, err := strconv.Unquote(s); err == nil {
			s = u
		}
		return strconv.ParseUint(s, 10, 64)
	}
	return 0, fmt.Errorf("value of type %T is no counter", v.GetValue())
}
