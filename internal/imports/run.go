package imports

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/elsewhere"
)

// Options say how a source is taken in.
type Options struct {
	Mapping Mapping  // as ReadMapping or Source.Defaults gave it
	Devices []string // the catalogue's codenames
	DryRun  bool     // nothing is written
}

// What one transaction holds at most: it stays short for who else writes.
const (
	batchThreads = 200
	batchPosts   = 500
	batchBytes   = 4 << 20
)

// Run takes a source in. What it did before an error stays done, and the report
// tells it.
func Run(ctx context.Context, d *db.DB, s Source, o Options) (Report, error) {
	o.Mapping = o.Mapping.over(Mapping{})
	r := &runner{db: d, source: s, o: o, authors: map[string]int64{}, seen: map[elsewhere.Origin]bool{}, report: Report{Service: s.Service(), DryRun: o.DryRun,
		Places: []string{}, Kinds: map[feedback.Kind]int{}, Unmapped: map[string]int{}, Skipped: map[string]int{}, Named: []string{}}}
	err := r.run(ctx)
	maps.Copy(r.report.Skipped, r.tally.Skipped)
	r.report.Dirt, r.report.Links = r.tally.Dirt, r.tally.Links
	r.report.Named = append(r.report.Named, r.tally.Named...)
	return r.report, err
}

type runner struct {
	o       Options
	report  Report
	db      *db.DB
	source  Source
	tally   Tally
	authors map[string]int64          // by name in lower case; of what was committed
	seen    map[elsewhere.Origin]bool // threads that a dry run would make
}

func (r *runner) run(ctx context.Context) error {
	threads := batch[elsewhere.Thread]{most: batchThreads, flush: func(all []elsewhere.Thread, authors []string) error {
		return r.putThreads(ctx, all, authors)
	}}
	err := r.source.Threads(ctx, &r.tally, func(t Thread) error {
		if kept, ok := r.thread(t); ok {
			return threads.add(kept, t.Author, len(kept.Body))
		}
		return ctx.Err()
	})
	if err == nil {
		err = threads.end()
	}
	if err != nil {
		return err
	}
	posts := batch[post]{most: batchPosts, flush: func(all []post, authors []string) error { return r.putPosts(ctx, all, authors) }}
	err = r.source.Posts(ctx, &r.tally, func(p Post) error {
		if kept, ok := r.post(p); ok {
			return posts.add(kept, p.Author, len(kept.Body))
		}
		return ctx.Err()
	})
	if err == nil {
		err = posts.end()
	}
	return err
}

// batch gathers things and their authors' names for one transaction.
type batch[T any] struct {
	all     []T
	authors []string
	bytes   int
	most    int
	flush   func(all []T, authors []string) error
}

func (b *batch[T]) add(one T, author string, bytes int) error {
	b.all, b.authors, b.bytes = append(b.all, one), append(b.authors, author), b.bytes+bytes
	if len(b.all) < b.most && b.bytes < batchBytes {
		return nil
	}
	return b.end()
}

func (b *batch[T]) end() error {
	if len(b.all) == 0 {
		return nil
	}
	err := b.flush(b.all, b.authors)
	b.all, b.authors, b.bytes = b.all[:0], b.authors[:0], 0
	return err
}

// post is a post with the thread that it belongs to.
type post struct {
	elsewhere.Post
	of elsewhere.Origin
}

// thread is a thread as it is kept; false if it is left behind.
func (r *runner) thread(t Thread) (elsewhere.Thread, bool) {
	o := elsewhere.Origin{Service: r.source.Service(), Place: t.Place, Number: t.Number}
	m := r.o.Mapping.read(t.Labels, r.o.Devices, t.Answered)
	if m.skip != "" {
		r.tally.Skip("threads with label " + m.skip)
		return elsewhere.Thread{}, false
	}
	now := r.db.Now()
	at, ok := sane(t.At, now)
	if !ok {
		r.tally.Bad(o.String(), "its time is %s, expected one from 1990 until now", t.At.Format(time.RFC3339))
		return elsewhere.Thread{}, false
	}
	r.report.place(t.Place)
	title, body, cut := fit(t.Title, t.Body)
	if cut {
		r.report.Cut++
	}
	kept := elsewhere.Thread{Origin: o, URL: t.URL, Kind: m.kind, Title: title, Body: body, Part: m.part, Lang: r.o.Mapping.Lang, Devices: m.devices,
		At: at, Ref: t.Ref, Votes: max(0, t.Votes), Locked: t.Locked, Hidden: t.Hidden}
	if t.Closed && (m.kind.Tracked() || !t.Answered) { // an answer closes its question itself
		r.report.Closed++
		kept.ClosedAt = at
		if closed, ok := sane(t.ClosedAt, now); ok && closed.After(at) {
			kept.ClosedAt = closed
		}
		if m.kind.Tracked() {
			kept.State, kept.Reason = feedback.Closed, t.Reason
			if t.Declined {
				kept.State = feedback.Declined
			}
		}
	}
	r.report.Kinds[m.kind]++
	for _, label := range m.unmapped {
		r.report.Unmapped[label]++
	}
	return kept, true
}

