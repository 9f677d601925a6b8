package crash

import (
	"context"
	"fmt"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/search"
)

// Words keeps what threads' published crashes are called (process, cause, frames,
// fingerprint) for searching, as words of one thread: that into which the others went,
// or the only one. The texts of the reports, which may be private, are not searched.
func Words(tx *db.Tx, into int64, threads ...int64) error {
	in, args := oneOf(threads)
	reports, err := db.All(tx, scan, "SELECT "+columns+" FROM crash_reports WHERE thread_id "+in+" ORDER BY id", args...)
	if err != nil {
		return fmt.Errorf("cannot keep the words of thread %d's crashes: %w", into, err)
	}
	for _, r := range reports {
		list, err := In(tx, r.ID)
		if err != nil {
			return err
		}
		var text strings.Builder
		for _, c := range list {
			fmt.Fprintln(&text, c.Kind, c.Process, c.Cause, c.Top)
			fmt.Fprintln(&text, c.Frames, c.Fingerprint)
		}
		if err := search.Put(tx, search.Source{Doc: into, Kind: search.Crash, Ref: r.ID}, text.String()); err != nil {
			return err
		}
	}
	return nil
}

// Prints returns the fingerprints of the crashes of threads' published reports, the
// most reported first, 20 at most.
func Prints(tx *db.Tx, threads ...int64) ([]string, error) {
	list, err := ClustersOf(tx, threads...)
	prints := make([]string, len(list))
	for i, c := range list {
		prints[i] = c.Fingerprint
	}
	return prints, err
}

// FillWords keeps the words of crashes that were published before they were
// searched, and returns of how many reports. root tells into which thread one went.
func FillWords(ctx context.Context, d *db.DB, root func(tx *db.Tx, thread int64) (int64, error)) (reports int, err error) {
	const batch = 100
	for last := int64(0); ; {
		var ids, threads []int64
		err := d.Read(ctx, func(tx *db.Tx) error {
			ids, threads = nil, nil
			found, err := db.All(tx, scan, "SELECT "+columns+" FROM crash_reports WHERE id > $1 AND thread_id <> 0 AND EXISTS (SELECT 1 FROM crash_seen s WHERE s.report_id = crash_reports.id) "+
				"AND NOT EXISTS (SELECT 1 FROM search_texts w WHERE w.kind = 'crash' AND w.ref = crash_reports.id) ORDER BY id LIMIT $2", last, batch)
			for _, r := range found {
				ids, threads = append(ids, r.ID), append(threads, r.ThreadID)
			}
			return err
		})
		if err != nil {
			return reports, fmt.Errorf("cannot look for crashes without words: %w", err)
		}
		for _, thread := range threads {
			if err := d.Write(ctx, func(tx *db.Tx) error {
				into, err := root(tx, thread)
				if err != nil {
					return err
				}
				return Words(tx, into, thread)
			}); err != nil {
				return reports, err
			}
		}
		if reports += len(ids); len(ids) < batch {
			return reports, nil
		}
		last = ids[len(ids)-1]
	}
}
