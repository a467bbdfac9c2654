package store

// failPoint names a step of D6 between two effects that outlive the process, or
// that others see. Tests end a store's life at any of them, or a real process's;
// nothing outside this package can set the hook, and without it a point costs a
// comparison a group of batches.
type failPoint uint8

const (
	// A group of batches.
	fpPlanned     failPoint = iota // reserved, nothing is written
	fpAppended                     // in the journal, not in the dataplane
	fpApplied                      // in the dataplane
	fpCompensated                  // what the dataplane refused is in the journal too
	fpPublished                    // readers see it, the applied cell is old
	fpMarked                       // the cell is new, nobody heard of it

	// A compaction, beside the writers but for the last steps.
	fpCompactStarted  // nothing is written
	fpCompactSnapshot // the new file has the snapshot
	fpCompactCopied   // and what was appended meanwhile, on the disk
	fpCompactReady    // and the rest: writers wait
	fpCompactRenamed  // it has the journal's name, which may not be on the disk
	fpCompactSynced   // now it is

	// A change of pipeline.
	fpSetPrepared  // the dataplane has the new generation
	fpSetWritten   // the new file is written
	fpSetLinked    // the old file has its second name
	fpSetRenamed   // the new file has the journal's name
	fpSetSynced    // on the disk too
	fpSetCommitted // the new generation runs
	fpSetSettled   // the old file is gone
	fpSetUndone    // the dataplane refused: the old file has its name again

	// A start.
	fpOpenCut        // a torn end is cut off
	fpStartAppended  // the start is in the journal
	fpStartPrepared  // the dataplane has the generation
	fpStartCommitted // it runs, the cell is old

	failPoints
)

// at is where a test ends the store's life: then it does not return.
func (o *Options) at(p failPoint) {
	if o.fail != nil {
		o.fail(p)
	}
}
