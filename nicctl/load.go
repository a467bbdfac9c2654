package nicctl

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/compiler/bundle"
	"github.com/p4nic/p4nic/nicctl/p4rtclient"
)

// loadResult is what load prints.
type loadResult struct {
	Pipeline string `json:"pipeline"`
	Fresh    bool   `json:"fresh"`
	DryRun   bool   `json:"dry_run"`
	// Limits of a device that were got around.
	Limits []p4rtclient.Limit `json:"limits,omitempty"`
}

func newLoadCommand() *cobra.Command {
	var f deviceFlags
	var src sourceFlags
	var fresh bool
	var config string
	cmd := &cobra.Command{
		Use:   "load BUNDLE.nicpkg | PROG.p4",
		Short: "Load a pipeline without losing a packet",
		Long: `Load a pipeline without losing a packet.

Entries, counters and registers are kept where the new program still has their
table, key, action and parameters; a load that would lose entries is refused with
the list. --fresh starts with the program's own entries and zero counters instead.
A load that fails changes nothing. A P4 program is compiled first.

--dry-run asks the device whether it can run the program. Whether every entry can
be kept is found out by the load itself.

nicd gets the bundle. Another P4Runtime device gets the bundle's bmv2.json, or
what --device-config names. One that cannot keep entries over a load gets the
pipeline if it has none to lose, or with --fresh. docs/devices.md lists what
devices are known not to do.`,
		Example: `  nicctl load router.nicpkg
  nicctl load router.p4 -D ROUTED_DSCP=46
  nicctl load --fresh router.nicpkg
  nicctl load --dry-run router.nicpkg
  nicctl load --target p4rt://192.0.2.1 --insecure --device-config nic.bin router.p4`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := readPipeline(cmd, args[0], src)
			if err != nil {
				return err
			}
			b, err := bundle.Read(raw)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			return f.withClient(cmd, func(ctx context.Context, c *p4rtclient.Client) error {
				device, err := deviceConfig(ctx, c, raw, config)
				if err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				if err := c.BecomePrimary(ctx, f.takeover); err != nil {
					return err
				}
				o := p4rtclient.LoadOptions{Fresh: fresh, Verify: f.dryRun}
				if err := c.Load(ctx, p4rtclient.Pipeline{Info: b.P4Info, Device: device}, o); err != nil {
					return fmt.Errorf("%s: %w", args[0], err)
				}
				done := "loaded"
				if f.dryRun {
					done = "can be loaded"
				}
				result := loadResult{Pipeline: b.Program.Name, Fresh: fresh, DryRun: f.dryRun, Limits: c.Limits()}
				return render(cmd.OutOrStdout(), f.output, result, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "%s: %s\n", result.Pipeline, done)
					return err
				})
			})
		},
	}
	f.register(cmd, true)
	src.register(cmd)
	cmd.Flags().BoolVar(&fresh, "fresh", false, "drop entries and counters of the running pipeline")
	cmd.Flags().StringVar(&config, "device-config", "", "send `FILE` as the device's configuration instead of the bundle")
	return cmd
}

// deviceConfig is what a device is to be configured with: nicd takes bundles,
// others what somebody made for them.
func deviceConfig(ctx context.Context, c *p4rtclient.Client, raw []byte, file string) ([]byte, error) {
	if file != "" {
		return os.ReadFile(file)
	}
	nicd, err := isNicd(ctx, c)
	if nicd || err != nil {
		return raw, err
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return nil, err
	}
	for _, m := range z.File {
		if m.Name == bmv2Name {
			r, err := m.Open()
			if err != nil {
				return nil, err
			}
			defer r.Close()
			return io.ReadAll(r)
		}
	}
	return nil, fmt.Errorf("%s is not nicd, and the bundle has no %s for it: name its configuration with --device-config", c.Address, bmv2Name)
}

// bmv2Name is the member of a bundle that simple_switch and its like take.
const bmv2Name = "bmv2.json"

// readPipeline returns bundle bytes: of the file, or compiled from a P4 program.
func readPipeline(cmd *cobra.Command, path string, src sourceFlags) ([]byte, error) {
	if filepath.Ext(path) == ".p4" {
		return compileBundle(cmd, path, src)
	}
	return os.ReadFile(path)
}
