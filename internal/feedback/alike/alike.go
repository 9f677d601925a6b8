// Package alike keeps the index of duplicates (feedback/duplicate) in step with
// the forum: it is filled when a node starts and follows the event log, so that
// it knows what other nodes took in. Only threads that anyone may see are in it.
// What it suggests may be some seconds old; whoever shows it reads the threads
// anew, as the one who looks.
package alike

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fridayos/friday/android/bugreport/trace"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/duplicate"
)

// pollEvery is how soon another node's threads are known here.
const pollEvery = 2 * time.Second

// batch is how many threads or events are read in one transaction.
const batch = 200

// Finder finds threads that are alike.
type Finder struct {
	// Crashes, if set, returns the fingerprints of the crashes that are attached to
	// threads. It is set before anything else is done.
	Crashes func(tx *db.Tx, threads ...int64) ([]string, error)

	db     *db.DB
	index  *duplicate.Index
	last   int64 // event that the index has
	filled int64 // thread up to which the index was filled
	full   bool
}

// New returns a Finder that knows no thread yet: Run fills it.
func New(d *db.DB) *Finder { return &Finder{db: d, index: duplicate.New()} }

// Run fills the index and keeps it up to date until ctx ends. What fails is told
// and tried again.
func (f *Finder) Run(ctx context.Context, failed func(error)) error {
	for {
		more, err := f.Step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			failed(err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

// Step reads one batch: threads until all were read, then events. More says that
// it has not seen all. One call at a time.
func (f *Finder) Step(ctx context.Context) (more bool, err error) {
	if !f.full {
		return f.fill(ctx)
	}
	var threads []entry
	last := f.last
	err = f.db.Read(ctx, func(tx *db.Tx) error {
		threads, last = nil, f.last
		events, err := feedback.Events(tx, f.last, batch)
		if err != nil {
			return err
		}
		more = len(events) == batch
		seen := map[int64]bool{}
		for _, e := range events {
			last = e.ID
			for _, id := range []int64{e.ThreadID, e.Other} {
				if id == 0 || seen[id] {
					continue
				}
				seen[id] = true
				t, err := f.read(tx, id)
				if err != nil {
					return err
				}
				threads = append(threads, t)
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("cannot follow the forum for duplicates: %w", err)
	}
	f.take(threads)
	f.last = last
	return more, nil
}

// fill takes in threads by their number, and keeps the words of those for
// searching that were filed before there was an index for that.
func (f *Finder) fill(ctx context.Context) (more bool, err error) {
	var threads []entry
	var ids []int64
	begin := f.last
	err = f.db.Read(ctx, func(tx *db.Tx) (err error) {
		threads = nil
		if f.filled == 0 { // what happens from here on is read again
			if begin, err = feedback.LastEvent(tx); err != nil {
				return err
			}
		}
		if ids, err = feedback.IDs(tx, f.filled, batch); err != nil {
			return err
		}
		for _, id := range ids {
			t, err := f.read(tx, id)
			if err != nil {
				return err
			}
			threads = append(threads, t)
		}
		return nil
	})
	if err == nil {
		err = f.indexWords(ctx, ids)
	}
	if err != nil {
		return false, fmt.Errorf("cannot read the forum for duplicates: %w", err)
	}
	f.take(threads)
	f.last = begin
	if f.full = len(ids) < batch; !f.full {
		f.filled = ids[len(ids)-1]
	}
	return true, nil
}

func (f *Finder) indexWords(ctx context.Context, ids []int64) error {
	var missing []int64
	err := f.db.Read(ctx, func(tx *db.Tx) (err error) {
		missing, err = feedback.Unindexed(tx, ids)
		return err
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	return f.db.Write(ctx, func(tx *db.Tx) error {
		for _, id := range missing {
			if err := feedback.Index(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *Finder) take(threads []entry) {
	for _, t := range threads {
		if t.gone {
			f.index.Remove(t.ID)
		} else {
			f.index.Put(t.Document)
		}
	}
}

// entry is a thread as the index takes it, or the number of one that is not for all.
type entry struct {
	duplicate.Document
	gone bool
}

func (f *Finder) read(tx *db.Tx, id int64) (entry, error) {
	t, body, err := feedback.Opening(tx, feedback.Viewer{}, id)
	if errors.Is(err, feedback.ErrNotFound) || err == nil && t.ID != id { // merged into that one
		return entry{duplicate.Document{ID: id}, true}, nil
	}
	if err != nil {
		return entry{}, err
	}
	crashes := Crashes(body)
	if f.Crashes != nil {
		all, err := feedback.Gathered(tx, id)
		if err != nil {
			return entry{}, err
		}
		attached, err := f.Crashes(tx, all...)
		if err != nil {
			return entry{}, err
		}
		crashes = append(attached, crashes...)
	}
	return entry{duplicate.Document{ID: id, Title: t.Title, Body: body, Part: t.Part, Crashes: crashes, At: t.CreatedAt}, false}, nil
}

// Crashes returns the fingerprints of the crashes that a text holds, as logs
// pasted into a post do.
func Crashes(text string) []string {
	if !strings.Contains(text, "at ") && !strings.Contains(text, "#0") { // most posts hold none
		return nil
	}
	finder := trace.NewFinder()
	for line := range strings.Lines(text) {
		finder.Line([]byte(strings.TrimRight(line, "\r\n")))
	}
	var prints []string
	for _, c := range finder.Crashes() {
		if c.Fingerprint != "" {
			prints = append(prints, c.Fingerprint)
		}
	}
	return prints
}

// Like returns the threads most like what is written so far. Nil finds none.
func (f *Finder) Like(q duplicate.Query) []duplicate.Candidate {
	if f == nil {
		return nil
	}
	return f.index.Find(q)
}

// Len is how many threads are known.
func (f *Finder) Len() int { return f.index.Len() }
