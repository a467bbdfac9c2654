// Command sdwan is an example of an SD-WAN controller over gRIBI and gNMI: it
// joins a prefix behind a far site over two paths and moves it when the path in
// use loses packets.
//
//	sdwan --near unix:///run/p4nic/a.sock --far unix:///run/p4nic/b.sock \
//	      --prefix 10.2.0.0/16 --path name=mpls,hop=192.0.2.2,near=eth1,far=eth1 \
//	      --path name=inet,hop=198.51.100.2,near=eth2,far=eth2
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/p4nic/p4nic/docs/examples/sdwan/controller"
)

// paths collects --path flags.
type paths []controller.Path

func (p *paths) String() string { return fmt.Sprint(*p) }

// Set reads name=...,hop=...,near=...,far=....
func (p *paths) Set(s string) error {
	index := uint64(len(*p) + 1)
	path := controller.Path{NextHop: controller.NextHop{Index: index}}
	for _, part := range strings.Split(s, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "name":
			path.Name = value
		case "hop":
			path.NextHop.Address = value
		case "near":
			path.Near, path.NextHop.Interface = value, value
		case "far":
			path.Far = value
		default:
			return fmt.Errorf("unknown key %q; there are name, hop, near and far", key)
		}
	}
	if path.Name == "" || path.NextHop.Address == "" || path.Near == "" || path.Far == "" {
		return fmt.Errorf("name, hop, near and far are all needed")
	}
	*p = append(*p, path)
	return nil
}

func main() {
	var list paths
	near := flag.String("near", "", "address of the near site's device: gRIBI and gNMI")
	far := flag.String("far", "", "address of the far site's device: gNMI")
	prefix := flag.String("prefix", "", "prefix behind the far site")
	interval := flag.Duration("interval", time.Second, "time between readings")
	loss := flag.Float64("max-loss", 0.01, "share of lost packets from which a path is left")
	election := flag.Uint64("election-id", uint64(time.Now().Unix()), "gRIBI election id")
	flag.Var(&list, "path", "name=N,hop=ADDRESS,near=INTERFACE,far=INTERFACE (at least two)")
	flag.Parse()
	if *near == "" || *far == "" || *prefix == "" || len(list) < 2 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *near, *far, controller.Config{
		Election: *election, Prefix: *prefix, Paths: list, Interval: *interval, Window: 5, MaxLoss: *loss, MinSent: 100, Log: log.Printf,
	}); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, near, far string, cfg controller.Config) error {
	// The example talks in the clear: to unix sockets, or to devices that allow it.
	creds := grpc.WithTransportCredentials(insecure.NewCredentials())
	var err error
	if cfg.Near, err = grpc.NewClient(near, creds); err != nil {
		return err
	}
	defer cfg.Near.Close()
	if cfg.Far, err = grpc.NewClient(far, creds); err != nil {
		return err
	}
	defer cfg.Far.Close()
	if _, err := controller.Start(ctx, cfg); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
