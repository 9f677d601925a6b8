package upload

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
)

// ErrNotFound is returned, wrapped, for a file that is not there or was removed.
var ErrNotFound = errors.New("there is no such file")

// ErrSwept is returned, wrapped, by Put when the bytes of a draft were swept
// since: the file must be taken in again.
var ErrSwept = errors.New("the file lay too long before it was used")

const columns = `id, member_id, name, type, digest, size, width, height, small_type, small_digest, small_size,
	secret, subject_kind, subject_id, at, removed_at`

func scan(s db.Scanner) (f File, err error) {
	err = s.Scan(&f.ID, &f.MemberID, &f.Name, &f.Type, &f.Blob.Digest, &f.Blob.Size, &f.Width, &f.Height,
		&f.SmallType, &f.Small.Digest, &f.Small.Size, &f.secret, &f.Subject.Kind, &f.Subject.ID, &f.At, &f.RemovedAt)
	return f, err
}

// Put gives drafts to a member and attaches them: all, or none with the
// *Refused that says which limit stands against it. A zero subject leaves them
// unattached, for a day.
func (s *Store) Put(tx *db.Tx, memberID int64, subject Ref, drafts []Draft, l Limits) ([]File, error) {
	if len(drafts) == 0 {
		return nil, nil
	}
	there := 0
	if !subject.IsZero() {
		before, err := Of(tx, subject)
		if err != nil {
			return nil, err
		}
		there = len(before)
	}
	u, err := UsageOf(tx, memberID)
	if err != nil {
		return nil, err
	}
	if err := admit(u, there, drafts, l); err != nil {
		return nil, err
	}
	files := make([]File, 0, len(drafts))
	for _, d := range drafts {
		f := File{ID: db.NewID(), MemberID: memberID, Name: d.Name, Type: d.Type, Blob: d.Blob, Width: d.Width, Height: d.Height,
			Small: d.Small, SmallType: d.SmallType, Subject: subject, At: tx.Now(), secret: rand.Text()}
		if err := s.insert(tx, f); err != nil {
			return nil, fmt.Errorf("cannot keep file %q: %w", f.Name, err)
		}
		files = append(files, f)
	}
	return files, nil
}

// admit decides whether a member may keep some more files.
func admit(u Usage, there int, drafts []Draft, l Limits) error {
	var more int64
	for _, d := range drafts {
		more += d.Blob.Size + d.Small.Size
	}
	refuse := func(why Reason, limit int64) error {
		return &Refused{Reason: why, Name: drafts[len(drafts)-1].Name, Limit: limit}
	}
	switch {
	case there+len(drafts) > l.Files:
		return refuse(TooMany, int64(l.Files))
	case u.DayFiles+len(drafts) > l.DayFiles:
		return refuse(TooOften, int64(l.DayFiles))
	case u.DayBytes+more > l.DayBytes:
		return refuse(DayFull, l.DayBytes)
	case u.AllBytes+more > l.AllBytes:
		return refuse(AllFull, l.AllBytes)
	}
	return nil
}

func (s *Store) insert(tx *db.Tx, f File) error {
	for _, ref := range []blob.Ref{f.Blob, f.Small} {
		if ref.Digest.IsZero() {
			continue
		}
		// Before Has: a sweep that is about to remove these bytes meets this row.
		if _, err := tx.Exec(`DELETE FROM upload_garbage WHERE digest = $1`, ref.Digest); err != nil {
			return err
		}
		if !s.blobs.Has(ref) {
			return ErrSwept
		}
	}
	_, err := tx.Exec(`INSERT INTO uploads (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0)`,
		f.ID, f.MemberID, f.Name, f.Type, f.Blob.Digest, f.Blob.Size, f.Width, f.Height, f.SmallType, f.Small.Digest, f.Small.Size,
		f.secret, f.Subject.Kind, f.Subject.ID, f.At)
	return err
}

// Attach attaches files that a member sent before, and that are attached to
// nothing, as far as limits let it.
func Attach(tx *db.Tx, memberID int64, subject Ref, ids []int64, l Limits) error {
	before, err := Of(tx, subject)
	if err != nil {
		return err
	}
	for i, id := range ids {
		f, err := ByID(tx, id)
		if err != nil {
			return err
		}
		if len(before)+i >= l.Files {
			return &Refused{Reason: TooMany, Name: f.Name, Limit: int64(l.Files)}
		}
		n, err := tx.Exec(`UPDATE uploads SET subject_kind = $1, subject_id = $2 WHERE id = $3 AND member_id = $4 AND subject_kind = ''`,
			subject.Kind, subject.ID, id, memberID)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("cannot attach file %d: %w", id, err)
		}
	}
	return nil
}

// ByID reads a file that is there.
func ByID(tx *db.Tx, id int64) (File, error) {
	f, err := scan(tx.QueryRow(`SELECT `+columns+` FROM uploads WHERE id = $1 AND removed_at = 0`, id))
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return File{}, fmt.Errorf("cannot read file %d: %w", id, err)
	}
	return f, nil
}

// Of lists the files of one subject in the order they came.
func Of(tx *db.Tx, subject Ref) ([]File, error) {
	return db.All(tx, scan, `SELECT `+columns+` FROM uploads WHERE subject_kind = $1 AND subject_id = $2 AND removed_at = 0 ORDER BY id`,
		subject.Kind, subject.ID)
}

// OfRange lists the files of all subjects of a kind with ids from first to
// last: those of a page of posts, at once.
func OfRange(tx *db.Tx, kind string, first, last int64) ([]File, error) {
	return db.All(tx, scan, `SELECT `+columns+` FROM uploads WHERE subject_kind = $1 AND subject_id BETWEEN $2 AND $3 AND removed_at = 0 ORDER BY id`,
		kind, first, last)
}

// OfMember lists a member's files, also those attached to nothing: for an export
// of the account.
func OfMember(tx *db.Tx, memberID int64) ([]File, error) {
	return db.All(tx, scan, `SELECT `+columns+` FROM uploads WHERE member_id = $1 AND removed_at = 0 ORDER BY id`, memberID)
}

// Remove takes a file out of sight, or puts it back: a takedown can be appealed,
// so its bytes stay for as long as the row does.
func Remove(tx *db.Tx, id int64, removed bool) error {
	var at time.Time
	if removed {
		at = tx.Now()
	}
	n, err := tx.Exec(`UPDATE uploads SET removed_at = $1 WHERE id = $2`, at, id)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("cannot remove file %d: %w", id, err)
	}
	return nil
}

// Erase forgets all files of a member for good; the next sweeps remove their bytes.
func Erase(tx *db.Tx, memberID int64) error {
	_, err := tx.Exec(`DELETE FROM uploads WHERE member_id = $1`, memberID)
	return err
}

// Usage is what a member sent.
type Usage struct {
	DayFiles           int // within 24 hours, also what was removed
	DayBytes, AllBytes int64
}

// UsageOf adds up what a member sent.
func UsageOf(tx *db.Tx, memberID int64) (u Usage, err error) {
	err = tx.QueryRow(`SELECT COALESCE(SUM(CASE WHEN at > $2 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN at > $2 THEN size + small_size ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN removed_at = 0 THEN size + small_size ELSE 0 END), 0) FROM uploads WHERE member_id = $1`,
		memberID, tx.Now().Add(-24*time.Hour)).Scan(&u.DayFiles, &u.DayBytes, &u.AllBytes)
	if err != nil {
		return u, fmt.Errorf("cannot add up the files of member %d: %w", memberID, err)
	}
	return u, nil
}
