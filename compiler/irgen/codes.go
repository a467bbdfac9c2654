package irgen

import "github.com/p4nic/p4nic/compiler/diag"

// Codes of this package's diagnostics; Codes documents them.
const (
	codeBadData       diag.Code = "bad-action-data"
	codeBadEntry      diag.Code = "entry-key"
	codeBadMain       diag.Code = "bad-main"
	codeBadPriority   diag.Code = "bad-priority"
	codeDuplicateName diag.Code = "duplicate-name"
	codeKeyNeedsName  diag.Code = "key-needs-name"
	codeNoMain        diag.Code = "no-main"
	codeNotPrefix     diag.Code = "not-a-prefix"
	codeNotStatic     diag.Code = "not-static"
	codeUnsupported   diag.Code = "unsupported"
)
