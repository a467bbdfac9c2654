package telemetry

// For tests in package telemetry_test, which can import telemetrytest.

// LengthOf is what Source.Len says.
func LengthOf(s *Source) int { return s.Len() }

// EmptySchema is the table of paths over nothing, for its shape.
func EmptySchema() *Schema { return newSchema(Options{Clock: RealClock{}}) }
