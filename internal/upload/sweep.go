package upload

import (
	"context"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
)

// Ages at which things go.
const (
	OrphanAge  = 24 * time.Hour      // a file that was attached to nothing
	RemovedAge = 90 * 24 * time.Hour // one that was removed: long enough for an appeal
	garbageAge = time.Hour           // bytes that nothing needs, after that was noticed
	bytesAge   = time.Hour           // bytes younger than this may be of a form that is being sent
)

// Swept is what a sweep did.
type Swept struct {
	Orphans int // files forgotten
	Blobs   int
	Bytes   int64
}

// Sweep forgets files that were attached to nothing for a day and those removed
// a quarter of a year ago, and removes the bytes that no file needs. It may run
// in several processes at once; once an hour is often enough.
func (s *Store) Sweep(ctx context.Context, d *db.DB) (did Swept, err error) {
	var needed map[blob.Digest]bool
	var noticed map[blob.Digest]bool
	err = d.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`DELETE FROM uploads WHERE subject_kind = '' AND at < $1 OR removed_at > 0 AND removed_at < $2`,
			tx.Now().Add(-OrphanAge), tx.Now().Add(-RemovedAge))
		if did.Orphans = int(n); err != nil {
			return err
		}
		if needed, err = digests(tx, `SELECT digest FROM uploads UNION SELECT small_digest FROM uploads`); err != nil {
			return err
		}
		noticed, err = digests(tx, `SELECT digest FROM upload_garbage`)
		return err
	})
	if err != nil {
		return Swept{}, err
	}
	var fresh []blob.Digest
	old := time.Now().Add(-bytesAge) // files have the machine's time
	if err := s.blobs.Walk(ctx, func(ref blob.Ref, at time.Time) error {
		if !needed[ref.Digest] && !noticed[ref.Digest] && at.Before(old) {
			fresh = append(fresh, ref.Digest)
		}
		return nil
	}); err != nil {
		return did, err
	}
	if err := d.Write(ctx, func(tx *db.Tx) error {
		for _, digest := range fresh {
			if _, err := tx.Exec(`INSERT INTO upload_garbage (digest, at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, digest, tx.Now()); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return did, err
	}
	for digest := range noticed {
		n, gone, err := s.collect(ctx, d, digest)
		if err != nil {
			return did, err
		}
		if gone {
			did.Blobs, did.Bytes = did.Blobs+1, did.Bytes+n
		}
	}
	return did, nil
}

// collect removes one blob, in the transaction that takes it off the list: Put
// takes it off too, so that one of the two begins again.
func (s *Store) collect(ctx context.Context, d *db.DB, digest blob.Digest) (size int64, gone bool, err error) {
	err = d.Write(ctx, func(tx *db.Tx) error {
		size, gone = 0, false
		var users int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM uploads WHERE digest = $1 OR small_digest = $1`, digest).Scan(&users); err != nil {
			return err
		}
		n, err := tx.Exec(`DELETE FROM upload_garbage WHERE digest = $1 AND (at < $2 OR $3)`, digest, tx.Now().Add(-garbageAge), users > 0)
		if err != nil || n == 0 || users > 0 {
			return err
		}
		size, _ = s.blobs.Stat(digest)
		gone = true
		return s.blobs.Remove(digest)
	})
	return size, gone, err
}

func digests(tx *db.Tx, query string) (map[blob.Digest]bool, error) {
	all, err := db.All(tx, func(s db.Scanner) (d blob.Digest, err error) { return d, s.Scan(&d) }, query)
	set := make(map[blob.Digest]bool, len(all))
	for _, d := range all {
		set[d] = true
	}
	return set, err
}
