// Package ring is the test ring: members who let their own handsets follow a
// channel that is not open to all.
//
// A member applies with a device, after a short quiz about the channel's risks.
// A maintainer of the device accepts, or for beta a rule does (Rule). From then
// on handsets of that device that the member has claimed may follow the channel
// (member.Enrolments); who leaves or is removed loses it at the handset's next
// check-in (10 s later at most: updateapi). Nobody is removed by a script, and
// there are no quotas: a person decides, gives a reason, and the audit trail
// keeps it.
package ring

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/wire"
)

// State is where a place stands.
type State string

const (
	Applied  State = "applied"
	Accepted State = "accepted"
	Refused  State = "refused"
	Left     State = "left"    // by the member's own will
	Removed  State = "removed" // by a maintainer
)

// Times between tries and applications.
const (
	QuizPause    = time.Hour          // after a quiz that was not passed
	PassedTime   = 24 * time.Hour     // to apply after one that was
	RefusedPause = 7 * 24 * time.Hour // after a refusal or a removal
	maxReason    = 1000               // characters
)

// Place is a member's place in the ring of one channel, with one device.
type Place struct {
	ID              int64
	MemberID        int64
	Member          string
	Device, Channel string
	State           State
	Why             string // what the applicant wrote
	Reason          string // of whoever decided
	AppliedAt       time.Time
	DecidedAt       time.Time // zero: not yet
	DecidedBy       int64     // a member; 0: the rule
}

// Rule says who needs no maintainer's word.
type Rule struct {
	Channel string      // only this one
	Level   trust.Level // at least
	Claimed bool        // the member has claimed a handset of the device
}

// DefaultRule lets known members with a claimed handset into beta.
func DefaultRule() Rule { return Rule{Channel: wire.Beta, Level: trust.Known, Claimed: true} }

// Applicant is what a Rule looks at.
type Applicant struct {
	Channel string
	Level   trust.Level
	Claimed bool
	Refused bool // was refused or removed before: a person decides again
}

// Admits tells whether a rule alone accepts an applicant. Alpha is never given by a rule.
func (r Rule) Admits(a Applicant) bool {
	return r.Channel == a.Channel && a.Channel == wire.Beta && a.Level >= r.Level && (a.Claimed || !r.Claimed) && !a.Refused
}

// NextTry is when a member may take a channel's quiz, and which try it will be,
// from 0; the zero time: now.
func NextTry(tx *db.Tx, memberID int64, channel string) (at time.Time, try int, err error) {
	var last time.Time
	var passed bool
	if err := tx.QueryRow("SELECT COUNT(*) FROM ring_tries WHERE member_id = $1 AND channel = $2", memberID, channel).Scan(&try); err != nil || try == 0 {
		return time.Time{}, try, err
	}
	err = tx.QueryRow("SELECT at, passed FROM ring_tries WHERE member_id = $1 AND channel = $2 ORDER BY id DESC LIMIT 1", memberID, channel).Scan(&last, &passed)
	if at = last.Add(QuizPause); err != nil || passed || !at.After(tx.Now()) {
		at = time.Time{}
	}
	return at, try, err
}

// TakeQuiz judges and keeps a member's answers.
func TakeQuiz(tx *db.Tx, memberID int64, channel string, answers map[string]string) (Result, error) {
	if !known(channel) {
		return Result{}, member.NewInvalid("channel", "ring-none", "it has no test ring")
	}
	at, _, err := NextTry(tx, memberID, channel)
	if err != nil {
		return Result{}, err
	}
	if !at.IsZero() {
		return Result{}, member.NewInvalid("quiz", "quiz-again", "it was not passed a short while ago; wait an hour between two tries")
	}
	r := Grade(channel, answers)
	_, err = tx.Exec("INSERT INTO ring_tries (id, member_id, channel, passed, at) VALUES ($1, $2, $3, $4, $5)", db.NewID(), memberID, channel, r.Passed, tx.Now())
	return r, err
}

