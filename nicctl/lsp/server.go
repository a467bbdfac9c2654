package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/p4nic/p4nic/compiler/driver"
)

// Options are the defaults for all programs.
type Options struct {
	IncludeDirs []string
	Defines     []string
	Undefines   []string
	Version     string
}

// Serve answers messages until the client says exit or the stream ends. It
// returns nil after an orderly shutdown.
func Serve(in io.Reader, out io.Writer, o Options) error {
	q := &queue{}
	q.more.L = &q.mu
	go q.fill(bufio.NewReader(in))
	s := &server{
		out: bufio.NewWriter(out), queue: q, version: o.Version,
		ws: newWorkspace(settings{o.IncludeDirs, o.Defines, o.Undefines}),
	}
	return s.run()
}

// queue holds the messages that came and were not worked on.
type queue struct {
	mu        sync.Mutex
	more      sync.Cond
	waiting   [][]byte
	cancelled map[string]bool
	err       error
}

// fill reads messages until the stream ends. Cancellations take effect at once.
func (q *queue) fill(r *bufio.Reader) {
	for {
		body, err := readMessage(r)
		q.mu.Lock()
		if err != nil {
			q.err = err
		} else if id, ok := cancelled(body); !ok {
			q.waiting = append(q.waiting, body)
		} else if q.awaits(id) {
			if q.cancelled == nil {
				q.cancelled = map[string]bool{}
			}
			q.cancelled[id] = true
		}
		q.more.Signal()
		q.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// awaits tells whether a request of that id waits: what was answered, or never
// sent, leaves no trace.
func (q *queue) awaits(id string) bool {
	for _, body := range q.waiting {
		var m message
		if json.Unmarshal(body, &m) == nil && string(m.ID) == id {
			return true
		}
	}
	return false
}

// cancelled returns the id that a $/cancelRequest names.
func cancelled(body []byte) (string, bool) {
	var m struct {
		Method string
		Params struct{ ID json.RawMessage }
	}
	if json.Unmarshal(body, &m) != nil || m.Method != "$/cancelRequest" {
		return "", false
	}
	return string(m.Params.ID), true
}

// next waits for a message. Without wait it returns nil when there is none.
func (q *queue) next(wait bool) ([]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 {
		if q.err != nil {
			return nil, q.err
		}
		if !wait {
			return nil, nil
		}
		q.more.Wait()
	}
	body := q.waiting[0]
	q.waiting = q.waiting[1:]
	return body, nil
}

// isCancelled tells, once, whether a request was cancelled.
func (q *queue) isCancelled(id json.RawMessage) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	was := q.cancelled[string(id)]
	delete(q.cancelled, string(id))
	return was
}

type state uint8

const (
	starting state = iota
	running
	stopping
)

type server struct {
	out     *bufio.Writer
	queue   *queue
	ws      *workspace
	version string
	state   state
	// dirty: documents changed since diagnostics were published.
	dirty bool
}

// errNoShutdown is the end of a session whose client went away.
var errNoShutdown = errors.New("the client ended the session without shutdown")

func (s *server) run() error {
	for {
		body, err := s.queue.next(!s.dirty)
		if err == nil && body == nil { // nothing waits: time for diagnostics
			s.dirty = false
			if err := s.guard("diagnostics", s.publish); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, io.EOF) {
			if s.state == stopping {
				return nil
			}
			return errNoShutdown
		}
		if err != nil {
			return err
		}
		exit, err := s.message(body)
		if err != nil {
			return err
		}
		if exit {
			if s.state == stopping {
				return nil
			}
			return errNoShutdown
		}
	}
}

// message works on one message.
func (s *server) message(body []byte) (exit bool, err error) {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return false, s.answer(json.RawMessage("null"), nil, failf(codeParse, "bad message: %v", err))
	}
	if m.Method == "exit" {
		return true, nil
	}
	if m.ID == nil { // a notification
		if s.state == running {
			return false, s.guard(m.Method, func() error { return s.notice(m.Method, m.Params) })
		}
		return false, nil
	}
	if m.Method == "" {
		return false, nil // an answer: the server asks nothing
	}
	if s.queue.isCancelled(m.ID) {
		return false, s.answer(m.ID, nil, failf(codeCancelled, "cancelled"))
	}
	var result any
	problem := s.checkState(m.Method)
	if problem == nil {
		problem = failf(codeInternal, "internal error in %s", m.Method)
		err := s.guard(m.Method, func() error {
			var err error
			result, err = s.request(m.Method, m.Params)
			problem = asRPC(err)
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return false, s.answer(m.ID, result, problem)
}

func (s *server) checkState(method string) *rpcError {
	switch {
	case s.state == starting && method != "initialize":
		return failf(codeNotInitialized, "%s before initialize", method)
	case s.state == running && method == "initialize":
		return failf(codeInvalidRequest, "initialize a second time")
	case s.state == stopping:
		return failf(codeInvalidRequest, "%s after shutdown", method)
	}
	return nil
}

func asRPC(err error) *rpcError {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*rpcError](err); ok {
		return e
	}
	return failf(codeRequestFailed, "%v", err)
}

func (s *server) answer(id json.RawMessage, result any, problem *rpcError) error {
	a := answer{JSONRPC: "2.0", ID: id, Error: problem}
	if problem == nil {
		raw, err := encode(result)
		if err != nil {
			return err
		}
		a.Result = raw
	}
	return s.send(a)
}

func (s *server) notify(method string, params any) error {
	return s.send(notification{"2.0", method, params})
}

func (s *server) send(v any) error {
	if err := writeMessage(s.out, v); err != nil {
		return err
	}
	return s.out.Flush()
}

// guard recovers from a panic: the fault is logged to the client, and the
// session goes on.
func (s *server) guard(what string, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.logError(what, fmt.Errorf("%v\n%s", v, debug.Stack()))
		}
	}()
	err = f()
	if in, ok := errors.AsType[*driver.Internal](err); ok {
		return s.logError(what, fmt.Errorf("%w\n%s", in, in.Stack))
	}
	return err
}

