package notice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/poll"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/member"
)

// Edition is a release that has left, as the digest tells of it.
type Edition struct {
	Week    string // that it is of: respins share it
	Release string
	Left    time.Time
	Notes   string // Markdown
	Fixes   []int64
	Stops   []EditionStop
}

// EditionStop is one device of an edition.
type EditionStop struct {
	Device string
	Left   bool    // the release is on its way to it
	Reason string  // why not
	Fixes  []int64 // threads fixed on it since what it last got
}

// Week is the digest for one member.
type Week struct {
	Edition
	Where string      // address of the release
	Names []string    // of the devices that it leaves for
	Held  []HeldPhone // phones of the member's that it does not
	Mine  []Fixed     // what the member has or reported, and is fixed
	Asks  []Fixed     // questions to the member that are open
	Polls []OpenPoll
}

// HeldPhone is a device of the member's that waits.
type HeldPhone struct{ Name, Reason string }

// Fixed is a thread with a fix on a device.
type Fixed struct{ Title, Where, Device, Release string }

// OpenPoll is a poll about the release that still takes votes.
type OpenPoll struct{ Question, Where string }

const (
	// settle is how long after its departure a release's digest waits: one that is
	// pulled at once is not told of. After stale nobody wants to know any more.
	settle     = time.Hour
	stale      = 72 * time.Hour
	perDigest  = 200 // members at a time
	maxInWeek  = 20  // lines of one kind
	maxNames   = 12
	digestWord = "digest"
)

// DigestAll puts the digest of the last release before everyone who wants it.
func (t *Teller) DigestAll(ctx context.Context) error {
	if t.Editions == nil {
		return nil
	}
	for {
		more := false
		due := false
		err := t.DB.Read(ctx, func(tx *db.Tx) error {
			e, _, err := t.dueDigest(tx)
			due = e != nil
			return err
		})
		if err == nil && due {
			err = t.DB.Write(ctx, func(tx *db.Tx) (err error) { more, err = t.digest(tx); return err })
		}
		if err != nil || !more {
			return err
		}
	}
}

// dueDigest finds the edition whose digest is to be made, or goes on; nil: there is none.
func (t *Teller) dueDigest(tx *db.Tx) (edition *Edition, after int64, err error) {
	editions, err := t.Editions(tx)
	if err != nil {
		return nil, 0, err
	}
	for i, e := range editions {
		if since := tx.Now().Sub(e.Left); since < settle || since > stale {
			continue
		}
		var release string
		var done time.Time
		err := tx.QueryRow("SELECT release, after, done_at FROM notice_digests WHERE week = $1", e.Week).Scan(&release, &after, &done)
		switch {
		case errors.Is(err, db.ErrNoRows):
			return &editions[i], 0, nil
		case err != nil:
			return nil, 0, fmt.Errorf("cannot tell whether there was a digest of %s: %w", e.Week, err)
		case done.IsZero() && release == e.Release:
			return &editions[i], after, nil
		}
	}
	return nil, 0, nil
}

// digest writes the notices of the next members.
func (t *Teller) digest(tx *db.Tx) (more bool, err error) {
	e, after, err := t.dueDigest(tx)
	if err != nil || e == nil {
		return false, err
	}
	type reader struct {
		id   int64
		mail bool
	}
	members, err := db.All(tx, func(s db.Scanner) (r reader, err error) {
		var addresses int
		err = s.Scan(&r.id, &addresses)
		r.mail = addresses > 0
		return r, err
	}, `SELECT m.id, (SELECT COUNT(*) FROM member_mail a WHERE a.member_id = m.id AND a.address <> '') FROM members m
		WHERE m.id > $1 AND m.created_at <= $2 ORDER BY m.id LIMIT $3`, after, e.Left, perDigest)
	if err != nil {
		return false, fmt.Errorf("cannot find who wants the digest: %w", err)
	}
	for _, r := range members {
		after = r.id
		wishes, err := WishesOf(tx, r.id)
		if err != nil {
			return false, err
		}
		if w := wishes[Digest]; !w[Site] && !w[Push] && !(w[Mail] && r.mail && t.Mail.Ready()) {
			continue
		}
		n := Notice{MemberID: r.id, Kind: Digest, Release: e.Release, Word: digestWord, Place: "/r/" + e.Release, At: tx.Now()}
		if err := put(tx, n, 0, "digest "+e.Week); err != nil {
			return false, err
		}
	}
	more = len(members) == perDigest
	done := tx.Now()
	if more {
		done = time.Time{}
	}
	if _, err := tx.Exec(`INSERT INTO notice_digests (week, release, made_at, after, done_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (week) DO UPDATE SET after = excluded.after, done_at = excluded.done_at`, e.Week, e.Release, tx.Now(), after, done); err != nil {
		return false, fmt.Errorf("cannot note the digest of %s: %w", e.Week, err)
	}
	return more, nil
}

