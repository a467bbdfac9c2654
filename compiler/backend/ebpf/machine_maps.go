package ebpf

import (
	"github.com/cilium/ebpf"

	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/compiler/ssa"
)

// Names of the maps of a program that makes copies.
const (
	MapMachine  = "machine"  // PERCPU_ARRAY of one control block, see the ctl constants
	MapJobs     = "jobs"     // PERCPU_ARRAY of job records; the last takes what is written to jobs that were lost
	MapVersions = "versions" // PERCPU_ARRAY of packet versions
	MapOriginal = "original" // PERCPU_ARRAY of one: the first bytes of the packet that came in
	MapTail     = "tail"     // PERCPU_ARRAY of one: the bytes behind those, once a copy was cut
	MapOutputs  = "outputs"  // ARRAY of Output, harness only
	MapHandRecs = "handrecs" // ARRAY of job records made on XDP: (cpu * handSlots + slot) * n + i
	MapHandover = "handover" // ARRAY of hand-over slots: cpu * handSlots + slot
	MapHandCtl  = "handctl"  // PERCPU_ARRAY of one: what XDP writes next

	MapGroups   = "groups"   // ARRAY multicast group -> RangeWord
	MapSessions = "sessions" // ARRAY clone session -> RangeWord; its first row is a SessionRow
	MapRows     = "rows"     // ARRAY of Row
)

// Limits of copies.
const (
	MaxGroups   = 1 << 16 // ids of groups, and of sessions, are below
	MaxRows     = 1 << 16 // replicas of all groups and sessions
	maxVersions = 1024    // of one packet at a time
	minVersions = 256
	maxOriginal = 4096    // bytes of the packet that parsers may reach, in all rounds
	maxTail     = 1 << 14 // bytes behind those that are kept when a copy is cut
	maxJobs     = 1024    // that wait at a time
	minJobs     = 256
	jobsMemory  = 512 << 10 // a CPU, for jobs, and for versions, unless the least number takes more
	handSlots   = 256       // packets of one CPU that are on their way from XDP to tc
	maxFrame    = 8192
	maxVersion  = 8192
	// OutputBytes, a power of 2, is the room for the packet in an Output.
	OutputBytes = 4096
	// MaxOutputs bounds the packets that a harness sees.
	MaxOutputs = ir.MaxCopies
)

// RangeWord is the value of MapGroups and MapSessions: rows base to base+count-1.
// A word of 0 is no group. One store changes the group for all packets.
func RangeWord(base, count uint32) uint64 { return uint64(base)<<32 | uint64(count) }

// Row is a replica, the value of MapRows. The first row of a session is no
// replica: Port is its group, Instance unused, Cut and Class those of its copies.
type Row struct {
	Port     uint32
	Instance uint16
	Class    uint16
	Cut      uint32 // 0: whole
	_        uint32
}

// Rows are the rows of a multicast group.
func Rows(replicas []ir.Replica) []Row {
	rows := make([]Row, len(replicas))
	for i, r := range replicas {
		rows[i] = Row{Port: r.Port, Instance: r.Instance}
	}
	return rows
}

// SessionRows are the rows of a clone session.
func SessionRows(s ir.CloneSession) []Row {
	return append([]Row{{Port: s.Group, Class: uint16(s.ClassOfService), Cut: s.Truncate}}, Rows(s.Replicas)...)
}

const (
	rowPort, rowInstance, rowClass, rowCut = 0, 4, 6, 8
	rowSize                                = 16
)

// Output is what a harness program sends, the value of MapOutputs.
type Output struct {
	Port, Len uint32
	Data      [OutputBytes]byte
}

