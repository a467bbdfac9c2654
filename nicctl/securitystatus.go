package nicctl

import (
	"fmt"
	"io"
	"time"

	"github.com/p4nic/p4nic/proto/nicdpb"
)

// securityStatus is who may come in and how that goes; counts are since nicd
// started (proto/nicd.proto).
type securityStatus struct {
	Certificate        *certificateStatus `json:"certificate"` // null = no TLS
	Audit              *auditStatus       `json:"audit"`       // null = off
	Rules              uint32             `json:"rules"`       // 0 = every client that got in may do everything
	Connections        uint64             `json:"connections"` // of TCP
	FailedHandshakes   uint64             `json:"failed_handshakes"`
	RefusedConnections uint64             `json:"refused_connections"`
	Denied             uint64             `json:"denied"`
	Limited            uint64             `json:"limited"`
}

type certificateStatus struct {
	Subject   string    `json:"subject"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Loaded    time.Time `json:"loaded"`
	Reloads   uint64    `json:"reloads"`
	Problem   string    `json:"problem"` // why the files are not what is served
}

type auditStatus struct {
	File     string `json:"file"`
	Sequence uint64 `json:"sequence"`
	Head     string `json:"head"` // SHA-256 of the last record
	Lost     uint64 `json:"lost"`
	Problem  string `json:"problem"`
	Refusing bool   `json:"refusing"` // writes are refused because of the problem
}

func viewSecurity(s *nicdpb.Security) *securityStatus {
	if s == nil {
		return nil
	}
	out := &securityStatus{Rules: s.GetRules(), Connections: s.GetConnections(), FailedHandshakes: s.GetFailedHandshakes(),
		RefusedConnections: s.GetRefusedConnections(), Denied: s.GetDenied(), Limited: s.GetLimited()}
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	if c := s.GetCertificate(); c != nil {
		out.Certificate = &certificateStatus{Subject: c.GetSubject(), Serial: c.GetSerial(), NotBefore: at(c.GetNotBeforeUnix()), NotAfter: at(c.GetNotAfterUnix()),
			Loaded: at(c.GetLoadedUnix()), Reloads: c.GetReloads(), Problem: c.GetProblem()}
	}
	if a := s.GetAudit(); a != nil {
		out.Audit = &auditStatus{File: a.GetFile(), Sequence: a.GetSequence(), Head: a.GetHead(), Lost: a.GetLost(), Problem: a.GetProblem(), Refusing: a.GetRefusing()}
	}
	return out
}

// listenerNote says what protects an address.
func (s *securityStatus) listenerNote(l listenerStatus) string {
	switch {
	case l.Insecure:
		return "  INSECURE: anyone who reaches this address controls the device"
	case l.Anonymous && s != nil && s.Rules == 0:
		return "  TLS, INSECURE: no client certificate is needed, anyone who reaches this address controls the device"
	case l.Anonymous:
		return "  TLS, clients with and without a certificate"
	case l.TLS:
		return "  TLS, clients with a certificate"
	}
	return ""
}

// print says what an operator should know; of what goes well little.
func (s *securityStatus) print(w io.Writer, now time.Time) {
	if s == nil {
		return
	}
	if c := s.Certificate; c != nil {
		fmt.Fprintf(w, "TLS       certificate of %s, until %s (%d days)", c.Subject, c.NotAfter.Format("2006-01-02"), int(c.NotAfter.Sub(now).Hours()/24))
		if s.Rules > 0 {
			fmt.Fprintf(w, ", %d access rules", s.Rules)
		}
		fmt.Fprintln(w)
		if c.Problem != "" {
			fmt.Fprintf(w, "          PROBLEM: %s\n", c.Problem)
		}
	}
	for _, n := range []struct {
		n    uint64
		what string
	}{{s.FailedHandshakes, "handshakes failed"}, {s.RefusedConnections, "connections over the limit were closed"}, {s.Denied, "requests were denied"},
		{s.Limited, "requests were over a limit"}} {
		if n.n > 0 {
			fmt.Fprintf(w, "access    %d %s\n", n.n, n.what)
		}
	}
	if a := s.Audit; a != nil {
		switch {
		case a.Problem != "" && a.Refusing:
			fmt.Fprintf(w, "audit     PROBLEM: writes are refused: %s\n", a.Problem)
		case a.Problem != "":
			fmt.Fprintf(w, "audit     PROBLEM: writes are not recorded, %d records lost: %s\n", a.Lost, a.Problem)
		case a.Lost > 0:
			fmt.Fprintf(w, "audit     record %d, %s; %d records were lost\n", a.Sequence, a.Head, a.Lost)
		default:
			fmt.Fprintf(w, "audit     record %d, %s\n", a.Sequence, a.Head)
		}
	}
}
