package dataplane

import (
	"errors"

	"github.com/p4nic/p4nic/compiler/ir"
)

// Replicator is the part of Entities that copies need: an engine may have it
// without the rest.
type Replicator interface {
	SetMulticastGroup(id uint32, replicas []ir.Replica) error
	DeleteMulticastGroup(id uint32) error
	SetCloneSession(id uint32, s ir.CloneSession) error
	DeleteCloneSession(id uint32) error
}

// Entities is a Plane that holds what P4Runtime programs besides tables: the
// replication engine, meters, registers, action profiles, value sets. The methods
// act on the live generation, from the goroutine that calls Apply; those that read
// may be called by any. The Generation that such a Plane prepares is one as well,
// so that it can be filled before Commit. A Plane without it runs no program that
// needs them (Check).
//
// Entries of tables with an action profile name a member or a group in Entry.Ref
// and Entry.Target: members are set before groups and entries that name them, and
// deleted after. So Config.Fill sets members and groups, before Prepare takes the
// entries; everything else is set on the generation between Prepare and Commit.
// With Config.KeepState registers and the fill of meters are the live
// generation's, and a meter that is given the rates it has goes on.
//
// Ids are any 32 bits. An entry has no meter rates when it is inserted, whatever
// the last owner of its handle had. Values of registers and of digests' fields
// are in machine form (ir.Entry); that of a register whose elements have several
// fields is the fields' forms, one behind the other, of a header first a byte that
// says whether it is valid (ir.Leaves).
type Entities interface {
	Replicator

	SetMember(profile string, m ir.ProfileMember) error
	DeleteMember(profile string, id uint32) error
	SetGroup(profile string, g ir.ProfileGroup) error
	DeleteGroup(profile string, id uint32) error

	// SetMeter and SetDirectMeter configure one cell; nil takes its rates away.
	SetMeter(name string, index uint32, r *ir.MeterRates) error
	SetDirectMeter(table int, handle uint32, r *ir.MeterRates) error

	// SetValueSet replaces the members of Program.ValueSets[index].
	SetValueSet(index int, members [][]ir.Match) error

	Register(name string, index uint32) ([]byte, error)
	SetRegister(name string, index uint32, value []byte) error
	SetInstanceCounter(name string, index uint32, v Counter) error

	// LastHits fills out with the times, in nanoseconds before now, since the
	// entries were hit or inserted; only in tables with SupportTimeout.
	LastHits(table int, handles []uint32, out []uint64) error
}

// Events is a Plane whose programs speak to the control plane. The functions are
// called from goroutines of the plane, one call at a time each, and must not wait;
// nil ends a subscription.
type Events interface {
	SetDigests(f func(ir.Digest))
	// SetIdle: entries, by table and handle, that nobody has hit for as long as
	// their idle timeout; each once until it is hit again.
	SetIdle(f func(table int, handle uint32))
}

// ErrInUse is returned for a member or group that others refer to. Errors of
// Entities wrap it, ErrNoEntry or ErrFull.
var ErrInUse = errors.New("others refer to it")