func (r *runner) post(p Post) (post, bool) {
	o := elsewhere.Origin{Service: r.source.Service(), Place: p.Place, Number: p.Thread}
	at, ok := sane(p.At, r.db.Now())
	if !ok {
		r.tally.Bad(o.String(), "the time of a post is %s, expected one from 1990 until now", p.At.Format(time.RFC3339))
		return post{}, false
	}
	_, body, cut := fit("", p.Body)
	if cut {
		r.report.Cut++
	}
	return post{elsewhere.Post{Ref: p.Ref, Body: body, At: at, Hidden: p.Hidden, Accepted: p.Accepted}, o}, true
}

// sane cuts a time to what the database keeps; false if nobody can have written
// anything then. A clock there that was somewhat ahead is set back.
func sane(t, now time.Time) (time.Time, bool) {
	t = t.UTC().Truncate(time.Microsecond)
	if t.After(now) && t.Before(now.Add(48*time.Hour)) {
		t = now
	}
	return t, t.Year() >= 1990 && !t.After(now)
}

// putThreads keeps threads in one transaction, or looks which are new.
func (r *runner) putThreads(ctx context.Context, all []elsewhere.Thread, authors []string) error {
	var put counts
	err := r.transaction(ctx, func(tx *db.Tx) error {
		put = counts{authors: map[string]int64{}}
		for i, t := range all {
			var fresh bool
			var err error
			if r.o.DryRun {
				fresh, err = r.unknown(tx, t.Origin, 0)
				r.seen[t.Origin] = true
			} else if t.AuthorID, err = r.author(tx, &put, authors[i]); err == nil {
				_, fresh, err = elsewhere.Put(tx, t)
			}
			if err != nil {
				return err
			}
			put.add(fresh)
			if fresh {
				put.votes += t.Votes
			}
		}
		return nil
	})
	if err == nil {
		r.report.Threads.New, r.report.Threads.Known = r.report.Threads.New+put.New, r.report.Threads.Known+put.Known
		r.take(put)
	}
	return err
}

// putPosts keeps posts in one transaction, or looks which are new.
func (r *runner) putPosts(ctx context.Context, all []post, authors []string) error {
	var put counts
	orphans := 0
	err := r.transaction(ctx, func(tx *db.Tx) error {
		put, orphans = counts{authors: map[string]int64{}}, 0
		into := elsewhere.NewPosts(tx)
		for i, p := range all {
			fresh, err := r.putPost(tx, into, &put, p, authors[i])
			if errors.Is(err, feedback.ErrNotFound) {
				orphans++
				continue
			}
			if err != nil {
				return err
			}
			put.add(fresh)
		}
		if r.o.DryRun {
			return nil
		}
		return into.Settle()
	})
	if err != nil {
		return err
	}
	r.report.Posts.New, r.report.Posts.Known = r.report.Posts.New+put.New, r.report.Posts.Known+put.Known
	for range orphans {
		r.tally.Skip("posts of threads that are not here")
	}
	r.take(put)
	return nil
}

func (r *runner) putPost(tx *db.Tx, into *elsewhere.Posts, put *counts, p post, author string) (fresh bool, err error) {
	if r.o.DryRun {
		if fresh, err = r.unknown(tx, p.of, p.Ref); err != nil || !fresh || r.seen[p.of] {
			return fresh, err
		}
		return fresh, into.Find(p.of)
	}
	if err := into.Find(p.of); err != nil { // before its author is kept for nothing
		return false, err
	}
	if p.AuthorID, err = r.author(tx, put, author); err != nil {
		return false, err
	}
	return into.Add(p.of, p.Post)
}

func (r *runner) unknown(tx *db.Tx, o elsewhere.Origin, ref int64) (bool, error) {
	known, err := elsewhere.Has(tx, o, ref)
	return !known, err
}

func (r *runner) transaction(ctx context.Context, fn func(tx *db.Tx) error) error {
	if r.o.DryRun {
		return r.db.Read(ctx, fn)
	}
	return r.db.Write(ctx, fn)
}

// counts are what one transaction did; they count once it is committed.
type counts struct {
	Count
	votes, fresh int
	authors      map[string]int64
}

func (r *runner) take(put counts) {
	r.report.Votes += put.votes
	r.report.Authors += put.fresh
	maps.Copy(r.authors, put.authors)
}

// author is the number that stands for a name.
func (r *runner) author(tx *db.Tx, put *counts, name string) (int64, error) {
	key := strings.ToLower(name)
	for _, known := range []map[string]int64{r.authors, put.authors} {
		if id, ok := known[key]; ok {
			return id, nil
		}
	}
	id, fresh, err := elsewhere.Author(tx, r.source.Service(), r.source.Realm(), name)
	if fresh {
		put.fresh++
	}
	put.authors[key] = id
	return id, err
}