// Offsets in the control block, the value of MapMachine. Between two packets head
// and tail are 0.
const (
	ctlHead     = 0   // u32: jobs done
	ctlTail     = 4   // u32: jobs made
	ctlRuns     = 8   // u32: runs of stages
	ctlIngress  = 12  // u32: port
	ctlNow      = 16  // u64: the packet's reading of the clock
	ctlSaved    = 24  // u32: bytes of the original in MapOriginal
	ctlRest     = 28  // u32: bytes of the original behind those
	ctlHave     = 36  // u32: how many of those are left in the packet
	ctlVersion  = 40  // u32: the version that the packet was made
	ctlDirty    = 44  // u32: it is not that version any more
	ctlNext     = 48  // u32: versions from here on were never in use
	ctlFree     = 52  // u32: length of the list of free versions
	ctlPort     = 56  // u32: where a stage sends its packet
	ctlCut      = 60  // u32: the length beyond which it is cut
	ctlSegs     = 64  // u64: packets that the one that came in stands for (D9)
	ctlBytes    = 72  // u64: and their bytes
	ctlFinal    = 80  // u32: how the last output leaves, see final*
	ctlFinalDev = 84  // u32: netdev
	ctlJob      = 88  // u32: index of the running job's record
	ctlTailAt   = 92  // u32: where in the original MapTail begins, noCut: it holds nothing
	ctlSaveVer  = 96  // u32: the version that the packet as it is now was saved as, 0: none
	ctlArgStage = 100 // u32: arguments of p4nic_job: the stage, and N of ssa.OpJob
	ctlArgFrom  = 104 // u32
	ctlOutputs  = 108 // u32: outputs of a harness
	ctlLack     = 32  // u32: bytes that a cut took from the prefix
	ctlList     = 112 // u16 each: free versions
	ctlSize     = ctlList + 2*maxVersions
)

// How the last output leaves.
const (
	finalNone     = 0
	finalRedirect = 1
	finalHost     = 2
)

// noCut is the length of what is not cut, as an immediate operand of 32 bits.
const noCut = -1

// Offsets in a job record. The frame has the offsets of ssa behind them.
const (
	jobStage   = 0  // u32: index in Func.Stages
	jobVersion = 4  // u32
	jobKind    = 8  // u32: see kind*
	jobID      = 12 // u32: of the group or session
	jobBase1   = 16 // u32: next row of the group, and rows left
	jobLeft1   = 20
	jobBase2   = 24 // u32: next row of the session, and rows left
	jobLeft2   = 28
	jobFrame   = 32
)

// What a job is replicated by.
const (
	kindPlain    = 0
	kindGroup    = 1
	kindSession  = 2
	kindResolved = 3
)

// Offsets in a packet version: version bytes, followed by bytes t to e of the
// original.
const (
	verLen   = 0  // u32
	verT     = 4  // u32
	verE     = 8  // u32
	verRefs  = 12 // u32: jobs that begin with it
	verBytes = 16
)

// Offsets in a hand-over slot.
const (
	handSeq      = 0  // u64: names the packet; 0 while it is written
	handNow      = 8  // u64
	handIngress  = 16 // u32
	handCount    = 20 // u32
	HandoverSize = 24
)

// Offsets in MapHandCtl.
const (
	hctlSlot  = 0 // u32: the slot in use, or next
	hctlCount = 4 // u32: jobs in it
	hctlSeq   = 8 // u64: of the last packet
	hctlSize  = 16
)

// machine is what the two programs of a Func with stages agree on.
type machine struct {
	f        *ssa.Func
	head     int // bytes of a packet that stages may reach
	record   int // bytes of a job record
	jobs     int // that wait at a time, a power of 2
	version  int // bytes that a version has room for, a power of 2
	versions int // that are kept at a time, a power of 2
	made     int // jobs that stage 0 makes at most
	l        *Layout
}

