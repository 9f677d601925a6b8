// Package reputation says how far a member is trusted, from what the rooms below
// know of them, and has what they write looked at: the same for pages and
// programs. The levels and their limits are package trust's, the signs of spam and
// the decisions package moderation's, what is hidden feedback's and upload's.
package reputation

import (
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/upload"
)

// LevelOf is how far a member is trusted: by what they led to. Whoever keeps
// order or builds is trusted anyway.
func LevelOf(tx *db.Tx, m member.Member) (trust.Level, error) {
	if m.Moderates() || m.Is(member.Maintainer) {
		return trust.Trusted, nil
	}
	past, err := feedback.PastOf(tx, m.ID)
	if err != nil {
		return trust.New, err
	}
	return LevelAfter(tx, m, past)
}

// LevelAfter is LevelOf for who has read what the member wrote.
func LevelAfter(tx *db.Tx, m member.Member, past feedback.Past) (trust.Level, error) {
	if m.Moderates() || m.Is(member.Maintainer) {
		return trust.Trusted, nil
	}
	c, err := countsAfter(tx, m, past)
	if err != nil {
		return trust.New, err
	}
	return trust.LevelOf(c), nil
}

// FileLimits are what a member of a level may send. A screenshot has about 1 MB, a
// photo 5 MB, a packed log 10 MB.
func FileLimits(level trust.Level) upload.Limits {
	l := trust.LimitsOf(level)
	most := upload.Limits{Files: 10, FileBytes: l.UploadBytes, DayFiles: l.UploadsPerDay, DayBytes: int64(l.UploadsPerDay) * 8 << 20, AllBytes: 4 << 30}
	if level == trust.New {
		most.Files, most.AllBytes = 4, 400<<20
	}
	return most
}

// Writing is what a member has just written.
type Writing struct {
	moderation.Writing
	Subject moderation.Subject // the thread, if it begins one
	Private bool               // in a private thread, which moderators could not judge
}

// Judge looks at what a member has just written; past is what they wrote before
// it. Where it looks like spam it is held for a moderator, and held says so.
func Judge(tx *db.Tx, m member.Member, level trust.Level, past feedback.Past, w Writing) (held bool, err error) {
	var last time.Duration
	if !past.Last.IsZero() {
		last = tx.Now().Sub(past.Last)
	}
	hold, signs := moderation.Judge(w.Writing,
		moderation.Writer{Name: m.Name, Level: int(level), Age: tx.Now().Sub(m.CreatedAt), Posts: past.Posts, Recent: past.Recent, Last: last})
	if !hold || w.Private {
		return false, nil
	}
	effects, err := moderation.Hold(tx, moderation.About{Subject: w.Subject, AuthorID: m.ID}, signs)
	if err != nil {
		return false, err
	}
	return true, Apply(tx, 0, effects)
}

// Apply does what a decision of the moderators says.
func Apply(tx *db.Tx, actor int64, effects []moderation.Effect) error {
	for _, e := range effects {
		var err error
		switch {
		case e.Kind == moderation.Post && e.Hidden != nil:
			err = feedback.HidePost(tx, actor, e.ID, *e.Hidden)
		case e.Kind == moderation.Thread && e.Hidden != nil:
			err = feedback.Hide(tx, e.ID, actor, *e.Hidden)
		case e.Kind == moderation.Upload && e.Hidden != nil:
			err = upload.Remove(tx, e.ID, *e.Hidden)
		}
		if err == nil && e.Kind == moderation.Thread && e.Locked != nil {
			err = feedback.Lock(tx, e.ID, actor, *e.Locked)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
