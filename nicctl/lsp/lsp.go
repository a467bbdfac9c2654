// Package lsp is the language server of P4 for editors (Language Server
// Protocol 3.17): diagnostics, definition, references, hover, symbols,
// completion, rename, quick fixes and formatting.
//
// In: messages on a stream, programs on disk. Out: messages. Must not import:
// runtime, the command tree of nicctl.
//
// One goroutine reads messages into a queue, one works through it; so a request
// sees the documents as they were when it was sent, without locks. What is
// stale is not begun: a request that was cancelled while it waited is answered
// with RequestCancelled, and diagnostics are computed only when the queue is
// empty (server.go). A program is analysed as a whole, with what it includes,
// and again only when one of its files changed (workspace.go). index.go turns an
// analysis into places and what they mean; the rest are the requests.
package lsp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
)

// maxMessage bounds the length of a message.
const maxMessage = 64 << 20

// Error codes of JSON-RPC and of the protocol.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeUnknownMethod  = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603
	codeNotInitialized = -32002
	codeCancelled      = -32800
	codeRequestFailed  = -32803
)

// message is any message of JSON-RPC 2.0: a request has Method and ID, a
// notification Method only, an answer ID only.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
}

// answer is the answer to a request: Result or Error.
type answer struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

// notification is a message of the server that wants no answer.
type notification struct {
	JSONRPC string `json:"jsonrpc"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return e.Message }

func failf(code int, format string, args ...any) *rpcError {
	return &rpcError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// errFraming ends the session: where the next message begins is unknown.
var errFraming = errors.New("bad framing")

// readMessage reads one message: a header with Content-Length, an empty line,
// the body.
func readMessage(r *bufio.Reader) ([]byte, error) {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if err != nil {
			if errors.Is(err, io.EOF) && first && line == "" {
				return nil, io.EOF
			}
			return nil, fmt.Errorf("%w: %w", errFraming, err)
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok || len(line) > 4096 {
			return nil, fmt.Errorf("%w: header %.60q", errFraming, line)
		}
		if textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(key)) == "Content-Length" {
			length, err = strconv.Atoi(strings.TrimSpace(value))
			if err != nil || length < 0 || length > maxMessage {
				return nil, fmt.Errorf("%w: Content-Length %.60q", errFraming, value)
			}
		}
	}
	if length < 0 {
		return nil, fmt.Errorf("%w: no Content-Length", errFraming)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("%w: %w", errFraming, err)
	}
	return body, nil
}

// encode is JSON with `<` as it is: types are full of it.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// writeMessage writes one message.
func writeMessage(w io.Writer, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return err
}
