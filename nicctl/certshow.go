package nicctl

import (
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/p4nic/p4nic/internal/certs"
)

func newCertShowCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show FILE...",
		Short: "Show names, use and dates of certificates; exit code 1 when one does not count now",
		Example: `  nicctl cert show /etc/p4nic/server.crt
  nicctl cert show pki/ca.crt pki/client.crt -o json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			now := time.Now()
			var rows []certView
			for _, path := range paths {
				raw, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				list, err := certs.Parse(raw)
				if err != nil {
					return fmt.Errorf("%s: %w", path, err)
				}
				for _, c := range list {
					rows = append(rows, viewCert(path, c, now))
				}
			}
			if err := renderCerts(cmd.OutOrStdout(), output, rows); err != nil {
				return err
			}
			for _, r := range rows {
				if r.Problem != "" {
					return fmt.Errorf("%s: %s", r.File, r.Problem)
				}
			}
			return nil
		},
	}
	registerOutput(cmd, &output)
	return cmd
}

// certView is what is shown of a certificate.
type certView struct {
	File      string    `json:"file"`
	Subject   string    `json:"subject"`
	Names     []string  `json:"names"` // URIs, DNS names, IP addresses
	Uses      []string  `json:"uses"`  // authority, server, client
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Problem   string    `json:"problem"` // why it does not count now
}

func viewCert(file string, c *x509.Certificate, now time.Time) certView {
	v := certView{File: file, Subject: certs.Subject(c), Names: append([]string{}, certs.Names(c)...), Uses: certs.Uses(c), Serial: c.SerialNumber.Text(16),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC()}
	if err := certs.CheckDates(c, now); err != nil {
		v.Problem = err.Error()
	}
	return v
}

func renderCerts(w io.Writer, output string, rows []certView) error {
	return render(w, output, rows, func(w io.Writer) error {
		var table [][]string
		for _, r := range rows {
			table = append(table, []string{r.File, r.Subject, strings.Join(r.Names, ","), strings.Join(r.Uses, ","), r.NotAfter.Format("2006-01-02")})
		}
		return columns(w, []string{"FILE", "SUBJECT", "NAMES", "USES", "UNTIL"}, table)
	})
}
