// Package guest is what the host and the guest of the kernel tests say to each
// other: a manifest in the guest's initramfs, and events, one a line, on its
// console, where messages of the kernel lie between them.
//
// In and out: bytes. Must not import: any other package of this module.
package guest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// ManifestPath is where the guest finds its Manifest, as JSON.
const ManifestPath = "/manifest.json"

// Manifest is what a guest has to do: modules first, then the jobs in their order.
type Manifest struct {
	Modules []string // files in the guest, each after those that it needs
	Jobs    []Job
}

// Job is a program to run.
type Job struct {
	Name    string
	Dir     string   // where it runs
	Args    []string // Args[0] is the path of the program
	Env     []string
	Seconds int // it is killed after this many
}

// Kind says what an event tells.
type Kind string

const (
	Ready   Kind = "ready"   // the guest is up; Text is its kernel release
	Start   Kind = "start"   // a job begins
	Output  Kind = "output"  // Text is one line of the output of a job
	Done    Kind = "done"    // a job has ended with Exit
	Warning Kind = "warning" // Text is what the kernel complained of while the jobs ran
	Failed  Kind = "failed"  // the guest cannot do its work; Text says why
	End     Kind = "end"     // all jobs are done, the guest powers off
)

// Event is one message of the guest.
type Event struct {
	Kind Kind
	Job  string `json:",omitempty"`
	Text string `json:",omitempty"`
	// Exit is the exit code of a job, -1 when it was killed: Text says why.
	Exit    int     `json:",omitempty"`
	Seconds float64 `json:",omitempty"` // since the guest is up, by its own clock
}

// prefix tells events from the rest of the console.
const prefix = "p4nic-guest "

// Line is the event as a line of the console, without its end.
func (e Event) Line() string {
	b, err := json.Marshal(e)
	if err != nil {
		panic(fmt.Sprintf("guest: an event of strings and numbers does not marshal: %v", err))
	}
	return prefix + string(b)
}

// Parse reads a line of the console. It reports false for lines that are no
// event; an error is an event that is damaged.
func Parse(line string) (Event, bool, error) {
	// What the kernel printed without an end of line may stand before an event.
	i := strings.Index(line, prefix)
	if i < 0 {
		return Event{}, false, nil
	}
	var e Event
	text := strings.TrimRight(line[i+len(prefix):], "\r\n")
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return Event{}, true, fmt.Errorf("damaged line on the console: %w: %q", err, text)
	}
	return e, true, nil
}
