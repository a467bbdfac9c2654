package store

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// compaction rewrites a journal that is mostly history: a new file with a
// snapshot, then what was appended meanwhile, takes its place. It runs beside the
// applier, which gives it the snapshot (no more than the tables' lists of chunks)
// and waits for it only while the last bytes are copied and the file is renamed.
type compaction struct {
	done chan struct{} // closed at its end
	// given up: the journal it reads has been replaced.
	void atomic.Bool
}

const (
	// compactRest is how much the applier may be asked to copy.
	compactRest = 1 << 19
	// compactRounds bounds the attempts to come as near as that, for a disk that is
	// slower than the writers.
	compactRounds = 20
)

// compactIfLarge starts one when it is worth it.
func (s *Store) compactIfLarge() {
	j := s.journal
	if s.fault != nil || s.compacting != nil || j.was != nil || j.size < max(s.opts.CompactBytes, 2*j.snapshot, j.retry) {
		return
	}
	c := &compaction{done: make(chan struct{})}
	s.compacting = c
	content, from, f := s.save(), j.size, j.f
	go func() {
		defer close(c.done)
		err := s.compact(c, content, f, from)
		// A store that is closed meanwhile has no use for the answer.
		_ = s.send(request{call: func() error {
			s.compacting = nil
			if err != nil && !c.void.Load() && !errors.Is(err, ErrClosed) {
				j.retry = j.size + j.size/8
				s.journalFailed(err, false)
			}
			return nil
		}})
	}()
}

// compact is the goroutine beside the applier; f is the journal and from its size
// when the content was taken.
func (s *Store) compact(c *compaction, content *saved, f file, from int64) error {
	o, j := &s.opts, s.journal
	o.at(fpCompactStarted)
	next, snapshot, err := writeSnapshot(j.dir, nextName, content)
	if err != nil {
		return fmt.Errorf("journal: snapshot: %w", err)
	}
	o.at(fpCompactSnapshot)
	w := &tailCopy{from: f, at: from, to: next, size: snapshot}
	for range compactRounds {
		end := j.end.Load()
		if c.void.Load() {
			break
		}
		rest := end - w.at
		if err = w.copy(end); err != nil {
			break
		}
		if err = next.Sync(); err != nil || rest <= compactRest {
			break
		}
	}
	taken := false
	if err == nil && !c.void.Load() {
		o.at(fpCompactCopied)
		err = s.send(request{call: func() error {
			if c.void.Load() {
				return nil
			}
			err := s.takeNext(w, snapshot)
			taken = err == nil
			return err
		}})
	}
	if !taken {
		next.Close()
		_ = j.dir.remove(nextName)
		if err != nil {
			return fmt.Errorf("journal: compaction: %w", err)
		}
		return nil
	}
	// The name is on the disk once the directory is; until then the file that had
	// it gets all records too.
	err = j.dir.sync()
	if err == nil {
		o.at(fpCompactSynced)
	}
	_ = s.send(request{call: func() error {
		switch {
		case err != nil && s.opts.Durability == Power:
			s.journalFailed(&tornError{fmt.Errorf("journal: %w", err)}, true)
		case j.was == f && f != nil:
			j.was.Close()
			j.was = nil
		}
		return nil
	}})
	return nil
}

// takeNext is the applier's part.
func (s *Store) takeNext(w *tailCopy, snapshot int64) error {
	j := s.journal
	rest := w.at < j.size
	if err := w.copy(j.size); err != nil {
		return err
	}
	if rest && s.opts.Durability == Power {
		if err := w.to.Sync(); err != nil {
			return err
		}
	}
	s.opts.at(fpCompactReady)
	if err := j.dir.rename(nextName, journalName); err != nil {
		return err
	}
	s.opts.at(fpCompactRenamed)
	if s.opts.Durability == Power {
		j.take(w.to, w.size, snapshot, j.f, j.size)
		return nil
	}
	j.f.Close()
	j.take(w.to, w.size, snapshot, nil, 0)
	return nil
}

// tailCopy copies the end of one file behind the end of another.
type tailCopy struct {
	from, to file
	at, size int64 // where to read, where to write
	buf      []byte
}

func (w *tailCopy) copy(end int64) error {
	if w.buf == nil {
		w.buf = make([]byte, 1<<18)
	}
	for w.at < end {
		b := w.buf[:min(int64(len(w.buf)), end-w.at)]
		if _, err := w.from.ReadAt(b, w.at); err != nil {
			return err
		}
		if _, err := w.to.WriteAt(b, w.size); err != nil {
			return err
		}
		w.at += int64(len(b))
		w.size += int64(len(b))
		runtime.Gosched()
	}
	return nil
}
