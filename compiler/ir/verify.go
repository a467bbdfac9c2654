package ir

func Check(p *Program) error { return nil }
