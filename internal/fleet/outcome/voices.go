package outcome

import (
	"fmt"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/wire"
)

// seen is what counts once of r: its token's event. A claimed handset counts once
// in a rollout, however many offers it asks for.
func (r *Report) seen() seen {
	if r.Token.Claim == 0 {
		return seen{r.Token.ID, bitOf[r.Event]}
	}
	s := seen{fmt.Sprintf("claim %d of %d", r.Token.Claim, r.Token.Rollout), bitOf[r.Event]}
	if r.Event == wire.Failed && r.Stage == StageDownload {
		s.event = failedDownload
	}
	return s
}

// voice is what counts once as an enrolled handset's: a member has one, of
// however many handsets, and one bad end.
func (r *Report) voice(member int64) seen {
	s := seen{fmt.Sprintf("member %d of %d", member, r.Token.Rollout), r.seen().event}
	if r.Event == wire.RolledBack || r.Event == wire.Failed && r.Stage != StageDownload {
		s.event = bad
	}
	return s
}

// ClaimKept is how long a claimed handset's event is remembered: it may ask for
// offers as long as its rollout goes on.
const ClaimKept = 400 * 24 * time.Hour

func (r *Report) keptUntil(now int64) int64 {
	if r.Token.Claim == 0 {
		return r.Token.Expires
	}
	return max(r.Token.Expires, now+int64(ClaimKept/time.Second))
}

// once notes reports, at most batch of them. It returns those that are new, how
// long they took, and all that is noted now of the same tokens and claims.
func once(tx *db.Tx, reports []Report) (counted []Report, took []paceKey, all map[string]past, err error) {
	keys, by := make([]seen, len(reports)), map[seen]Report{}
	for i, r := range reports {
		keys[i] = r.seen()
		if _, twice := by[keys[i]]; !twice {
			by[keys[i]] = r
		}
	}
	fresh, took, all, err := note(tx, reports, keys)
	for _, k := range fresh {
		counted = append(counted, by[k])
	}
	return counted, took, all, err
}

// begin is when a rollout began, and when its release was cut.
type begin struct{ began, cut time.Time }

// begins are those of the reports' rollouts; one that does not exist is not in it.
func begins(tx *db.Tx, reports []Report) (map[int64]begin, error) {
	type row struct {
		id int64
		begin
	}
	cuts, asked := map[int64]begin{}, map[int64]bool{}
	var ids []any
	for _, r := range reports {
		if id := r.Token.Rollout; !asked[id] {
			asked[id] = true
			ids = append(ids, id)
		}
	}
	for some := range slices.Chunk(ids, batch) {
		marks, some := among(some)
		found, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.id, &r.began, &r.cut) },
			"SELECT r.id, r.created_at, CASE WHEN e.cut_at > 0 AND e.cut_at < r.created_at THEN e.cut_at ELSE r.created_at END FROM rollouts r LEFT JOIN releases e ON e.name = r.release WHERE r.id IN ("+marks+")", some...)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			cuts[c.id] = c.begin
		}
	}
	return cuts, nil
}

// voices says which reports count as an enrolled handset's. A claim that is
// younger than the release does not make one: else whoever wants a rollout
// stopped would claim a few phones for it. Nor does one that was given up.
func voices(tx *db.Tx, reports []Report, cuts map[int64]begin) ([]bool, error) {
	type claim struct {
		id, member int64
		since      time.Time
	}
	var args []any
	for _, r := range reports {
		if r.Token.Claim != 0 {
			args = append(args, r.Token.Claim)
		}
	}
	enrolled := make([]bool, len(reports))
	if len(args) == 0 {
		return enrolled, nil
	}
	marks, args := among(args)
	claims, err := db.All(tx, func(s db.Scanner) (c claim, err error) { return c, s.Scan(&c.id, &c.member, &c.since) },
		"SELECT id, member_id, created_at FROM claims WHERE ended_at = 0 AND id IN ("+marks+")", args...)
	if err != nil {
		return nil, err
	}
	of := map[int64]claim{}
	for _, c := range claims {
		of[c.id] = c
	}
	var theirs []Report
	var keys []seen
	at := map[seen]int{}
	for i, r := range reports {
		if c, ok := of[r.Token.Claim]; ok && c.since.Before(cuts[r.Token.Rollout].cut) {
			k := r.voice(c.member)
			if _, twice := at[k]; !twice {
				at[k] = i
				r.At = 0 // a member's handsets have no time of their own
				theirs, keys = append(theirs, r), append(keys, k)
			}
		}
	}
	fresh, _, _, err := note(tx, theirs, keys)
	for _, k := range fresh {
		enrolled[at[k]] = true
	}
	return enrolled, err
}

// Forget drops the notes on tokens that have expired: they are refused by their
// date from then on.
func Forget(tx *db.Tx) error {
	if _, err := tx.Exec("DELETE FROM outcomes_waiting WHERE due <= $1", tx.Now().Add(-waitingKept)); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM outcomes_noted WHERE expires <= $1", tx.Now().Unix()); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM outcomes_seen WHERE expires <= $1", tx.Now().Unix())
	return err
}
