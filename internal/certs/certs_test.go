package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestIssue: what is issued verifies for its use and its names alone, and does not
// outlive the authority.
func TestIssue(t *testing.T) {
	now := time.Now()
	a, ca, err := NewAuthority("test", now, time.Hour)
	check(t, err)
	again, err := LoadAuthority(ca)
	check(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Cert)
	names := []string{"a.example.org", "192.0.2.1", "spiffe://example.org/a", "2001:db8::1"}
	for i, use := range []Use{Server, Client} {
		p, err := []*Authority{a, again}[i].Issue(Request{Use: use, Names: names, From: now, For: 24 * time.Hour})
		check(t, err)
		if _, err := tls.X509KeyPair(p.Cert, p.Key); err != nil {
			t.Error(err)
		}
		list, err := Parse(p.Cert)
		check(t, err)
		c := list[0]
		if want := []string{"spiffe://example.org/a", "a.example.org", "192.0.2.1", "2001:db8::1"}; !slices.Equal(Names(c), want) || Subject(c) != want[0] {
			t.Errorf("names %q, subject %q", Names(c), Subject(c))
		}
		if !c.NotAfter.Equal(now.Add(time.Hour).UTC().Truncate(time.Second)) {
			t.Errorf("until %v, the authority until %v", c.NotAfter, now.Add(time.Hour))
		}
		for j, other := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			_, err := c.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{other}})
			if (err == nil) != (i == j) {
				t.Errorf("use %d as %d: %v", i, j, err)
			}
		}
		if Uses(c)[0] != []string{"server", "client"}[i] {
			t.Errorf("uses %q", Uses(c))
		}
	}
	for _, bad := range [][]string{nil, {""}, {"a b"}, {"spiffe://"}, {"a", "b/c"}} {
		if _, err := a.Issue(Request{Names: bad, From: now, For: time.Hour}); err == nil {
			t.Errorf("names %q were accepted", bad)
		}
	}
}

// TestWrite: keys are their owner's alone, nothing is replaced unasked, and a
// failure leaves no file behind.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	_, p, err := NewAuthority("test", time.Now(), time.Hour)
	check(t, err)
	check(t, Write(dir, "x", p, false))
	for name, mode := range map[string]os.FileMode{"x.key": 0o600, "x.crt": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		check(t, err)
		if info.Mode() != mode {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	if err := Write(dir, "x", p, false); err == nil || !strings.Contains(err.Error(), "x.key is there already") {
		t.Errorf("got %v", err)
	}
	check(t, Write(dir, "x", Pair{Cert: []byte("c"), Key: []byte("k")}, true))
	got, err := Read(dir, "x")
	if err != nil || !bytes.Equal(got.Cert, []byte("c")) || !bytes.Equal(got.Key, []byte("k")) {
		t.Errorf("%+v, %v", got, err)
	}
	check(t, os.Mkdir(filepath.Join(dir, "y.key"), 0o700)) // cannot be replaced by a file
	if err := Write(dir, "y", p, true); err == nil {
		t.Error("a directory was replaced")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}

// TestAuthorityRefusals: what cannot issue is refused when it is read.
func TestAuthorityRefusals(t *testing.T) {
	now := time.Now()
	a, ca, err := NewAuthority("a", now, time.Hour)
	check(t, err)
	_, other, err := NewAuthority("b", now, time.Hour)
	check(t, err)
	leaf, err := a.Issue(Request{Names: []string{"x"}, From: now, For: time.Hour})
	check(t, err)
	for name, p := range map[string]Pair{
		"PEM": {Cert: []byte("x"), Key: ca.Key}, "authority": leaf, "the key is not": {Cert: ca.Cert, Key: other.Key}, "pkcs8": {Cert: ca.Cert, Key: ca.Cert},
	} {
		if _, err := LoadAuthority(p); err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(name)) && name != "pkcs8" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse: any bytes are certificates and an authority, or refused.
func FuzzParse(f *testing.F) {
	_, ca, err := NewAuthority("test", time.Now(), time.Hour)
	check(f, err)
	f.Add(ca.Cert, ca.Key)
	f.Add(append(ca.Key, ca.Cert...), []byte{})
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte("x"))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		list, err := Parse(cert)
		if (len(list) == 0) == (err == nil) {
			t.Errorf("%d certificates, %v", len(list), err)
		}
		for _, c := range list {
			_, _, _ = Names(c), Uses(c), CheckDates(c, time.Now())
			if Subject(c) == "" {
				t.Error("a certificate without a name")
			}
		}
		if a, err := LoadAuthority(Pair{cert, key}); err == nil {
			if _, err := a.Issue(Request{Names: []string{"x"}, From: a.cert.NotBefore, For: time.Hour}); err != nil {
				t.Errorf("an authority that cannot issue: %v", err)
			}
		}
	})
}

// FuzzExplain: any text of an error is put into words or left alone.
func FuzzExplain(f *testing.F) {
	f.Add(`connection error: desc = "transport: authentication handshake failed: x509: certificate is valid for a, not b"`, true)
	f.Add("error reading server preface: EOF", false)
	f.Fuzz(func(t *testing.T, message string, secure bool) { _ = Explain(message, secure) })
}
