// Package certs makes the certificates of a first day and puts what is wrong
// with certificates into words.
//
// In: names, PEM files, errors of TLS. Out: PEM files, texts.
// Must not import: any other package of this module.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Use is what a certificate is for.
type Use int

// Uses.
const (
	Server Use = iota
	Client
)

// Request describes a certificate.
type Request struct {
	Use Use
	// Names are the alternative names: DNS names, IP addresses, URIs
	// (spiffe://...). The first is also the common name.
	Names []string
	From  time.Time
	For   time.Duration
}

// Authority issues certificates.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	der  []byte
}

// Pair is a certificate with its key, as PEM.
type Pair struct{ Cert, Key []byte }

// backdate allows for clocks that are a little behind.
const backdate = 5 * time.Minute

// NewAuthority makes a self-signed certificate that may issue others, but no
// other authority.
func NewAuthority(name string, from time.Time, lasts time.Duration) (*Authority, Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, Pair{}, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, Pair{}, err
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: from.Add(-backdate), NotAfter: from.Add(lasts),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, Pair{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, Pair{}, err
	}
	p, err := pair(der, key)
	return &Authority{cert, key, der}, p, err
}

// LoadAuthority reads one that was made before.
func LoadAuthority(p Pair) (*Authority, error) {
	c, _ := pem.Decode(p.Cert)
	k, _ := pem.Decode(p.Key)
	if c == nil || c.Type != "CERTIFICATE" || k == nil {
		return nil, errors.New("a certificate and a key in PEM are wanted")
	}
	cert, err := x509.ParseCertificate(c.Bytes)
	if err != nil {
		return nil, err
	}
	any, err := x509.ParsePKCS8PrivateKey(k.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := any.(crypto.Signer)
	if !ok || !cert.IsCA {
		return nil, errors.New("the certificate is not an authority's")
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(cert.PublicKey) {
		return nil, errors.New("the key is not the certificate's")
	}
	return &Authority{cert, key, c.Bytes}, nil
}

// Issue makes a certificate; it does not outlive the authority's.
func (a *Authority) Issue(r Request) (Pair, error) {
	if len(r.Names) == 0 {
		return Pair{}, errors.New("a certificate needs a name")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	serial, err := serialNumber()
	if err != nil {
		return Pair{}, err
	}
	t := &x509.Certificate{SerialNumber: serial, NotBefore: r.From.Add(-backdate), NotAfter: r.From.Add(r.For), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if r.Use == Client {
		t.ExtKeyUsage[0] = x509.ExtKeyUsageClientAuth
	}
	if t.NotAfter.After(a.cert.NotAfter) {
		t.NotAfter = a.cert.NotAfter
	}
	if len(r.Names[0]) <= 64 { // ub-common-name of RFC 5280
		t.Subject.CommonName = r.Names[0]
	}
	for _, n := range r.Names {
		if err := addName(t, n); err != nil {
			return Pair{}, err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, err
	}
	return pair(der, key)
}

func addName(t *x509.Certificate, n string) error {
	if ip := net.ParseIP(n); ip != nil {
		t.IPAddresses = append(t.IPAddresses, ip)
		return nil
	}
	if strings.Contains(n, "://") {
		u, err := url.Parse(n)
		if err != nil || u.Host == "" {
			return fmt.Errorf("name %q: a URI such as spiffe://example.org/controller is wanted", n)
		}
		t.URIs = append(t.URIs, u)
		return nil
	}
	if n == "" || strings.ContainsFunc(n, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._*", c))
	}) {
		return fmt.Errorf("name %q: a DNS name, an IP address or a URI is wanted", n)
	}
	t.DNSNames = append(t.DNSNames, n)
	return nil
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

func pair(der []byte, key *ecdsa.PrivateKey) (Pair, error) {
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})}, nil
}

// Write puts a pair into DIR/NAME.crt and DIR/NAME.key, the key for its owner
// alone. Files that are there are replaced, each in one step, only where asked.
func Write(dir, name string, p Pair, replace bool) error {
	paths := []string{filepath.Join(dir, name+".key"), filepath.Join(dir, name+".crt")}
	if !replace {
		for _, path := range paths {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				return errors.Join(fmt.Errorf("%s is there already", path), err)
			}
		}
	}
	for i, content := range [][]byte{p.Key, p.Cert} {
		if err := writeFile(paths[i], content, []fs.FileMode{0o600, 0o644}[i]); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// Read reads DIR/NAME.crt and DIR/NAME.key.
func Read(dir, name string) (Pair, error) {
	var p Pair
	var err error
	if p.Cert, err = os.ReadFile(filepath.Join(dir, name+".crt")); err != nil {
		return p, err
	}
	p.Key, err = os.ReadFile(filepath.Join(dir, name+".key"))
	return p, err
}

// Parse reads all certificates of a PEM file.
func Parse(raw []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for {
		var b *pem.Block
		if b, raw = pem.Decode(raw); b == nil {
			break
		}
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("there is no certificate in PEM")
	}
	return out, nil
}

// Names lists the alternative names of a certificate: URIs, DNS names, IP
// addresses.
func Names(c *x509.Certificate) []string {
	var out []string
	for _, u := range c.URIs {
		out = append(out, u.String())
	}
	out = append(out, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	return out
}

// Uses lists what a certificate may be used for: "server", "client", "authority".
func Uses(c *x509.Certificate) []string {
	out := []string{}
	has := func(u x509.ExtKeyUsage) bool {
		return slices.Contains(c.ExtKeyUsage, u) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
	}
	if c.IsCA {
		out = append(out, "authority")
	}
	if has(x509.ExtKeyUsageServerAuth) {
		out = append(out, "server")
	}
	if has(x509.ExtKeyUsageClientAuth) {
		out = append(out, "client")
	}
	return out
}

// CheckDates says that a certificate does not count now, and why.
func CheckDates(c *x509.Certificate, now time.Time) error {
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate of %s expired on %s", Subject(c), c.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate of %s is not valid before %s (this clock says %s)", Subject(c),
			c.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// Subject is a short name for a certificate: its first URI, its first DNS name,
// its common name, its first address, its serial number.
func Subject(c *x509.Certificate) string {
	switch {
	case len(c.URIs) > 0:
		return c.URIs[0].String()
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return "serial " + c.SerialNumber.Text(16)
}