func (s *server) logError(what string, err error) error {
	return s.notify("window/logMessage", map[string]any{"type": 1, "message": fmt.Sprintf("internal error in %s: %v", what, err)})
}

// notice carries out a notification; those it does not know mean nothing to it.
// Params that cannot be read are ignored, as there is no one to tell.
func (s *server) notice(method string, params json.RawMessage) error {
	switch method {
	case "textDocument/didOpen":
		var p didOpenParams
		if json.Unmarshal(params, &p) == nil {
			s.ws.open(p.TextDocument.URI, p.TextDocument.Version, p.TextDocument.Text)
			s.dirty = true
		}
	case "textDocument/didChange":
		var p didChangeParams
		if json.Unmarshal(params, &p) == nil {
			s.ws.change(p)
			s.dirty = true
		}
	case "textDocument/didClose":
		var p documentParams
		if json.Unmarshal(params, &p) == nil {
			s.ws.close(p.TextDocument.URI)
			s.dirty = true
		}
	case "textDocument/didSave", "workspace/didChangeWatchedFiles":
		s.ws.diskChanged()
		s.dirty = true
	case "workspace/didChangeConfiguration":
		var p struct{ Settings struct{ P4nic *settings } }
		if json.Unmarshal(params, &p) == nil && p.Settings.P4nic != nil {
			s.ws.configure(*p.Settings.P4nic)
			s.dirty = true
		}
	}
	return nil
}

// decode reads the params of a request.
func decode[T any](params json.RawMessage) (p T, err error) {
	if err := json.Unmarshal(params, &p); err != nil {
		return p, failf(codeInvalidParams, "bad params: %v", err)
	}
	return p, nil
}

// with decodes params and answers with f.
func with[T any](params json.RawMessage, f func(T) (any, error)) (any, error) {
	p, err := decode[T](params)
	if err != nil {
		return nil, err
	}
	return f(p)
}

func (s *server) request(method string, params json.RawMessage) (any, error) {
	switch method {
	case "initialize":
		p, err := decode[initializeParams](params)
		if err != nil {
			return nil, err
		}
		if p.InitializationOptions != nil {
			s.ws.configure(*p.InitializationOptions)
		}
		s.state = running
		return capabilities(s.version), nil
	case "shutdown":
		s.state = stopping
		return nil, nil
	case "textDocument/definition":
		return with(params, s.ws.definition)
	case "textDocument/typeDefinition":
		return with(params, s.ws.typeDefinition)
	case "textDocument/references":
		return with(params, s.ws.references)
	case "textDocument/documentHighlight":
		return with(params, s.ws.highlight)
	case "textDocument/hover":
		return with(params, s.ws.hover)
	case "textDocument/documentSymbol":
		return with(params, s.ws.symbols)
	case "textDocument/completion":
		return with(params, s.ws.complete)
	case "textDocument/formatting":
		return with(params, s.ws.formatting)
	case "textDocument/prepareRename":
		return with(params, s.ws.prepareRename)
	case "textDocument/rename":
		return with(params, s.ws.rename)
	case "textDocument/codeAction":
		return with(params, s.ws.codeActions)
	}
	return nil, failf(codeUnknownMethod, "unknown method %s", method)
}

// publish sends the diagnostics of all documents.
func (s *server) publish() error {
	all, err := s.ws.diagnostics()
	for _, p := range all {
		if err := s.notify("textDocument/publishDiagnostics", p); err != nil {
			return err
		}
	}
	return err
}