// week is the digest of a release for one member; nil if the release is not out
// any more.
func (t *Teller) week(tx *db.Tx, who member.Member, release string) (*Week, error) {
	if t.Editions == nil {
		return nil, nil
	}
	editions, err := t.Editions(tx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(editions, func(e Edition) bool { return e.Release == release })
	if i < 0 {
		return nil, nil
	}
	w := &Week{Edition: editions[i], Where: t.BaseURL + "/r/" + release}
	viewer := feedback.Viewer{Member: who.ID, Moderates: who.Moderates()}
	if err := t.phones(tx, w, who.ID); err != nil {
		return nil, err
	}
	mine, err := stake.Had(tx, who.ID)
	if err != nil {
		return nil, err
	}
	asks, err := feedback.OpenAsks(tx, viewer)
	if err != nil {
		return nil, err
	}
	asked := map[int64]bool{}
	for _, a := range asks[:min(len(asks), maxInWeek)] {
		f, err := t.fixed(tx, viewer, a.ThreadID, a.Device, a.Release)
		if err != nil {
			return nil, err
		}
		if f != nil {
			w.Asks = append(w.Asks, *f)
			asked[a.ThreadID] = true
		}
	}
	for _, h := range mine {
		s := slices.IndexFunc(w.Stops, func(s EditionStop) bool {
			return s.Left && (s.Device == h.Device || h.Device == feedback.AnyDevice) && slices.Contains(s.Fixes, h.Thread)
		})
		if s < 0 || asked[h.Thread] || len(w.Mine) == maxInWeek {
			continue
		}
		f, err := t.fixed(tx, viewer, h.Thread, h.Device, release)
		if err != nil {
			return nil, err
		}
		if f != nil {
			w.Mine = append(w.Mine, *f)
		}
	}
	polls, err := poll.About(tx, viewer, release)
	if err != nil {
		return nil, err
	}
	for _, p := range polls {
		if p.Open && len(w.Polls) < maxInWeek {
			w.Polls = append(w.Polls, OpenPoll{p.Question, t.BaseURL + "/t/" + strconv.FormatInt(p.ThreadID, 10) + "/polls"})
		}
	}
	return w, nil
}

// phones says where the release stops, and which of the member's phones wait.
func (t *Teller) phones(tx *db.Tx, w *Week, memberID int64) error {
	own, err := feedback.Runs(tx, memberID)
	if err != nil {
		return err
	}
	claims, err := member.ClaimsOf(tx, memberID)
	if err != nil {
		return err
	}
	for _, s := range w.Stops {
		has := slices.ContainsFunc(own, func(b feedback.Build) bool { return b.Device == s.Device }) ||
			slices.ContainsFunc(claims, func(c member.Claim) bool { return c.Device == s.Device })
		if s.Left && len(w.Names) >= maxNames || !s.Left && !has {
			continue
		}
		name, err := deviceName(tx, s.Device)
		if err != nil {
			return err
		}
		if s.Left {
			w.Names = append(w.Names, name)
		} else {
			w.Held = append(w.Held, HeldPhone{name, s.Reason})
		}
	}
	return nil
}

// fixed is a thread as the digest names it; nil if the member may not see it.
func (t *Teller) fixed(tx *db.Tx, v feedback.Viewer, thread int64, device, release string) (*Fixed, error) {
	th, err := feedback.ByID(tx, v, thread)
	if errors.Is(err, feedback.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	name, err := deviceName(tx, device)
	return &Fixed{th.Title, t.BaseURL + "/t/" + strconv.FormatInt(th.ID, 10), name, release}, err
}