// Passed tells whether a member may apply now.
func Passed(tx *db.Tx, memberID int64, channel string) (bool, error) {
	var n int
	err := tx.QueryRow("SELECT COUNT(*) FROM ring_tries WHERE member_id = $1 AND channel = $2 AND passed AND at >= $3", memberID, channel, tx.Now().Add(-PassedTime)).Scan(&n)
	return n > 0, err
}

// Apply asks for a place. The quiz must have been passed within PassedTime.
// level is the member's; the rule may accept at once.
func Apply(tx *db.Tx, m member.Member, device, channel, why string, level trust.Level, rule Rule) (Place, error) {
	why = strings.TrimSpace(why)
	if !known(channel) || device == "" {
		return Place{}, member.NewInvalid("channel", "ring-missing", "a device and a channel with a test ring must be given")
	}
	if utf8.RuneCountInString(why) > maxReason {
		return Place{}, member.NewInvalid("text", "ring-text", "it may have {N} characters", "N", maxReason)
	}
	passed, err := Passed(tx, m.ID, channel)
	if err != nil {
		return Place{}, err
	}
	if !passed {
		return Place{}, member.NewInvalid("quiz", "ring-quiz", "the quiz comes first, and was last passed more than a day ago")
	}
	old, err := placeOf(tx, m.ID, device, channel)
	if err != nil && !errors.Is(err, member.ErrNotFound) {
		return Place{}, err
	}
	before := old.State == Refused || old.State == Removed
	switch {
	case old.State == Applied || old.State == Accepted:
		return Place{}, member.NewInvalid("application", "ring-twice", "you have applied already")
	case before && tx.Now().Before(old.DecidedAt.Add(RefusedPause)):
		return Place{}, member.NewInvalid("application", "ring-again", "a maintainer has decided a short while ago; apply again a week after that")
	}
	claims, err := member.ClaimsOf(tx, m.ID)
	if err != nil {
		return Place{}, err
	}
	a := Applicant{Channel: channel, Level: level, Refused: before}
	for _, c := range claims {
		a.Claimed = a.Claimed || c.Device == device
	}
	p := Place{ID: db.NewID(), MemberID: m.ID, Member: m.Name, Device: device, Channel: channel, State: Applied, Why: why, AppliedAt: tx.Now()}
	if _, err := tx.Exec(`INSERT INTO ring_places (id, member_id, device, channel, state, why, reason, applied_at, decided_at, decided_by) VALUES ($1, $2, $3, $4, $5, $6, '', $7, 0, 0)
		ON CONFLICT (member_id, device, channel) DO UPDATE SET id = excluded.id, state = excluded.state, why = excluded.why, reason = '', applied_at = excluded.applied_at, decided_at = 0, decided_by = 0`,
		p.ID, m.ID, device, channel, string(Applied), why, p.AppliedAt); err != nil {
		return Place{}, err
	}
	if rule.Admits(a) {
		return p, settle(tx, &p, Accepted, "", member.Member{})
	}
	return p, nil
}

// Decide accepts or refuses an application, or removes who has a place: by a
// maintainer of the device, with a reason unless they accept.
func Decide(tx *db.Tx, actor member.Member, id int64, to State, reason string) (Place, error) {
	p, err := place(tx, "p.id = $1", id)
	if err != nil {
		return Place{}, err
	}
	reason = strings.TrimSpace(reason)
	switch {
	case !actor.Maintains(p.Device):
		return Place{}, fmt.Errorf("cannot decide about a place: %s does not maintain %s: %w", actor.Name, p.Device, ErrNotYours)
	case actor.ID == p.MemberID && !actor.Is(member.Admin):
		return Place{}, fmt.Errorf("cannot decide about a place: it is %s's own: %w", actor.Name, ErrNotYours)
	case (to == Accepted || to == Refused) && p.State != Applied, to == Removed && p.State != Accepted, to != Accepted && to != Refused && to != Removed:
		return Place{}, member.NewInvalid("decision", "ring-state", "the place is {State} and cannot become {To}", "State", p.State, "To", to)
	case to != Accepted && reason == "":
		return Place{}, member.NewInvalid("reason", "ring-reason", "the member reads it: one must be given")
	case utf8.RuneCountInString(reason) > maxReason:
		return Place{}, member.NewInvalid("reason", "ring-text", "it may have {N} characters", "N", maxReason)
	}
	return p, settle(tx, &p, to, reason, actor)
}

