package fleet

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/wire"
)

// Report is one outcome whose token was verified, on its way into the sums.
type Report struct {
	Token wire.OfferToken
	Event wire.Event
	Stage string // where it failed
	Code  string
}

// key is a row of the sums. All of its values are bounded: From is of a known
// build, Stage one of four, and Code is kept of enrolled handsets only.
type key struct {
	rollout  int64
	from     string
	event    string
	stage    string
	code     string
	enrolled bool
}

// Stages at which an update fails.
const (
	StageDownload = "download"
	StageVerify   = "verify"
	StageApply    = "apply"
	StageBoot     = "boot"
)

var word = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,31}$`)

func (r *Report) key() key {
	k := key{rollout: r.Token.Rollout, from: r.Token.From, event: string(r.Event), enrolled: r.Token.Claim != 0}
	if r.Event == wire.Failed {
		switch r.Stage {
		case StageDownload, StageVerify, StageApply, StageBoot:
			k.stage = r.Stage
		}
		if k.enrolled && word.MatchString(r.Code) {
			k.code = r.Code
		}
	}
	return k
}

// batch is how many tokens one statement takes: well within both databases'
// number of arguments.
const batch = 200

// seen is what counts once: a token's event. A claimed handset counts once in a
// rollout, however many offers it asks for, so that one alone does not halt it.
// It may fail to download and fail later on.
type seen struct{ token, event string }

func (r *Report) seen() seen {
	if r.Token.Claim == 0 {
		return seen{r.Token.ID, string(r.Event)}
	}
	s := seen{fmt.Sprintf("claim %d of %d", r.Token.Claim, r.Token.Rollout), string(r.Event)}
	if r.Event == wire.Failed && r.Stage == StageDownload {
		s.event = "failed download"
	}
	return s
}

// claimKept is how long a claimed handset's event is remembered, in seconds: it
// may ask for offers as long as its rollout goes on.
const claimKept = 400 * 24 * 60 * 60

func (r *Report) keptUntil(now int64) int64 {
	if r.Token.Claim == 0 {
		return r.Token.Expires
	}
	return max(r.Token.Expires, now+claimKept)
}

// Record adds reports to the sums, each token's event once, a claimed handset's
// once in a rollout, whichever node it comes through and however often; those of
// expired tokens and of rollouts that do not exist are left out. It returns how
// many were new. Boots of claimed handsets are kept for Boots.
func Record(tx *db.Tx, reports []Report) (fresh int, err error) {
	live, err := countable(tx, reports)
	if err != nil {
		return 0, err
	}
	sums := map[key]int64{}
	for len(live) > 0 {
		n := min(batch, len(live))
		counted, err := insertSeen(tx, live[:n])
		if err != nil {
			return 0, err
		}
		fresh += len(counted)
		for _, r := range counted {
			sums[r.key()]++
			if r.Event != wire.Booted || r.Token.Claim == 0 {
				continue
			}
			if _, err := tx.Exec("INSERT INTO fleet_boots (claim, build, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", r.Token.Claim, r.Token.To, tx.Now()); err != nil {
				return 0, err
			}
		}
		live = live[n:]
	}
	for k, n := range sums {
		if _, err := tx.Exec("INSERT INTO outcome_sums (rollout, from_incremental, event, stage, code, enrolled, n) VALUES ($1, $2, $3, $4, $5, $6, $7) "+
			"ON CONFLICT (rollout, from_incremental, event, stage, code, enrolled) DO UPDATE SET n = outcome_sums.n + excluded.n",
			k.rollout, k.from, k.event, k.stage, k.code, k.enrolled, n); err != nil {
			return 0, err
		}
	}
	return fresh, nil
}

// countable leaves out what may not be counted.
func countable(tx *db.Tx, reports []Report) ([]Report, error) {
	known := map[int64]bool{}
	var live []Report
	for _, r := range reports {
		exists, asked := known[r.Token.Rollout]
		if !asked {
			var n int64
			if err := tx.QueryRow("SELECT COUNT(*) FROM rollouts WHERE id = $1", r.Token.Rollout).Scan(&n); err != nil {
				return nil, err
			}
			exists = n == 1
			known[r.Token.Rollout] = exists
		}
		if exists && r.Event.Valid() && r.Token.ID != "" && tx.Now().Unix() < r.Token.Expires {
			live = append(live, r)
		}
	}
	return live, nil
}

// insertSeen notes what counts once and returns the reports that are new.
func insertSeen(tx *db.Tx, reports []Report) ([]Report, error) {
	by := map[seen]Report{}
	var q strings.Builder
	q.WriteString("INSERT INTO outcomes_seen (token, event, expires) VALUES ")
	args := make([]any, 0, 3*len(reports))
	for i, r := range reports {
		if i > 0 {
			q.WriteString(", ")
		}
		fmt.Fprintf(&q, "($%d, $%d, $%d)", 3*i+1, 3*i+2, 3*i+3)
		k := r.seen()
		args = append(args, k.token, k.event, r.keptUntil(tx.Now().Unix()))
		if _, twice := by[k]; !twice {
			by[k] = r
		}
	}
	q.WriteString(" ON CONFLICT DO NOTHING RETURNING token, event")
	return db.All(tx, func(row db.Scanner) (Report, error) {
		var k seen
		err := row.Scan(&k.token, &k.event)
		return by[k], err
	}, q.String(), args...)
}

// Forget drops the notes on tokens that have expired: they are refused by their
// date from then on.
func Forget(tx *db.Tx) error {
	_, err := tx.Exec("DELETE FROM outcomes_seen WHERE expires <= $1", tx.Now().Unix())
	return err
}

// CountsOf sums the outcomes of one rollout.
func CountsOf(tx *db.Tx, rollout int64) (Counts, error) {
	all, err := counts(tx, "WHERE rollout = $1", rollout)
	return all[rollout], err
}

func allCounts(tx *db.Tx) (map[int64]Counts, error) {
	return counts(tx, "WHERE rollout IN (SELECT id FROM rollouts WHERE state IN ('running', 'held', 'complete'))")
}

func counts(tx *db.Tx, where string, args ...any) (map[int64]Counts, error) {
	rows, err := tx.Query("SELECT rollout, event, CASE WHEN stage = 'download' THEN 1 ELSE 0 END, enrolled, CAST(SUM(n) AS BIGINT) FROM outcome_sums "+where+" GROUP BY 1, 2, 3, 4", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[int64]Counts{}
	for rows.Next() {
		var rollout, download, n int64
		var event string
		var enrolled bool
		if err := rows.Scan(&rollout, &event, &download, &enrolled, &n); err != nil {
			return nil, err
		}
		c := all[rollout]
		g := &c.Anonymous
		if enrolled {
			g = &c.Enrolled
		}
		g.add(wire.Event(event), download == 1, n)
		all[rollout] = c
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return all, addCrashes(tx, all, where, args...)
}

// addCrashes adds what NoteCrashes noted of the same rollouts.
func addCrashes(tx *db.Tx, all map[int64]Counts, where string, args ...any) error {
	rows, err := tx.Query("SELECT rollout, clusters, members FROM rollout_crashes "+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var rollout int64
		var c Crashes
		if err := rows.Scan(&rollout, &c.Clusters, &c.Members); err != nil {
			return err
		}
		n := all[rollout]
		n.Crashes = c
		all[rollout] = n
	}
	return rows.Err()
}

// NoteCrashes says what is known of the crashes on a rollout's build; Tick
// takes it into account.
func NoteCrashes(tx *db.Tx, rollout int64, c Crashes) error {
	_, err := tx.Exec("INSERT INTO rollout_crashes (rollout, clusters, members, at) VALUES ($1, $2, $3, $4) "+
		"ON CONFLICT (rollout) DO UPDATE SET clusters = excluded.clusters, members = excluded.members, at = excluded.at "+
		"WHERE rollout_crashes.clusters <> excluded.clusters OR rollout_crashes.members <> excluded.members", rollout, c.Clusters, c.Members, tx.Now())
	return err
}

func (g *Group) add(e wire.Event, download bool, n int64) {
	switch e {
	case wire.Downloaded:
		g.Downloaded += n
	case wire.Verified:
		g.Verified += n
	case wire.Applied:
		g.Applied += n
	case wire.Booted:
		g.Booted += n
	case wire.Healthy:
		g.Healthy += n
	case wire.RolledBack:
		g.RolledBack += n
	case wire.Failed:
		if download {
			g.FailedDownload += n
		} else {
			g.Failed += n
		}
	}
}

// Failure says how often an update failed at one place for one reason.
type Failure struct {
	From     string // incremental of the build that the handsets ran, if known
	Event    wire.Event
	Stage    string
	Code     string
	Enrolled bool
	N        int64
}

// Failures lists what went wrong in a rollout, the most frequent first.
func Failures(tx *db.Tx, rollout int64) ([]Failure, error) {
	return db.All(tx, func(row db.Scanner) (f Failure, err error) {
		err = row.Scan(&f.From, &f.Event, &f.Stage, &f.Code, &f.Enrolled, &f.N)
		return f, err
	}, "SELECT from_incremental, event, stage, code, enrolled, n FROM outcome_sums WHERE rollout = $1 AND event IN ('failed', 'rolled_back') "+
		"ORDER BY n DESC, from_incremental, event, stage, code, enrolled LIMIT 100", rollout)
}

// Boot is a claimed handset that runs a build.
type Boot struct {
	Claim int64
	Build string
}

// Boots returns the boots of claimed handsets that were not handed on yet, the
// oldest first.
func Boots(tx *db.Tx, limit int) ([]Boot, error) {
	return db.All(tx, func(row db.Scanner) (b Boot, err error) {
		err = row.Scan(&b.Claim, &b.Build)
		return b, err
	}, "SELECT claim, build FROM fleet_boots ORDER BY at, claim, build LIMIT $1", limit)
}

// Done says that a boot was handed on; ok is false when another was quicker.
func Done(tx *db.Tx, b Boot) (ok bool, err error) {
	n, err := tx.Exec("DELETE FROM fleet_boots WHERE claim = $1 AND build = $2", b.Claim, b.Build)
	return n == 1, err
}
