package outcome

import (
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/wire"
)

// silent is an event that no handset reports: it applied a build and was not
// heard of since.
const silent wire.Event = "silent"

// SilentAfter is how long a handset that applied a build may take to start it
// before it counts as silent: a brick reports nothing.
const SilentAfter = 48 * time.Hour

// waitingKept is for how long after it counted as silent a handset that starts
// after all is taken out of the sums again.
const waitingKept = 30 * 24 * time.Hour

// wait notes the handsets that applied a build, and takes out those that have
// ended the update; those of them that counted as silent leave the sums. noted
// tells who has ended it already: outcomes may come out of order.
func wait(tx *db.Tx, reports []Report, enrolled []bool, noted map[string]past, sums map[key]int64) error {
	var applied []int
	var ended []any
	for i, r := range reports {
		switch token := r.seen().of; {
		case r.Event == wire.Applied:
			applied = append(applied, i)
		case r.ends():
			ended = append(ended, token)
		}
	}
	if len(ended) > 0 {
		marks, ended := among(ended)
		gone, err := db.All(tx, func(s db.Scanner) (w struct {
			key
			counted bool
		}, err error) {
			return w, s.Scan(&w.rollout, &w.region, &w.from, &w.enrolled, &w.counted)
		}, "DELETE FROM outcomes_waiting WHERE token IN ("+marks+") RETURNING rollout, region, from_incremental, enrolled, counted", ended...)
		if err != nil {
			return err
		}
		for _, w := range gone {
			if w.counted {
				w.event = string(silent)
				sums[w.key]--
			}
		}
	}
	var args []any
	for _, i := range applied {
		r := &reports[i]
		if of := r.seen().of; noted[of].events&over == 0 {
			args = append(args, of, r.Token.Rollout, r.Token.Region, r.Token.From, enrolled[i], tx.Now().Add(SilentAfter), false)
		}
	}
	return insert(tx, "INSERT INTO outcomes_waiting (token, rollout, region, from_incremental, enrolled, due, counted) VALUES ", 7, args, " ON CONFLICT DO NOTHING")
}

// maxSilent is how many handsets one Tick finds silent.
const maxSilent = 5000

// FindSilent counts the handsets whose time to start is over.
func FindSilent(tx *db.Tx) error {
	rows, err := db.All(tx, func(s db.Scanner) (k key, err error) {
		return k, s.Scan(&k.rollout, &k.region, &k.from, &k.enrolled)
	}, "UPDATE outcomes_waiting SET counted = TRUE WHERE token IN (SELECT token FROM outcomes_waiting WHERE due <= $1 AND NOT counted ORDER BY due LIMIT $2) RETURNING rollout, region, from_incremental, enrolled",
		tx.Now(), maxSilent)
	if err != nil {
		return err
	}
	sums := map[key]int64{}
	for _, k := range rows {
		k.event = string(silent)
		sums[k]++
	}
	return addSums(tx, sums)
}
