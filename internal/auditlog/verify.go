package auditlog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Fault is a place where a log is not what was written.
type Fault struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

func (f Fault) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text) }

// Report is what Verify found.
type Report struct {
	Files   int     `json:"files"`
	Records uint64  `json:"records"` // that are good
	First   uint64  `json:"first"`   // sequence of the first; above 1 older files were rotated away
	Last    uint64  `json:"last"`
	Head    string  `json:"head"` // hash of the last record
	Torn    bool    `json:"torn"` // the last file ends within a record: nicd is writing it, or crashed
	Faults  []Fault `json:"faults"`
	found   bool    // Wanted was seen
}

// ErrHead says that the hash that was asked for is none of the log.
var ErrHead = errors.New("no record has the hash that was expected: the log was cut at its end, or written anew")

// maxFaults bounds a report; a log that is all wrong needs no more.
const maxFaults = 100

// Verify reads a log and gives each good record to each, which may be nil. head
// is a hash that must be in it, or empty; ErrHead says that it is not. Faults are
// no error.
func Verify(dir, head string, each func(Record) error) (Report, error) {
	rep := Report{Faults: []Fault{}}
	files, err := Files(dir)
	if err != nil {
		return rep, err
	}
	c := chain{rep: &rep, head: head, each: each}
	for i, path := range files {
		if err := c.file(path, i == len(files)-1); err != nil {
			return rep, err
		}
	}
	rep.Files = len(files)
	if head != "" && !rep.found {
		return rep, ErrHead
	}
	return rep, nil
}

// chain is where a verification is.
type chain struct {
	rep  *Report
	head string
	each func(Record) error
	// bad counts the lines that are no good records since the last that is one:
	// the next cannot be held against it.
	bad   uint64
	began bool
}

func (c *chain) file(path string, last bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return c.read(f, filepath.Base(path), last)
}

func (c *chain) read(f io.Reader, name string, last bool) error {
	b := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		line, err := b.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		text, whole := bytes.CutSuffix(line, []byte("\n"))
		if !whole {
			if last {
				c.rep.Torn = true
				return nil
			}
			c.fault(name, n, "the file ends within a record, and others follow it: it was cut")
			c.bad++
			return nil
		}
		if err := c.line(text, name, n); err != nil {
			return err
		}
	}
}

func (c *chain) fault(name string, line int, format string, args ...any) {
	if len(c.rep.Faults) < maxFaults {
		c.rep.Faults = append(c.rep.Faults, Fault{name, line, fmt.Sprintf(format, args...)})
	}
}

func (c *chain) line(text []byte, name string, n int) error {
	r, hash, err := decode(text)
	if err != nil {
		c.fault(name, n, "%v", err)
		c.bad++
		return nil
	}
	rep := c.rep
	first, _ := firstOf(name)
	switch {
	case !c.began:
		rep.First = r.Sequence
		switch {
		case r.Sequence != first:
			c.fault(name, n, "the file begins with record %d, by its name with %d: records are missing", r.Sequence, first)
		case r.Sequence == 1 && r.Previous != zeroHash:
			c.fault(name, n, "record 1 follows another record: records are missing")
		}
	case r.Sequence > rep.Last+1+c.bad:
		c.fault(name, n, "record %d follows record %d: %d are missing", r.Sequence, rep.Last+c.bad, r.Sequence-rep.Last-c.bad-1)
	case r.Sequence <= rep.Last:
		c.fault(name, n, "record %d follows record %d: it is there twice, or out of order", r.Sequence, rep.Last)
	case r.Previous != rep.Head && c.bad == 0:
		c.fault(name, n, "record %d does not follow the record that is in front of it: that one was replaced, or a new chain begins here", r.Sequence)
	}
	c.began, c.bad = true, 0
	rep.Last, rep.Head = r.Sequence, hash
	rep.Records++
	if hash == c.head {
		rep.found = true
	}
	if c.each != nil {
		return c.each(r)
	}
	return nil
}