// newMachine plans, or gives nil when the Func makes no copies.
func newMachine(f *ssa.Func, l *Layout) (*machine, error) {
	if len(f.Stages) == 0 {
		return nil, nil
	}
	m := &machine{f: f, l: l, head: 64}
	frame, image := f.FrameSize, 0
	for _, s := range append([]*ssa.Func{f}, f.Stages...) {
		frame = max(frame, s.FrameSize)
		image = max(image, s.HeaderImage)
		m.head = max(m.head, reach(s))
	}
	if frame > maxFrame {
		return nil, unsupported(l.Prog, jobPos(f), "copies", "what they keep of a packet's state takes more than 8192 bytes", "keep fewer fields")
	}
	if m.head > maxOriginal {
		return nil, unsupported(l.Prog, jobPos(f), "copies", "the parser can reach more than 4096 bytes of a packet", "")
	}
	m.record = (jobFrame + max(frame, ssa.FrameCells) + 7) &^ 7
	m.jobs = maxJobs
	for m.jobs > minJobs && m.jobs*m.record > jobsMemory {
		m.jobs /= 2
	}
	m.version = 512
	for m.version < m.head+image+256 && m.version < maxVersion {
		m.version *= 2
	}
	m.versions = maxVersions
	for m.versions > minVersions && m.versions*m.version > jobsMemory {
		m.versions /= 2
	}
	for _, b := range f.Blocks {
		for _, v := range b.Instrs {
			if v.Op == ssa.OpJob {
				m.made++
			}
		}
	}
	m.made = max(m.made, 1)
	return m, nil
}

// reach is the number of bytes of the packet that checks of a stage can reach.
func reach(f *ssa.Func) int {
	n := 0
	for _, b := range f.Blocks {
		if b.Term.Kind != ssa.TermCheck {
			continue
		}
		if c := b.Term.Cond; c.Op == ssa.OpConst {
			n = max(n, int(min(c.Aux, maxOriginal))+b.Term.N)
		} else {
			n = max(n, variableReach)
		}
	}
	return n
}

// variableReach is how far into the packet headers at variable offsets may lie.
const variableReach = 512

// specs are the maps of both programs.
func (m *machine) specs() []*MapSpec {
	percpu := func(name string, size, n int) *MapSpec {
		return &MapSpec{Name: name, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: uint32(size), MaxEntries: uint32(n), Role: Scratch}
	}
	array := func(name string, size, n int) *MapSpec {
		return &MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size), MaxEntries: uint32(n), Role: Scratch}
	}
	return append([]*MapSpec{
		percpu(MapMachine, ctlSize, 1),
		percpu(MapJobs, m.record, m.jobs+1),
		percpu(MapVersions, verBytes+m.version, m.versions),
		percpu(MapOriginal, 2*maxOriginal, 1),
		percpu(MapTail, maxOriginal+maxTail, 1),
		array(MapHandRecs, m.record, m.handRecs()+1),
		handoverMap(m.l.NCPU),
		percpu(MapHandCtl, hctlSize, 1),
	}, ReplicationMaps()...)
}

// handRecs is the number of records that XDP hands over in.
func (m *machine) handRecs() int { return m.l.NCPU * handSlots * m.made }

// ReplicationMaps are the maps of groups and sessions, which the store fills, of a
// program that makes copies.
func ReplicationMaps() []*MapSpec {
	content := func(name string, size, n uint32) *MapSpec {
		return &MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: size, MaxEntries: n, Flags: fMmapable, Role: Content}
	}
	return []*MapSpec{
		content(MapGroups, 8, MaxGroups),
		content(MapSessions, 8, MaxGroups),
		content(MapRows, rowSize, MaxRows),
	}
}

// HarnessMaps are the maps that a harness reads and writes.
func HarnessMaps(ncpu int) []*MapSpec {
	return []*MapSpec{resultMap(), outputsMap(), handoverMap(ncpu)}
}

func handoverMap(ncpu int) *MapSpec {
	return &MapSpec{Name: MapHandover, Type: ebpf.Array, KeySize: 4, ValueSize: HandoverSize, MaxEntries: uint32(ncpu * handSlots), Role: Scratch}
}

// outputsMap receives the packets of harness programs.
func outputsMap() *MapSpec {
	return &MapSpec{Name: MapOutputs, Type: ebpf.Array, KeySize: 4, ValueSize: 8 + OutputBytes, MaxEntries: MaxOutputs, Role: Scratch}
}

// jobPos is where f makes its first job.
func jobPos(f *ssa.Func) ir.Pos {
	for _, b := range f.Blocks {
		for _, v := range b.Instrs {
			if v.Op == ssa.OpJob {
				return v.Pos
			}
		}
	}
	return ir.Pos{}
}
