package nicctl

import (
	"archive/zip"
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	p4 "github.com/p4lang/p4runtime/go/p4/v1"

	"google.golang.org/grpc/codes"

	"github.com/p4nic/p4nic/nicctl/p4rtclient"
	"github.com/p4nic/p4nic/nicctl/p4rtclient/fakedevice"
)

// fake is a device with limits and the files that its commands name.
type fake struct {
	t       *testing.T
	dir     string
	address string
	device  *fakedevice.Device
}

func newFake(t *testing.T, l fakedevice.Limits) *fake {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, dir: t.TempDir(), address: listener.Addr().String(), device: fakedevice.New(l)}
	go func() { _ = f.device.Serve(listener) }()
	t.Cleanup(f.device.Stop)
	small, err := os.ReadFile("testdata/p4/small.p4")
	if err != nil {
		t.Fatal(err)
	}
	f.file("small.p4", string(small))
	f.file("odd.p4", strings.Replace(string(small), "size = 4;", "size = 5;", 1))
	f.file("nic.bin", "what the vendor's compiler made")
	f.file("entries.txt", "wires port=1 to_port port=2\nwires port=2 to_port port=1\nwires port=300 drop\n")
	f.file("some.txt", "wires port=1 drop\nwires port=7 drop\nwires port=300 drop\nwires port=8 drop\n")
	f.file("changes.txt", "wires port=1 to_host\nwires port=300 to_port port=3\n")
	return f
}

