package kernel

// TableEngines names the match structure of each table of the live pipeline, in
// the order of Program.Tables; nil when nothing was loaded by this process.
func (p *Plane) TableEngines() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.live == nil {
		return nil
	}
	names := make([]string, len(p.live.layout.Tables))
	for i, t := range p.live.layout.Tables {
		names[i] = t.Engine.Kind().String()
	}
	return names
}
