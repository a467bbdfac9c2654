package ebpf

type vreg int
type gen struct{}

func (noEngine) emit(g *gen, keys []vreg, handle vreg)       {}
func (e *arrayEngine) emit(g *gen, keys []vreg, handle vreg) {}
func (e *hashEngine) emit(g *gen, keys []vreg, handle vreg)  {}
func (e *lpmEngine) emit(g *gen, keys []vreg, handle vreg)   {}
func (e *Linear) emit(g *gen, keys []vreg, handle vreg)      {}
