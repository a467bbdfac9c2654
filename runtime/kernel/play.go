package kernel

import (
	"errors"

	"github.com/cilium/ebpf"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/internal/kernelrun"
)

// backend gives the options of programs for a hook.
func (o *Options) backend(k int) backend.Options {
	b := backend.Options{Hook: backend.Hook(k), CPUPort: o.CPUPort}
	if o.Play != "" {
		b.Harness, b.StartOffset = true, kernelrun.Prefix
	}
	return b
}

// Play runs the live program on a packet that came in at a port, with the time that
// it shall see, and gives all packets that it sends; those for the host and for
// controllers too. A drop that the program did not ask for is a *kernelrun.Dropped.
// The plane must be opened with Options.Play; Apply must not run meanwhile. The
// packets are valid until the next call.
func (p *Plane) Play(port uint32, data []byte, now uint64) ([]kernelrun.Packet, error) {
	g, err := p.liveGeneration()
	if err != nil {
		return nil, err
	}
	if p.play == "" {
		return nil, errors.New("the plane was not opened to play packets")
	}
	if g.run == nil {
		main := g.programs[hookTC]
		if p.play == hookXDP.String() {
			main = g.programs[hookXDP]
		}
		g.run = &kernelrun.Run{Main: main, Machine: g.machine, Maps: g.playMap}
	}
	g.run.Now = now
	return g.run.Process(port, data)
}

// playMap finds a map of the harness.
func (g *generation) playMap(name string) *ebpf.Map {
	for _, m := range backend.HarnessMaps(g.layout.NCPU) {
		if m.Name == name {
			return g.mapOf(m)
		}
	}
	return nil
}