func (f *fake) file(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// run runs a command with $TARGET for the flags that name the device and $D for
// the files, and compares exit code, stdout and stderr, in which the address is ADDR.
func (f *fake) run(command string, code int, stdout, stderr string) {
	f.t.Helper()
	command = strings.ReplaceAll(command, "$TARGET", "--insecure --target p4rt://"+f.address)
	command = strings.ReplaceAll(command, "$D", f.dir)
	var out, err bytes.Buffer
	got := Main(strings.Fields(command), strings.NewReader(""), &out, &err)
	plain := func(b *bytes.Buffer) string {
		return strings.ReplaceAll(strings.ReplaceAll(b.String(), f.address, "ADDR"), f.dir, "$D")
	}
	if got != code || plain(&out) != stdout || plain(&err) != stderr {
		f.t.Errorf("nicctl %s: exit %d, want %d\nstdout %q\n  want %q\nstderr %q\n  want %q", command, got, code, plain(&out), stdout, plain(&err), stderr)
	}
}

const (
	load  = "load $TARGET --device-config $D/nic.bin $D/small.p4"
	list  = "table list $TARGET wires"
	add   = "table add $TARGET -f $D/entries.txt"
	found = "wires port=1 to_port port=2\nwires port=2 to_port port=1\nwires port=300 drop\n"
	// A device tells no action of a default entry that nobody changed.
	listed = found + "wires default\n"
)

// TestDevices: the same work on devices with the limits that vendors publish:
// each is got around and named, or is the reason of a refusal and named.
func TestDevices(t *testing.T) {
	const note = "nicctl: device 1 at p4rt://ADDR, "
	noCapabilities := note + "no-capabilities: it does not tell its P4Runtime version (Capabilities is not implemented)\n"
	t.Run("without limits", func(t *testing.T) {
		f := newFake(t, fakedevice.Limits{})
		f.run("status $TARGET", 0, "device 1 at p4rt://ADDR, P4Runtime 1.5.0; it is not nicd\npipeline  none loaded\n", "")
		f.run(list, 1, "", "nicctl: device 1 has no pipeline loaded; load one with: nicctl load FILE\n")
		f.run("load $TARGET --dry-run --device-config $D/nic.bin $D/small.p4", 0, "small: can be loaded\n", "")
		f.run(load, 0, "small: loaded\n", "")
		if got := string(f.device.Config()); got != "what the vendor's compiler made" {
			t.Errorf("the device got %q", got)
		}
		f.run(add, 0, "3 entries inserted\n", "")
		f.run(add, 1, "", "nicctl: $D/entries.txt:1: the entry is there already (AlreadyExists)\n$D/entries.txt:2: the entry is there already (AlreadyExists)\n"+
			"$D/entries.txt:3: the entry is there already (AlreadyExists)\n0 of 3 entries done\n")
		f.run(load, 0, "small: loaded\n", "")
		f.run(list, 0, listed, "")
		f.run("table set $TARGET wires port=1 drop", 0, "", "")
		f.run("table del $TARGET -f $D/some.txt", 1, "", "nicctl: $D/some.txt:2: there is no such entry (NotFound)\n$D/some.txt:4: there is no such entry (NotFound)\n2 of 4 entries done\n")
		f.run(list, 0, "wires port=2 to_port port=1\nwires default\n", "")
		f.run("load --fresh -o json $TARGET --device-config $D/nic.bin $D/small.p4", 0, "{\n  \"pipeline\": \"small\",\n  \"fresh\": true,\n  \"dry_run\": false\n}\n", "")
		f.run(list, 0, "wires default\n", "")
		f.run("status $TARGET", 0, "device 1 at p4rt://ADDR, P4Runtime 1.5.0; it is not nicd\npipeline  without a name, 2 tables\n", "")
		f.run("status $TARGET --device 2", 1, "", "nicctl: device 2 is unknown (NotFound)\n")
	})
	t.Run("op:PE7 DPL", func(t *testing.T) {
		f := newFake(t, fakedevice.DPL())
		f.run("load $TARGET --device-config $D/nic.bin $D/odd.p4", 1, "", `nicctl: $D/odd.p4: limit of the device, power-of-two-tables: it may take only powers of two as table sizes: `+
			`"table I.wires: size 5 is not a power of two"; wires has 5 (8 would do)`+"\n")
		f.run(load, 0, "small: loaded\n", "") // no pipeline to keep entries of
		f.run(load, 0, "small: loaded\n", note+"no-reconcile: it cannot keep entries over a load (RECONCILE_AND_COMMIT is not implemented)\n")
		f.run(add, 0, "3 entries inserted\n", "")
		f.run(load, 1, "", `nicctl: $D/small.p4: limit of the device, no-reconcile: it cannot keep entries over a load (RECONCILE_AND_COMMIT is not implemented): `+
			`"RECONCILE_AND_COMMIT is not supported"; 3 entries would be lost: --fresh drops them`+"\n")
		f.run(list, 0, listed, "")
		f.run("table set $TARGET wires default drop", 0, "", "")
		f.run("table set $TARGET wires port=1 drop", 1, "", `nicctl: limit of the device, no-modify: it cannot change entries (MODIFY is not implemented): "MODIFY is not supported"; `+
			"--replace deletes and inserts instead; in between packets do not find the entry\n")
		f.run("table set $TARGET --replace -f $D/changes.txt", 0, "2 entries changed\n", note+"no-modify: it cannot change entries (MODIFY is not implemented)\n")
		f.run(list, 0, "wires port=1 to_host\nwires port=2 to_port port=1\nwires port=300 to_port port=3\nwires default drop\n", "")
		f.run("table set $TARGET --replace wires port=9 drop", 1, "", "nicctl: the entry to be replaced is not there (NotFound)\n")
		f.run("load --fresh $TARGET --device-config $D/nic.bin $D/small.p4", 0, "small: loaded\n", "")
		// One controller.
		c, err := p4rtclient.Dial("p4rt://"+f.address, 1, p4rtclient.Security{Insecure: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.BecomePrimary(context.Background(), false); err != nil {
			t.Fatal(err)
		}
		f.run(add, 1, "", `nicctl: limit of the device, one-controller: it takes no further controller while others are connected: "too many controllers"; disconnect one of them first`+"\n")
		f.run(list, 0, "wires default\n", "")
	})
	t.Run("p4rt:W4 MODIFY refuses the whole call", func(t *testing.T) {
		f := newFake(t, fakedevice.Limits{NoModify: true, RefuseWholeModify: true})
		f.run(load, 0, "small: loaded\n", "")
		f.run(add, 0, "3 entries inserted\n", "")
		f.run("table set $TARGET --replace -f $D/changes.txt", 0, "2 entries changed\n", note+"no-modify: it cannot change entries (MODIFY is not implemented)\n")
		f.run(list, 0, "wires port=1 to_host\nwires port=2 to_port port=1\nwires port=300 to_port port=3\nwires default\n", "")
	})
	t.Run("an entry is replaced or stays", func(t *testing.T) {
		f := newFake(t, fakedevice.Limits{NoModify: true})
		f.run(load, 0, "small: loaded\n", "")
		f.run(add, 0, "3 entries inserted\n", "")
		no := note + "no-modify: it cannot change entries (MODIFY is not implemented)\n"
		inserts := 0
		refuse := func(n int) func(*p4.Update) *p4.Error { // the first n inserts
			inserts = 0
			return func(u *p4.Update) *p4.Error {
				if u.GetType() != p4.Update_INSERT {
					return nil
				}
				if inserts++; inserts > n {
					return nil
				}
				return &p4.Error{CanonicalCode: int32(codes.ResourceExhausted), Message: "out of hardware"}
			}
		}
		f.device.Refuse(refuse(1))
		f.run("table set $TARGET --replace wires port=1 drop", 1, "", no+"nicctl: out of hardware (ResourceExhausted)\n")
		f.run(list, 0, listed, "")
		f.device.Refuse(refuse(2))
		f.run("table set $TARGET --replace wires port=1 drop", 1, "", no+"nicctl: THE ENTRY IS GONE: the new one was refused and the old one cannot be put back: "+
			"out of hardware (ResourceExhausted) (ResourceExhausted)\n")
		f.device.Refuse(nil)
		f.run(list, 0, "wires port=2 to_port port=1\nwires port=300 drop\nwires default\n", "")
	})
	t.Run("PI", func(t *testing.T) {
		f := newFake(t, fakedevice.PI())
		f.run("status $TARGET", 0, "device 1 at p4rt://ADDR, P4Runtime 1.3.0; it is not nicd\npipeline  none loaded\n", "")
		f.run(load, 0, "small: loaded\n", "")
		f.run(add, 0, "3 entries inserted\n", "")
		f.run(list, 0, listed, "")
		f.run("table list $TARGET acl", 0, "acl default\n", "")
	})
	t.Run("Stratum", func(t *testing.T) {
		f := newFake(t, fakedevice.Stratum())
		probe := note + "no-election-probe: it does not tell who is primary before one asks to become it (unset election ids are refused)\n"
		f.run(load, 0, "small: loaded\n", probe)
		f.run(add, 0, "3 entries inserted\n", probe)
		f.run(list, 0, listed, "")
		// A primary with the id that nicctl tries, and one with a higher id.
		for _, id := range []uint64{1, 50} {
			stop := rival(t, f.address, id)
			f.run("table del $TARGET wires port=1", 1, "", probe+"nicctl: device 1 is controlled by a primary with election id "+map[uint64]string{1: "1", 50: "50"}[id]+
				"; --takeover makes nicctl primary in its place\n")
			f.run("table del $TARGET wires port=1 --dry-run", 0, "would delete wires port=1\n", "")
			stop()
		}
		stop := rival(t, f.address, 50)
		f.run("table del $TARGET --takeover wires port=1", 0, "", probe)
		stop()
	})
	t.Run("sonic-pins", func(t *testing.T) {
		f := newFake(t, fakedevice.SonicPINS())
		f.run("status $TARGET", 0, "device 1 at p4rt://ADDR, P4Runtime of an unknown version; it is not nicd\npipeline  none loaded\n", noCapabilities)
		f.run("status -o json $TARGET", 0, `{
  "device_id": 1,
  "p4runtime_version": "",
  "nicd": null,
  "pipeline": null,
  "listeners": [],
  "ports": [],
  "security": null,
  "cpu_port": null,
  "limits": [
    "no-capabilities"
  ]
}
`, noCapabilities)
		f.run(load, 0, "small: loaded\n", "")
		f.run(load, 0, "small: loaded\n", "")
		f.run("load --fresh $TARGET --device-config $D/nic.bin $D/small.p4", 1, "", `nicctl: $D/small.p4: limit of the device, one-commit: it starts afresh only once (a further VERIFY_AND_COMMIT is not implemented): `+
			`"the pipeline was set already"; without --fresh the entries are kept`+"\n")
		f.run(add, 0, "3 entries inserted\n", "")
		f.run(list, 0, listed, note+"no-table-reads: it cannot read single tables; all were read\n")
		f.run("table list $TARGET acl", 0, "acl default\n", note+"no-table-reads: it cannot read single tables; all were read\n")
		f.run("table add $TARGET -f $D/some.txt", 1, "", note+"stops-at-first-error: it tries nothing after an update that it refuses; the rest was sent again\n"+
			"nicctl: $D/some.txt:1: the entry is there already (AlreadyExists)\n$D/some.txt:3: the entry is there already (AlreadyExists)\n"+
			"$D/some.txt:4: table I.wires is full (ResourceExhausted)\n1 of 4 entries done\n")
	})
	t.Run("4ward", func(t *testing.T) {
		f := newFake(t, fakedevice.FourWard())
		f.run(load, 0, "small: loaded\n", "")
		f.run(add, 0, "3 entries inserted\n", "")
		stop := rival(t, f.address, 50)
		f.run("table del $TARGET wires port=1", 1, "", "nicctl: device 1 is controlled by a primary whose election id it does not tell; --takeover makes nicctl primary in its place\n")
		f.run("table del $TARGET --takeover wires port=1", 0, "", "")
		stop()
	})
	t.Run("p4rt:B1 before 1.3", func(t *testing.T) {
		f := newFake(t, fakedevice.Old())
		wide := note + "full-width-bytestrings: it wants values in their full width\n"
		f.run("load $TARGET --dry-run --device-config $D/nic.bin $D/small.p4", 1, "", `nicctl: $D/small.p4: limit of the device, no-verify: it cannot check a pipeline without loading it (VERIFY is not implemented): "VERIFY is not supported"`+"\n")
		f.run(load, 0, "small: loaded\n", "")
		f.run("table add $TARGET wires port=1 to_port port=2", 0, "", wide)
		f.run("table add $TARGET wires port=300 to_port port=301", 0, "", "")
		f.run("table set $TARGET wires port=1 drop", 0, "", wide)
		f.run(list, 0, "wires port=1 drop\nwires port=300 to_port port=301\nwires default\n", "")
		f.run("table add $TARGET wires port=1 drop", 1, "", "nicctl: 1 bytes, want 2 (InvalidArgument)\n")
		f.run("table del $TARGET wires port=1", 0, "", wide)
	})
	t.Run("p4rt:RD6 no reads of default entries", func(t *testing.T) {
		f := newFake(t, fakedevice.Limits{NoDefaultReads: true})
		f.run(load, 0, "small: loaded\n", "")
		f.run(add, 0, "3 entries inserted\n", "")
		f.run(list, 0, found, note+"no-default-reads: default actions cannot be read\n")
		f.run(load, 0, "small: loaded\n", "")
	})
}

// rival is another primary; the result ends it.
func rival(t *testing.T, address string, id uint64) func() {
	t.Helper()
	c, err := p4rtclient.Dial(address, 1, p4rtclient.Security{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := c.P4RT.StreamChannel(ctx)
	if err == nil {
		err = s.Send(&p4.StreamMessageRequest{Update: &p4.StreamMessageRequest_Arbitration{
			Arbitration: &p4.MasterArbitrationUpdate{DeviceId: 1, ElectionId: &p4.Uint128{Low: id}}}})
	}
	var m *p4.StreamMessageResponse
	if err == nil {
		m, err = s.Recv()
	}
	if err != nil || m.GetArbitration().GetStatus().GetCode() != 0 {
		t.Fatalf("rival %d: %v, %v", id, m, err)
	}
	return func() {
		_ = s.CloseSend()
		for { // until the device has seen it
			if _, err := s.Recv(); err != nil {
				break
			}
		}
		cancel()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestDeviceConfig: what a device that is not nicd gets of a bundle.
func TestDeviceConfig(t *testing.T) {
	f := newFake(t, fakedevice.Limits{})
	c, err := p4rtclient.Dial("p4rt://"+f.address, 1, p4rtclient.Security{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	pack := func(names ...string) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, name := range names {
			w, err := z.Create(name)
			if err == nil {
				_, err = w.Write([]byte("of " + name))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	const missing = " is not nicd, and the bundle has no bmv2.json for it: name its configuration with --device-config"
	if got, err := deviceConfig(t.Context(), c, pack("another"), ""); err == nil || err.Error() != "p4rt://"+f.address+missing {
		t.Errorf("got %q, %v", got, err)
	}
	bundle := pack("another", "bmv2.json")
	if got, err := deviceConfig(t.Context(), c, bundle, ""); err != nil || string(got) != "of bmv2.json" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := deviceConfig(t.Context(), c, bundle, filepath.Join(f.dir, "nic.bin")); err != nil || string(got) != "what the vendor's compiler made" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestTargetFlag: --target is an address of any device; D21 holds.
func TestTargetFlag(t *testing.T) {
	f := newFake(t, fakedevice.Limits{})
	for _, c := range []struct {
		command string
		code    int
		stderr  string
	}{
		{"status --target p4rt://" + f.address, 1, "nicctl: p4rt://ADDR: the server does not speak TLS there: it needs a certificate, or --insecure on both sides\n"},
		{"status --insecure --target " + f.address, 2, "nicctl: --target ADDR: p4rt://HOST[:PORT] is wanted\nRun 'nicctl status --help' for usage.\n"},
		{"status --insecure --target p4rt://a --address b:1", 2, "nicctl: give --target or --address, not both\nRun 'nicctl status --help' for usage.\n"},
		{"load $TARGET --device-config $D/nothing $D/small.p4", 1, "nicctl: $D/small.p4: open $D/nothing: no such file or directory\n"},
	} {
		f.run(c.command, c.code, "", c.stderr)
	}
}
