package ssa

import (
	"fmt"
	"maps"
	"slices"

	"github.com/p4nic/p4nic/compiler/ir"
)

// queue is what became of a packet so far, and the jobs that wait.
type queue struct {
	in      *Interp
	now     uint64
	jobs    []*job
	made    int // of ir.MaxCopies
	outputs []Output
	reason  DropReason
}

// job is a job that waits. Its handle is how many were made, itself included: only
// the last one is filled.
type job struct {
	stage uint64
	data  []byte
	frame map[uint64]uint64
}

// packet is the job's packet; p is the one that came in.
func (j *job) packet(p Packet) *Packet {
	p.Data = j.data
	if n := j.frame[FrameLength]; n != 0 {
		p.WireLen, p.Bytes = uint32(n), n
	}
	return &p
}

func (q *queue) done() Result {
	if len(q.outputs) == 0 {
		return Result{Dropped: true, Reason: q.reason}
	}
	o := q.outputs[0]
	return Result{Port: o.Port, Data: o.Data, Outputs: q.outputs}
}

// add puts j at the end of the queue; false when the packet has made too many.
func (q *queue) add(j *job) bool {
	if q.made == ir.MaxCopies {
		return false
	}
	q.made++
	q.jobs = append(q.jobs, j)
	return true
}

// job runs the operations on jobs.
func (r *run) job(v *Value, a func(int) uint64) (uint64, error) {
	q := r.queue
	switch v.Op {
	case OpJob:
		j := &job{stage: v.Aux, data: r.found, frame: map[uint64]uint64{
			FramePort: 0, FrameInstance: 0, FrameCut: FrameWhole, FrameLength: r.frame[FrameLength], FrameClass: 0,
		}}
		if v.N != JobFound {
			j.data = slices.Clone(r.data)
		}
		if v.N == JobOwn {
			j.frame[FrameLength] = uint64(len(j.data))
		}
		if !q.add(j) {
			return 0, nil
		}
		return uint64(q.made), nil
	case OpJobStore:
		if a(0) != 0 {
			q.jobs[len(q.jobs)-1].frame[v.Aux] = a(1)
		}
	case OpReplicate:
		if a(0) == 0 {
			return 0, nil
		}
		j := q.jobs[len(q.jobs)-1]
		q.jobs = q.jobs[:len(q.jobs)-1]
		q.made--
		return bit(r.replicate(j, uint32(a(1)), v.N == ReplicateSession)), nil
	case OpFrame:
		c, ok := r.frame[v.Aux]
		if !ok {
			return 0, fmt.Errorf("cell %d of the frame was not stored", v.Aux)
		}
		return c, nil
	}
	return 0, nil
}

// replicate queues a copy of j for each replica; false when there is none.
func (r *run) replicate(j *job, id uint32, session bool) bool {
	replicas := r.in.groups[id]
	if session {
		s, ok := r.in.sessions[id]
		if !ok {
			return false
		}
		replicas = s.Replicas
		if s.Group != 0 {
			replicas = slices.Concat(r.in.groups[s.Group], replicas)
		}
		j.frame[FrameClass] = uint64(s.ClassOfService)
		if s.Truncate != 0 {
			j.frame[FrameCut] = uint64(s.Truncate)
		}
	}
	for _, x := range replicas {
		c := &job{j.stage, j.data, maps.Clone(j.frame)}
		c.frame[FramePort], c.frame[FrameInstance] = uint64(x.Port), uint64(x.Instance)
		if !r.queue.add(c) {
			break
		}
	}
	return len(replicas) > 0
}

// SetMulticastGroup makes or replaces a group. Group 0 means no multicast.
func (in *Interp) SetMulticastGroup(id uint32, replicas []ir.Replica) error {
	if id == 0 {
		return fmt.Errorf("multicast group 0: that number means no multicast")
	}
	in.groups[id] = slices.Clone(replicas)
	return nil
}

// DeleteMulticastGroup removes a group; ErrNoEntry where there is none.
func (in *Interp) DeleteMulticastGroup(id uint32) error {
	if _, ok := in.groups[id]; !ok {
		return fmt.Errorf("ssa: multicast group %d: %w", id, ErrNoEntry)
	}
	delete(in.groups, id)
	return nil
}

// SetCloneSession makes or replaces a clone session, 0 to 32767.
func (in *Interp) SetCloneSession(id uint32, s ir.CloneSession) error {
	if id > maxSession {
		return fmt.Errorf("clone session %d: the largest is %d", id, maxSession)
	}
	s.Replicas = slices.Clone(s.Replicas)
	in.sessions[id] = s
	return nil
}

// DeleteCloneSession removes a session; ErrNoEntry where there is none.
func (in *Interp) DeleteCloneSession(id uint32) error {
	if _, ok := in.sessions[id]; !ok {
		return fmt.Errorf("ssa: clone session %d: %w", id, ErrNoEntry)
	}
	delete(in.sessions, id)
	return nil
}
