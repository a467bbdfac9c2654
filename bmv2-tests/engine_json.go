package bmv2tests

import (
	"os"

	"github.com/p4nic/p4nic/compiler/backend/bmv2"
	"github.com/p4nic/p4nic/compiler/p4info"
	"github.com/p4nic/p4nic/internal/packetcase"
)

type makeEngine = func(*Program, []packetcase.Content) (Engine, error)

// viaJSON is an engine that runs what comes back when the core program is
// written as bmv2 JSON and read again.
func viaJSON(make makeEngine) makeEngine {
	return func(p *Program, content []packetcase.Content) (Engine, error) {
		js, err := bmv2.Export(p.Core)
		if err != nil {
			return nil, err
		}
		q, err := bmv2.Import(js, p.Info, p.Name)
		if err != nil {
			return nil, err
		}
		return From(p, &Program{Name: p.Name, Core: q, Info: p.Info}, content, make)
	}
}

// From runs q with content meant for p.
func From(p, q *Program, content []packetcase.Content, make makeEngine) (Engine, error) {
	content, err := retarget(p.Core, q.Core, content)
	if err != nil {
		return nil, err
	}
	return make(q, content)
}

// importFiles reads a program that p4c compiled.
func importFiles(name, json, info string) (*Program, error) {
	js, err := os.ReadFile(json)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(info)
	if err != nil {
		return nil, err
	}
	pi, err := p4info.Parse(text)
	if err != nil {
		return nil, err
	}
	core, err := bmv2.Import(js, pi, name)
	if err != nil {
		return nil, err
	}
	return &Program{Name: name, Core: core, Info: pi}, nil
}
