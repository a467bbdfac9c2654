package ir

// AddOnMiss tells whether packets add entries to t (PNA's property add_on_miss).
func (t *Table) AddOnMiss() bool {
	for _, p := range t.Props {
		if p.Name == "add_on_miss" && p.Expr != nil {
			c, ok := p.Expr.(*Const)
			return ok && c.Val != nil && c.Val.Sign() != 0
		}
	}
	return false
}

// LearnLimit is the number of entries that packets can add to t: its size, 1024 where
// the program gives none.
func (t *Table) LearnLimit() int {
	if t.Size > 0 {
		return t.Size
	}
	return 1024
}
