package certs

import "strings"

// Explain says what an error of TLS means to the client that got it, and what
// helps; "" where it is none. message is the error's text, as gRPC reports none
// but that. secure tells whether the client speaks TLS.
func Explain(message string, secure bool) string {
	has := func(s string) bool { return strings.Contains(message, s) }
	after := func(mark string) string {
		_, rest, _ := strings.Cut(message, mark)
		return strings.TrimRight(rest, `"`)
	}
	switch {
	case secure && has("first record does not look like a TLS handshake"):
		return "the server does not speak TLS there: it needs a certificate, or --insecure on both sides"
	case has("certificate has expired or is not yet valid"):
		return "the server's certificate does not count now: " + after("or is not yet valid: ")
	case has("x509: certificate is valid for "):
		return "the server's certificate is for another name: it is for " + after("x509: certificate is valid for ") + " (--tls-server-name, or the address, must be one of these)"
	case has("x509: certificate is not valid for any names"):
		return "the server's certificate has no name that this address could be (" + after("x509: ") + ")"
	case has("x509: cannot validate certificate for "):
		return "the server's certificate does not name the address: " + after("x509: ") + "; --tls-server-name says what name to expect"
	case has("x509: certificate signed by unknown authority"):
		return "the server's certificate is not of an authority in --tls-ca"
	case has("x509: certificate specifies an incompatible key usage"):
		return "the server's certificate is not for servers"
	case has("remote error: tls: certificate required"):
		return "the server wants a client certificate: --tls-cert and --tls-key"
	case has("remote error: tls: unknown certificate authority"):
		return "the server does not know the authority of this client's certificate (--tls-cert)"
	case has("remote error: tls: expired certificate"):
		return "this client's certificate (--tls-cert) has expired, the server says"
	case has("remote error: tls: bad certificate"), has("remote error: tls: unsupported certificate"):
		return "the server refuses this client's certificate (--tls-cert): it may not be for clients"
	case has("remote error: tls: protocol version not supported"), has("tls: server selected unsupported protocol version"):
		return "client and server have no version of TLS in common"
	case has("remote error: tls: "):
		return "the server ended the handshake: " + after("remote error: tls: ")
	case secure && (has("broken pipe") || has("connection reset by peer")):
		return "the server closed the connection after the handshake: it may refuse this client's certificate (--tls-cert)"
	case !secure && (has("error reading server preface: EOF") || has("error reading server preface: http2: ") || has("connection reset by peer")):
		return "it does not answer without TLS: give --tls-ca, and leave --insecure out"
	}
	return ""
}
