// Package imports brings what another service holds into the forum: a source
// reads that service's files, a mapping says what its labels mean here, and Run
// keeps what is new through package elsewhere. What those files look like is told
// in the packages below it (github, discourse); what becomes of a text, in prose.
//
// A source is read twice, threads first and then the other posts, so that files
// may come in any order and of any size: nothing is held but one transaction's
// worth. What cannot be read is dirt: it is counted, named with its place, and
// left out. Running again adds only what is new, so that a run that was stopped
// goes on where it ended.
package imports

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/feedback"
)

// Thread is one discussion as its service has it, its text already as this
// forum writes it.
type Thread struct {
	Place    string // OWNER/REPO, or a forum's host
	Number   int64
	URL      string
	Title    string
	Body     string
	Author   string // empty: an account that is gone
	Labels   []string
	At       time.Time
	Ref      int64 // of the first post
	Closed   bool
	ClosedAt time.Time // zero, though Closed: nobody says
	Reason   string    // in words, why it is closed
	Declined bool      // it is closed, and was not done
	Answered bool      // one of its posts is accepted as the answer
	Votes    int
	Locked   bool
	Hidden   bool
}

// Post is a later post of a thread.
type Post struct {
	Place    string
	Thread   int64
	Ref      int64 // names it within its thread
	Body     string
	Author   string
	At       time.Time
	Hidden   bool
	Accepted bool
}

// Source gives what a service's files hold. Threads and Posts may be called more
// than once; what is dirty or left behind is told by the first that sees it.
type Source interface {
	Service() string   // github, discourse
	Realm() string     // where an author's name is unique: empty, or a host
	Defaults() Mapping // what its labels usually mean
	Threads(context.Context, *Tally, func(Thread) error) error
	Posts(context.Context, *Tally, func(Post) error) error
}

// Tally counts what a source leaves behind, and the links that it rewrote.
type Tally struct {
	Skipped map[string]int // by what it is
	Dirt    int
	Named   []string // the first maxNamed of the dirt
	Links   int
}

const maxNamed = 50

// Skip counts one thing that is left behind because of what it is.
func (t *Tally) Skip(what string) {
	if t.Skipped == nil {
		t.Skipped = map[string]int{}
	}
	t.Skipped[what]++
}

// Bad counts one thing that cannot be read, and names it while there is room.
func (t *Tally) Bad(where, format string, args ...any) {
	t.Dirt++
	if len(t.Named) < maxNamed {
		t.Named = append(t.Named, where+": "+fmt.Sprintf(format, args...))
	}
}

// Count is how many of a thing are new and how many were there already.
type Count struct {
	New   int `json:"new"`
	Known int `json:"known"`
}

func (c *Count) add(fresh bool) {
	if fresh {
		c.New++
	} else {
		c.Known++
	}
}

// Report is what a run did, or with DryRun would do.
type Report struct {
	Service  string                `json:"service"`
	DryRun   bool                  `json:"dry_run"`
	Places   []string              `json:"places"`
	Threads  Count                 `json:"threads"`
	Posts    Count                 `json:"posts"`   // first posts left out
	Authors  int                   `json:"authors"` // new
	Kinds    map[feedback.Kind]int `json:"kinds"`   // of all threads
	Closed   int                   `json:"closed"`
	Votes    int                   `json:"votes"` // of new threads
	Links    int                   `json:"links"` // that were rewritten
	Cut      int                   `json:"cut"`   // titles and texts that were too long
	Skipped  map[string]int        `json:"skipped"`
	Unmapped map[string]int        `json:"unmapped"` // labels that the mapping does not know
	Dirt     int                   `json:"dirt"`
	Named    []string              `json:"dirt_examples"`
}

func (r *Report) place(p string) {
	if i, ok := slices.BinarySearch(r.Places, p); !ok {
		r.Places = slices.Insert(r.Places, i, p)
	}
}
