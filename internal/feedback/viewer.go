package feedback

import (
	"errors"

	"github.com/fridayos/friday/internal/db"
)

// Viewer is who reads or acts. Each read takes one, and what it may not see is
// not there for it: not in lists, counts or searches, and ErrNotFound by its
// number.
type Viewer struct {
	Member    int64 // 0: not signed in
	Moderates bool
	all       bool
}

// Everything is the viewer who sees all: the train, exports, indexes. Whatever
// it reads is not for people's eyes as it stands.
func Everything() Viewer { return Viewer{all: true} }

// Sight is what decides who may see a thread.
type Sight struct {
	Hidden  bool  // by a moderator
	Private bool  // a security report that no release fixes yet
	Author  int64 // who filed it
	Named   bool  // the viewer is one of those whom a private thread names
}

// MaySee is the one rule of who sees what. A hidden thread is for moderators. A
// private one is for who reported it and those whom it names, moderators and
// administrators not among them unless named. Viewer.clause says the same in
// SQL; a test holds the two together.
func (v Viewer) MaySee(s Sight) bool {
	switch {
	case v.all:
		return true
	case s.Private && !(v.Member != 0 && (s.Author == v.Member || s.Named)):
		return false
	}
	return !s.Hidden || v.Moderates
}

// clause is MaySee as a condition on threads t; member is the placeholder
// ("$3") that holds v.Member.
func (v Viewer) clause(member string) string {
	if v.all {
		return `CAST(` + member + ` AS BIGINT) IS NOT NULL`
	}
	hidden := ``
	if !v.Moderates {
		hidden = ` AND NOT t.hidden`
	}
	return `(NOT t.private OR CAST(` + member + ` AS BIGINT) <> 0 AND (t.author_id = ` + member + ` OR
		EXISTS (SELECT 1 FROM thread_named n WHERE n.thread_id = t.id AND n.member_id = ` + member + `)))` + hidden
}

// Sees is ErrNotFound when there is no such thread for v. It follows a merged
// thread to where it went and returns that one's number.
func (v Viewer) Sees(tx *db.Tx, threadID int64) (int64, error) {
	t, err := v.find(tx, threadID)
	if err != nil {
		return threadID, err
	}
	return t.ID, nil
}

// find is ByID without devices; it follows a merge.
func (v Viewer) find(tx *db.Tx, threadID int64) (t Thread, err error) {
	for range maxMerges {
		all, err := db.All(tx, scanThread, `SELECT `+threadColumns+` FROM threads t WHERE t.id = $1 AND `+v.clause("$2"), threadID, v.Member)
		if err != nil {
			return t, err
		}
		if len(all) == 0 {
			break
		}
		if t = all[0]; t.MergedInto == 0 {
			return t, nil
		}
		threadID = t.MergedInto
	}
	return Thread{}, ErrNotFound
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// maxMerges bounds how often a thread is followed: more would be a ring, which
// merging does not make.
const maxMerges = 100
