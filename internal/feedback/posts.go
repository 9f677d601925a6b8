package feedback

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback/text"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/mistake"
)

// maxQuotes bounds how many posts one post can quote; the rest are not linked.
const maxQuotes = 10

// viewerOf is how a member sees the forum.
func viewerOf(m member.Member) Viewer { return Viewer{Member: m.ID, Moderates: m.Moderates()} }

// mention resolves the names in a post: members who exist and may see the
// thread, the author not among them. Those who were mentioned before stay.
func mention(tx *db.Tx, p Post) error {
	for _, name := range text.Mentions(p.Body) {
		m, err := member.ByName(tx, name)
		if errors.Is(err, member.ErrNotFound) || err == nil && m.ID == p.AuthorID {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := viewerOf(m).Sees(tx, p.ThreadID); errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		n, err := tx.Exec(`INSERT INTO post_mentions (post_id, member_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, p.ID, m.ID)
		if err != nil {
			return fmt.Errorf("cannot mention a member in thread %d: %w", p.ThreadID, err)
		}
		if n == 0 {
			continue
		}
		if err := Record(tx, Event{ThreadID: p.ThreadID, Kind: EventMention, Actor: p.AuthorID, PostID: p.ID, EventData: EventData{Member: m.ID}}); err != nil {
			return err
		}
	}
	return nil
}

// quote links a post to those it quotes, as far as its author sees them.
func quote(tx *db.Tx, v Viewer, p Post, quotes []int64) error {
	for _, id := range quotes[:min(len(quotes), maxQuotes)] {
		q, _, err := PostByID(tx, v, id)
		if errors.Is(err, ErrNotFound) || err == nil && q.Body == "" {
			continue
		}
		if err != nil {
			return err
		}
		n, err := tx.Exec(`INSERT INTO post_quotes (post_id, quoted_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, p.ID, id)
		if err != nil {
			return fmt.Errorf("cannot quote post %d: %w", id, err)
		}
		if n == 0 || q.AuthorID == p.AuthorID || q.AuthorID <= 0 {
			continue
		}
		if err := Record(tx, Event{ThreadID: p.ThreadID, Kind: EventQuote, Actor: p.AuthorID, PostID: p.ID, EventData: EventData{Member: q.AuthorID}}); err != nil {
			return err
		}
	}
	return nil
}

// Quote is a post that another one quotes.
type Quote struct{ PostID, QuotedID, ThreadID, AuthorID int64 }

// QuotesOf returns what posts of a thread quote, as far as the viewer sees it.
func QuotesOf(tx *db.Tx, v Viewer, threadID int64) ([]Quote, error) {
	all, err := db.All(tx, func(s db.Scanner) (q Quote, err error) {
		err = s.Scan(&q.PostID, &q.QuotedID, &q.ThreadID, &q.AuthorID)
		return q, err
	}, `SELECT x.post_id, q.id, q.thread_id, q.author_id FROM posts p JOIN post_quotes x ON x.post_id = p.id
		JOIN posts q ON q.id = x.quoted_id JOIN threads t ON t.id = q.thread_id
		WHERE p.thread_id = $1 AND NOT q.hidden AND `+v.clause("$2")+` ORDER BY x.post_id, q.id`, threadID, v.Member)
	if err != nil {
		return nil, fmt.Errorf("cannot read the quotes of thread %d: %w", threadID, err)
	}
	return all, nil
}

// Rewrite replaces what a post says, and whom it mentions besides those it
// mentioned before: for feedback/revision, which keeps what was there.
func Rewrite(tx *db.Tx, p Post, body string) (Post, error) {
	p.Body, p.EditedAt = body, tx.Now()
	if _, err := tx.Exec(`UPDATE posts SET body = $2, edited_at = $3, weight = $4 WHERE id = $1`, p.ID, body, p.EditedAt, Weigh(body)); err != nil {
		return Post{}, fmt.Errorf("cannot edit post %d: %w", p.ID, err)
	}
	if err := Paginate(tx, p.ThreadID); err != nil {
		return Post{}, err
	}
	return p, mention(tx, p)
}

// MayEdit says whether the viewer may change what p, a post of t, says.
func (v Viewer) MayEdit(t Thread, p Post) bool {
	return v.Moderates || v.Member != 0 && p.AuthorID == v.Member && !t.Locked && !p.Hidden
}

// HidePost takes a post's text from all but moderators and its author, or gives
// it back. The first post goes with its thread: Hide.
func HidePost(tx *db.Tx, actor, postID int64, hidden bool) error {
	p, _, err := PostByID(tx, Everything(), postID)
	if err != nil || p.Hidden == hidden {
		return err
	}
	if _, err := tx.Exec(`UPDATE posts SET hidden = $2 WHERE id = $1`, postID, hidden); err != nil {
		return fmt.Errorf("cannot hide post %d: %w", postID, err)
	}
	kind := EventShown
	if hidden {
		kind = EventHidden
	}
	return Record(tx, Event{ThreadID: p.ThreadID, Kind: kind, Actor: actor, PostID: postID})
}

// Accept says that a post answers the question, or (0) that none does yet. The
// asker says so, or a moderator.
func Accept(tx *db.Tx, v Viewer, threadID, postID int64) error {
	t, err := v.find(tx, threadID)
	if err != nil {
		return fmt.Errorf("cannot accept an answer in thread %d: %w", threadID, err)
	}
	switch {
	case t.Kind != Question:
		return mistake.New("post", "accept-question", "Only a question has an answer.")
	case !v.Moderates && (v.Member == 0 || t.AuthorID != v.Member):
		return mistake.New("post", "accept-asker", "Only whoever asked can say what answered it.")
	case t.AcceptedID == postID:
		return nil
	}
	e := Event{ThreadID: t.ID, Kind: EventAccepted, Actor: v.Member, PostID: postID}
	var closed time.Time
	if postID != 0 {
		posts, err := Posts(tx, v, t.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(posts, func(p Post) bool { return p.ID == postID })
		if i < 1 || posts[i].Hidden {
			return mistake.New("post", "accept-answer", "This is no answer in this thread.")
		}
		e.Member, closed = posts[i].AuthorID, tx.Now()
	}
	if _, err := tx.Exec(`UPDATE threads SET accepted_id = $2, closed_at = $3 WHERE id = $1`, t.ID, postID, closed); err != nil {
		return fmt.Errorf("cannot accept an answer in thread %d: %w", threadID, err)
	}
	if postID == 0 {
		return nil
	}
	return Record(tx, e)
}
