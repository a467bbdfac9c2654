// Package fakedevice is a P4Runtime device for tests: it keeps tables and
// carries no packets, and has the limits that vendors publish, each to be
// switched on.
//
// In: RPCs. Out: what a server with these limits answers.
// Must not import: anything of p4nic; it is a second opinion on clients.
package fakedevice

// Limits are what a device does not do. The zero value does everything.
type Limits struct {
	Controllers         int   // streams at a time; 0 = any number
	RefuseUnsetElection bool  // an arbitration without election id closes the stream
	NeverNotFound       bool  // backups hear ALREADY_EXISTS although nobody is primary
	LiveElectionID      bool  // clients hear the election id of the live primary, not the highest ever
	OwnElectionID       bool  // backups hear their own election id, not the primary's
	NoReconcile         bool  // RECONCILE_AND_COMMIT
	NoVerify            bool  // VERIFY
	OneCommit           bool  // a second VERIFY_AND_COMMIT
	NoPipelineIsError   bool  // Get before the first Set is FAILED_PRECONDITION
	PowerOfTwo          bool  // other table sizes
	MaxTableSize        int64 // 0 = any
	NoModify            bool  // MODIFY but for default entries
	RefuseWholeModify   bool  // with NoModify: the RPC, not the update
	NoCapabilities      bool
	APIVersion          string // "" = 1.5.0
	StopsAtError        bool   // the rest of a batch is ABORTED
	NoDetails           bool   // a refused batch says not what was refused
	NoTableReads        bool   // reads of one table
	NoDefaultReads      bool   // reads of default entries
	IgnoreFilters       bool   // a read of one table, or of default entries, reads all
	PaddedReads         bool   // values have the width of their fields
	FullWidth           bool   // values of another width are refused
}

// DPL are the limits in the release notes of NVIDIA's DOCA Pipeline Language
// runtime (op:PE7).
func DPL() Limits {
	return Limits{Controllers: 1, NoReconcile: true, PowerOfTwo: true, MaxTableSize: 1 << 23, NoModify: true}
}

// PI are those of PI with simple_switch_grpc (checklist p4rt, section 3).
func PI() Limits {
	return Limits{APIVersion: "1.3.0", NeverNotFound: true, LiveElectionID: true, NoPipelineIsError: true, IgnoreFilters: true}
}

// Stratum are those of Stratum on Tofino (checklist p4rt, section 3).
func Stratum() Limits {
	return Limits{APIVersion: "1.4.0-rc.5", RefuseUnsetElection: true, NoReconcile: true, NoPipelineIsError: true, IgnoreFilters: true}
}

// SonicPINS are those of sonic-pins (checklist p4rt, section 3).
func SonicPINS() Limits {
	return Limits{NoCapabilities: true, OneCommit: true, StopsAtError: true, NoTableReads: true}
}

// FourWard are those of 4ward (checklist p4rt, section 3).
func FourWard() Limits {
	return Limits{NeverNotFound: true, OwnElectionID: true}
}

// Old are those of servers of P4Runtime before 1.3, which wanted and gave values
// in their full width.
func Old() Limits {
	return Limits{NoCapabilities: true, NoReconcile: true, PaddedReads: true, FullWidth: true, NoDetails: true, NoVerify: true}
}
