package kernel

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	backend "github.com/p4nic/p4nic/compiler/backend/ebpf"
	"github.com/p4nic/p4nic/compiler/ir"
	"github.com/p4nic/p4nic/runtime/dataplane"
)

// replication are the multicast groups and clone sessions of a generation. A group
// is a word that names its rows (D17); a change writes new rows and then the word,
// so a packet sees the group as it was or as it is. A program that makes no copies
// has no maps for them, and groups are only counted.
type replication struct {
	p                      *Plane
	groups, sessions, rows *mapped // nil: the program makes no copies
	group, session         map[uint32]rowRange
	free                   []rowRange    // sorted by base, not touching
	retired                []retiredRows // in order of their epochs
}

// rowRange is rows base to base+count-1.
type rowRange struct{ base, count uint32 }

type retiredRows struct {
	rowRange
	epoch uint64
}

// openReplication prepares for groups; the maps are made where the program uses them.
func (g *generation) openReplication(dir string, copies bool) (*replication, error) {
	r := &replication{p: g.p, group: map[uint32]rowRange{}, session: map[uint32]rowRange{},
		free: []rowRange{{0, backend.MaxRows}}}
	if !copies {
		return r, nil
	}
	into := map[string]**mapped{backend.MapGroups: &r.groups, backend.MapSessions: &r.sessions, backend.MapRows: &r.rows}
	for _, m := range backend.ReplicationMaps() {
		km, err := g.addMap(m, dir, "")
		if err == nil {
			*into[m.Name], err = mapArray(km)
		}
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	return r, nil
}

func (r *replication) close() error {
	if r == nil {
		return nil
	}
	return errors.Join(r.groups.close(), r.sessions.close(), r.rows.close())
}

// take finds room for n rows.
func (r *replication) take(n uint32) (rowRange, error) {
	if n == 0 {
		return rowRange{}, nil
	}
	for _, wait := range []bool{false, true} {
		if wait {
			if len(r.retired) == 0 {
				break
			}
			if err := r.p.waitGrace(); err != nil {
				return rowRange{}, err
			}
		}
		r.reclaim()
		for i, f := range r.free {
			switch {
			case f.count == n:
				r.free = slices.Delete(r.free, i, i+1)
				return f, nil
			case f.count > n:
				r.free[i] = rowRange{f.base + n, f.count - n}
				return rowRange{f.base, n}, nil
			}
		}
	}
	return rowRange{}, fmt.Errorf("%d replicas in a row: all groups and sessions together have at most %d: %w", n, backend.MaxRows, dataplane.ErrFull)
}

// reclaim frees the rows that no packet can see any more.
func (r *replication) reclaim() {
	n := 0
	for n < len(r.retired) && r.retired[n].epoch < r.p.epoch {
		r.put(r.retired[n].rowRange)
		n++
	}
	r.retired = r.retired[n:]
}

// put gives rows back, and joins them with their neighbours.
func (r *replication) put(x rowRange) {
	if x.count == 0 {
		return
	}
	i, _ := slices.BinarySearchFunc(r.free, x, func(a, b rowRange) int { return cmp.Compare(a.base, b.base) })
	r.free = slices.Insert(r.free, i, x)
	if i+1 < len(r.free) && x.base+x.count == r.free[i+1].base {
		r.free[i].count += r.free[i+1].count
		r.free = slices.Delete(r.free, i+1, i+2)
	}
	if i > 0 && r.free[i-1].base+r.free[i-1].count == r.free[i].base {
		r.free[i-1].count += r.free[i].count
		r.free = slices.Delete(r.free, i, i+1)
	}
}

// set makes id the rows, in the words and ranges of groups or of sessions.
func (r *replication) set(words *mapped, ranges map[uint32]rowRange, id uint32, rows []backend.Row) error {
	x, err := r.take(uint32(len(rows)))
	if err != nil {
		return err
	}
	for i, row := range rows {
		*(*backend.Row)(unsafe.Pointer(&r.rows.value(x.base + uint32(i))[0])) = row
	}
	word := uint64(0)
	if x.count > 0 {
		word = backend.RangeWord(x.base, x.count)
	}
	words.store(id, 0, word)
	r.retire(ranges[id])
	ranges[id] = x
	return nil
}

func (r *replication) retire(x rowRange) {
	if x.count > 0 {
		r.retired = append(r.retired, retiredRows{x, r.p.epoch})
	}
}

func (r *replication) setGroup(id uint32, replicas []ir.Replica) error {
	if id == 0 || id >= backend.MaxGroups {
		return fmt.Errorf("multicast group %d: the kernel datapath has groups 1 to %d: %w", id, backend.MaxGroups-1, dataplane.ErrFull)
	}
	if r.groups == nil {
		r.group[id] = rowRange{}
		return nil
	}
	if err := r.set(r.groups, r.group, id, backend.Rows(replicas)); err != nil {
		return fmt.Errorf("multicast group %d: %w", id, err)
	}
	return nil
}

func (r *replication) setSession(id uint32, s ir.CloneSession) error {
	if id >= backend.MaxGroups {
		return fmt.Errorf("clone session %d: the kernel datapath has sessions 0 to %d: %w", id, backend.MaxGroups-1, dataplane.ErrFull)
	}
	if s.Group >= backend.MaxGroups {
		return fmt.Errorf("clone session %d: multicast group %d: the kernel datapath has groups 1 to %d: %w", id, s.Group, backend.MaxGroups-1, dataplane.ErrFull)
	}
	if r.groups == nil {
		r.session[id] = rowRange{}
		return nil
	}
	if err := r.set(r.sessions, r.session, id, backend.SessionRows(s)); err != nil {
		return fmt.Errorf("clone session %d: %w", id, err)
	}
	return nil
}

// remove takes id away.
func (r *replication) remove(what string, words *mapped, ranges map[uint32]rowRange, id uint32) error {
	x, ok := ranges[id]
	if !ok {
		return fmt.Errorf("%s %d: %w", what, id, dataplane.ErrNoEntry)
	}
	if words != nil {
		words.store(id, 0, 0)
		r.retire(x)
	}
	delete(ranges, id)
	return nil
}
