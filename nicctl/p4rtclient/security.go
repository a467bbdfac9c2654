package p4rtclient

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/p4nic/p4nic/internal/certs"
)

// Security says how TCP is protected; a unix socket needs nothing.
type Security struct {
	Insecure   bool   // in the clear
	CA         string // file with the authorities of servers; empty = the system's
	Cert, Key  string // files of the client's certificate; empty = none
	ServerName string // that the server's certificate must have; empty = the address's host
}

// SecurityError is a Security that cannot be used.
type SecurityError struct{ Reason string }

func (e *SecurityError) Error() string { return e.Reason }

// credentials reads the files.
func (s *Security) credentials() (credentials.TransportCredentials, error) {
	conf := &tls.Config{ServerName: s.ServerName, MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		raw, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, &SecurityError{"--tls-ca: " + err.Error()}
		}
		list, err := certs.Parse(raw)
		if err != nil {
			return nil, &SecurityError{fmt.Sprintf("--tls-ca: %s: %v", s.CA, err)}
		}
		conf.RootCAs = x509.NewCertPool()
		for _, c := range list {
			conf.RootCAs.AddCert(c)
		}
	}
	if (s.Cert == "") != (s.Key == "") {
		return nil, &SecurityError{"--tls-cert and --tls-key belong together"}
	}
	if s.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, &SecurityError{fmt.Sprintf("--tls-cert %s --tls-key %s: %v", s.Cert, s.Key, err)}
		}
		if err := certs.CheckDates(pair.Leaf, time.Now()); err != nil {
			return nil, &SecurityError{"--tls-cert: " + err.Error()}
		}
		// Go leaves out a certificate whose authority the server does not name; then
		// it would say that none came.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return credentials.NewTLS(conf), nil
}
