package ebpf

// Few constants of a program depend on the generation that it runs in (D3): which
// slot the machine has, and what XDP tells tc. Programs are compiled for
// generation 0; ForGeneration sets the constants.

// generationSite gives a constant for a generation.
type generationSite func(generation uint8) int64

// siteKey is the key of a generationSite in the metadata of an instruction.
type siteKey struct{}

// perGeneration gives a register with a constant of the generation.
func (g *gen) perGeneration(f generationSite) vreg {
	r := g.ptr() // a constant that the verifier must know
	g.emit(minst{op: mMov, dst: r, imm: f(0), site: f})
	return r
}

// ForGeneration makes the object one for a generation, which is 0 before.
func (o *Object) ForGeneration(generation uint8) {
	for i := range o.Insns {
		if f, ok := o.Insns[i].Metadata.Get(siteKey{}).(generationSite); ok {
			o.Insns[i].Constant = f(generation)
		}
	}
}
