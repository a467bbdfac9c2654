package nicctl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/internal/certs"
)

func newCertCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cert",
		Short:   "Make and show certificates for nicd and its clients",
		Example: "  nicctl cert init --server nic1.example.org --client spiffe://example.org/controller",
		Args:    cobra.ArbitraryArgs,
		RunE:    runGroup,
	}
	cmd.AddCommand(newCertInitCommand(), newCertIssueCommand(), newCertShowCommand())
	return cmd
}

// certFlags are what init and issue have in common.
type certFlags struct {
	dir    string
	days   int
	output string
	force  bool
	dryRun bool
}

func (f *certFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", ".", "keep the files in `DIR`")
	fl.IntVar(&f.days, "days", 365, "make certificates that count for `N` days")
	fl.BoolVar(&f.force, "force", false, "replace files that are there")
	registerDryRun(cmd, &f.dryRun)
	registerOutput(cmd, &f.output)
}

func (f *certFlags) check() error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if f.days < 1 || f.days > 3650 {
		return usageError{fmt.Errorf("--days %d: 1 to 3650 is wanted", f.days)}
	}
	return nil
}

// authorityDays is how long the authority of cert init counts.
const authorityDays = 3650

func newCertInitCommand() *cobra.Command {
	var f certFlags
	var servers, clients []string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make an authority and certificates for a server and a client",
		Long: `Make what a first day with TLS needs: an authority (ca.crt, ca.key), a certificate
for nicd (server.crt, server.key) and one for a client (client.crt, client.key).
Keys are for their owner alone. The authority is for small installations and
tests: who has ca.key can make certificates for anybody.`,
		Example: `  nicctl cert init --dir /etc/p4nic --server nic1.example.org --server 192.0.2.1
  nicctl cert init --dir pki --server localhost --server 127.0.0.1 --client spiffe://example.org/controller
  nicctl status --address nic1.example.org:9559 --tls-ca pki/ca.crt --tls-cert pki/client.crt --tls-key pki/client.key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if len(servers) == 0 {
				host, err := os.Hostname()
				if err != nil {
					return err
				}
				servers = []string{host, "localhost", "127.0.0.1", "::1"}
			}
			now := time.Now()
			a, ca, err := certs.NewAuthority("p4nic authority of "+servers[0], now, authorityDays*24*time.Hour)
			if err != nil {
				return err
			}
			made := []madeCert{{name: "ca", pair: ca}}
			for _, r := range []struct {
				name  string
				use   certs.Use
				names []string
			}{{"server", certs.Server, servers}, {"client", certs.Client, clients}} {
				p, err := a.Issue(certs.Request{Use: r.use, Names: r.names, From: now, For: time.Duration(f.days) * 24 * time.Hour})
				if err != nil {
					return usageError{err}
				}
				made = append(made, madeCert{name: r.name, pair: p})
			}
			return f.write(cmd.OutOrStdout(), made)
		},
	}
	f.register(cmd)
	cmd.Flags().StringArrayVar(&servers, "server", nil, "`NAME` of the server: DNS name, IP address or URI (repeatable; default: this host's)")
	cmd.Flags().StringArrayVar(&clients, "client", []string{"operator"}, "`NAME` of the client: DNS name or URI such as spiffe://example.org/controller (repeatable)")
	return cmd
}

func newCertIssueCommand() *cobra.Command {
	var f certFlags
	var name string
	var server bool
	cmd := &cobra.Command{
		Use:   "issue NAME...",
		Short: "Make one more certificate with the authority of cert init",
		Long: `Make a certificate for a client, or with --server for a server, with the authority
in DIR (ca.crt, ca.key). NAMEs are DNS names, IP addresses and URIs. nicd takes a
new certificate as soon as its files change.`,
		Example: `  nicctl cert issue --dir pki --file monitor monitor.example.org
  nicctl cert issue --dir /etc/p4nic --server --file server --force nic1.example.org`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if name == "" || strings.ContainsAny(name, "/ ") || name == "ca" {
				return usageError{errors.New("--file NAME is wanted: the certificate is written to DIR/NAME.crt, its key to DIR/NAME.key")}
			}
			ca, err := certs.Read(f.dir, "ca")
			if err != nil {
				return err
			}
			a, err := certs.LoadAuthority(ca)
			if err != nil {
				return fmt.Errorf("%s: %w", filepath.Join(f.dir, "ca.crt"), err)
			}
			r := certs.Request{Use: certs.Client, Names: names, From: time.Now(), For: time.Duration(f.days) * 24 * time.Hour}
			if server {
				r.Use = certs.Server
			}
			p, err := a.Issue(r)
			if err != nil {
				return usageError{err}
			}
			return f.write(cmd.OutOrStdout(), []madeCert{{name: name, pair: p}})
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&name, "file", "", "write DIR/`NAME`.crt and DIR/NAME.key")
	cmd.Flags().BoolVar(&server, "server", false, "for a server")
	return cmd
}

type madeCert struct {
	name string
	pair certs.Pair
}

// write writes all files, or none where one is in the way.
func (f *certFlags) write(w io.Writer, made []madeCert) error {
	var rows []certView
	for _, m := range made {
		list, err := certs.Parse(m.pair.Cert)
		if err != nil {
			return err
		}
		rows = append(rows, viewCert(filepath.Join(f.dir, m.name+".crt"), list[0], time.Now()))
		if f.force {
			continue
		}
		for _, ending := range []string{".crt", ".key"} {
			path := filepath.Join(f.dir, m.name+ending)
			if _, err := os.Lstat(path); err == nil {
				return fmt.Errorf("%s is there already; --force replaces it", path)
			}
		}
	}
	if !f.dryRun {
		if err := os.MkdirAll(f.dir, 0o700); err != nil {
			return err
		}
		for _, m := range made {
			if err := certs.Write(f.dir, m.name, m.pair, f.force); err != nil {
				return err
			}
		}
	}
	return renderCerts(w, f.output, rows)
}