// ErrNotYours is returned, wrapped, when someone decides about a place that is
// not theirs to decide about.
var ErrNotYours = errors.New("this takes a maintainer of the device")

// Leave gives a member's own place or application back.
func Leave(tx *db.Tx, m member.Member, id int64) error {
	p, err := place(tx, "p.id = $1 AND p.member_id = $2", id, m.ID)
	if err != nil {
		return err
	}
	if p.State != Applied && p.State != Accepted {
		return member.NewInvalid("place", "ring-left", "it is not yours any more")
	}
	return settle(tx, &p, Left, "", m)
}

func settle(tx *db.Tx, p *Place, to State, reason string, actor member.Member) error {
	p.State, p.Reason, p.DecidedAt, p.DecidedBy = to, reason, tx.Now(), actor.ID
	if _, err := tx.Exec("UPDATE ring_places SET state = $1, reason = $2, decided_at = $3, decided_by = $4 WHERE id = $5",
		string(to), reason, p.DecidedAt, actor.ID, p.ID); err != nil {
		return err
	}
	if err := member.EnrolmentsChanged(tx); err != nil {
		return err
	}
	detail, err := json.Marshal(map[string]string{"device": p.Device, "channel": p.Channel, "reason": reason})
	if err != nil {
		return err
	}
	name := actor.Name
	if actor.ID == 0 {
		name = "the rule"
	}
	return audit.Record(tx, audit.Event{ActorID: actor.ID, Actor: name, Action: "ring." + string(to), Subject: p.Member, Detail: string(detail)})
}

const selectPlace = `SELECT p.id, p.member_id, m.name, p.device, p.channel, p.state, p.why, p.reason, p.applied_at, p.decided_at, p.decided_by
	FROM ring_places p JOIN members m ON m.id = p.member_id WHERE `

func scanPlace(s db.Scanner) (p Place, err error) {
	return p, s.Scan(&p.ID, &p.MemberID, &p.Member, &p.Device, &p.Channel, (*string)(&p.State), &p.Why, &p.Reason, &p.AppliedAt, &p.DecidedAt, &p.DecidedBy)
}

func place(tx *db.Tx, where string, args ...any) (Place, error) {
	p, err := scanPlace(tx.QueryRow(selectPlace+where, args...))
	if errors.Is(err, db.ErrNoRows) {
		err = fmt.Errorf("cannot find place in the test ring: %w", member.ErrNotFound)
	}
	return p, err
}

func placeOf(tx *db.Tx, memberID int64, device, channel string) (Place, error) {
	return place(tx, "p.member_id = $1 AND p.device = $2 AND p.channel = $3", memberID, device, channel)
}

// Of lists a member's places and applications, the newest first.
func Of(tx *db.Tx, memberID int64) ([]Place, error) {
	return db.All(tx, scanPlace, selectPlace+"p.member_id = $1 ORDER BY p.id DESC LIMIT 200", memberID)
}

// List lists places in a state, the oldest application first, that a member may
// decide about: of their devices, or all for an administrator. At most 500.
func List(tx *db.Tx, m member.Member, state State) ([]Place, error) {
	all, err := db.All(tx, scanPlace, selectPlace+"p.state = $1 ORDER BY p.id LIMIT 5000", string(state))
	var mine []Place
	for _, p := range all {
		if m.Maintains(p.Device) && len(mine) < 500 {
			mine = append(mine, p)
		}
	}
	return mine, err
}
