package p4rtclient

import (
	"fmt"
	"slices"
)

// Limit names something that a device does not do although others do. The names
// are stable: they are in JSON output and in docs/devices.md.
type Limit string

// Limits of published servers (op:PE7 and section 3 of the checklist).
const (
	OneController   Limit = "one-controller"
	NoElectionProbe Limit = "no-election-probe"
	NoReconcile     Limit = "no-reconcile"
	NoVerify        Limit = "no-verify"
	OneCommit       Limit = "one-commit"
	NoModify        Limit = "no-modify"
	PowerOfTwo      Limit = "power-of-two-tables"
	NoCapabilities  Limit = "no-capabilities"
	NoTableReads    Limit = "no-table-reads"
	NoDefaultReads  Limit = "no-default-reads"
	StopsAtError    Limit = "stops-at-first-error"
	FullWidth       Limit = "full-width-bytestrings"
)

// Text says what the limit means to an operator.
func (l Limit) Text() string {
	switch l {
	case OneController:
		return "it takes no further controller while others are connected"
	case NoElectionProbe:
		return "it does not tell who is primary before one asks to become it (unset election ids are refused)"
	case NoReconcile:
		return "it cannot keep entries over a load (RECONCILE_AND_COMMIT is not implemented)"
	case NoVerify:
		return "it cannot check a pipeline without loading it (VERIFY is not implemented)"
	case OneCommit:
		return "it starts afresh only once (a further VERIFY_AND_COMMIT is not implemented)"
	case NoModify:
		return "it cannot change entries (MODIFY is not implemented)"
	case PowerOfTwo:
		return "it may take only powers of two as table sizes"
	case NoCapabilities:
		return "it does not tell its P4Runtime version (Capabilities is not implemented)"
	case NoTableReads:
		return "it cannot read single tables; all were read"
	case NoDefaultReads:
		return "default actions cannot be read"
	case StopsAtError:
		return "it tries nothing after an update that it refuses; the rest was sent again"
	case FullWidth:
		return "it wants values in their full width"
	}
	return string(l)
}

// LimitError is a refusal that comes from a limit of the device, not from what
// was asked.
type LimitError struct {
	Limit  Limit
	Words  string // the device's
	Remedy string // "" = there is none
}

func (e *LimitError) Error() string {
	s := fmt.Sprintf("limit of the device, %s: %s", e.Limit, e.Limit.Text())
	if e.Words != "" {
		s += fmt.Sprintf(": %q", e.Words)
	}
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// met remembers a limit that showed and was got around.
func (c *Client) met(l Limit) {
	if !slices.Contains(c.limits, l) {
		c.limits = append(c.limits, l)
	}
}

// Limits are the limits that showed so far and were got around, in that order.
func (c *Client) Limits() []Limit { return slices.Clone(c.limits) }
