// Package outcome counts what became of the offers that handsets took: each
// report once (Record), in sums by rollout, region, build, event and stage, in
// which no handset is, and in sketches of how long they took (PaceOf). A handset that applied a build and was not heard of since
// is counted too (FindSilent): a brick reports nothing.
//
// It judges nothing: package fleet says what the sums do to a rollout. Reports
// come with a token whose signature was verified (package updateapi).
package outcome

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet/reach"
	"github.com/fridayos/friday/internal/wire"
)

// Report is one outcome whose token was verified, on its way into the sums.
type Report struct {
	Token wire.OfferToken // ID, Rollout, From, To, Region, Claim, Handset and Expires count
	Event wire.Event
	Stage string // where it failed
	Code  string
	// Seconds since 1970, by the server's clock: when the offer was made and when
	// the report came. At 0 it is counted, and how long it took is not.
	Offered, At int64
}

// Kept is r with what counts, in memory of its own: what it was read from may be
// many times as large, and r may have to wait for the database.
func (r Report) Kept() Report {
	t := r.Token
	r.Token = wire.OfferToken{ID: strings.Clone(t.ID), Rollout: t.Rollout, From: strings.Clone(t.From), To: strings.Clone(t.To), Region: strings.Clone(t.Region), Claim: t.Claim, Handset: t.Handset, Expires: t.Expires}
	r.Event = wire.Event(strings.Clone(string(r.Event)))
	r.Stage = strings.Clone(r.Stage)
	if r.Code = strings.Clone(r.Code); !word.MatchString(r.Code) {
		r.Code = ""
	}
	return r
}

// key is a row of the sums. All of its values are bounded: Region is one of
// some hundreds, From of a known build, Stage one of four, and Code is kept of enrolled handsets only.
type key struct {
	rollout  int64
	region   string
	from     string
	event    string
	stage    string
	code     string
	enrolled bool
}

func (k key) compare(o key) int {
	rank := func(enrolled bool) int {
		if enrolled {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(k.rollout, o.rollout), cmp.Compare(k.region, o.region), cmp.Compare(k.from, o.from), cmp.Compare(k.event, o.event),
		cmp.Compare(k.stage, o.stage), cmp.Compare(k.code, o.code), rank(k.enrolled)-rank(o.enrolled))
}

// Stages at which an update fails.
const (
	StageDownload = "download"
	StageVerify   = "verify"
	StageApply    = "apply"
	StageBoot     = "boot"
)

var word = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,31}$`)

func (r *Report) key(enrolled bool) key {
	k := key{rollout: r.Token.Rollout, region: r.Token.Region, from: r.Token.From, event: string(r.Event), enrolled: enrolled}
	if r.Event == wire.Failed {
		switch r.Stage {
		case StageDownload, StageVerify, StageApply, StageBoot:
			k.stage = r.Stage
		}
		if enrolled && word.MatchString(r.Code) {
			k.code = r.Code
		}
	}
	return k
}

// ends says whether r ends an update, well or badly.
func (r *Report) ends() bool {
	return r.Event == wire.Booted || r.Event == wire.RolledBack || r.Event == wire.Failed && r.Stage != StageDownload
}

// Record adds reports to the sums, each token's event once, a claimed handset's
// once in a rollout, whichever node it comes through and however often; those of
// expired tokens and of rollouts that do not exist are left out. How long each
// handset took from one stage to the next goes into sketches. It returns how
// many were new. Boots of claimed handsets are kept for Boots.
func Record(tx *db.Tx, reports []Report) (fresh int, err error) {
	cuts, err := begins(tx, reports)
	if err != nil {
		return 0, err
	}
	live := slices.DeleteFunc(slices.Clone(reports), func(r Report) bool {
		_, exists := cuts[r.Token.Rollout]
		return !exists || !r.Event.Valid() || r.Token.ID == "" || tx.Now().Unix() >= r.Token.Expires
	})
	sums, paces := map[key]int64{}, map[paceKey]int64{}
	for len(live) > 0 {
		n := min(batch, len(live))
		counted, took, noted, err := once(tx, live[:n])
		if err != nil {
			return 0, err
		}
		live = live[n:]
		fresh += len(counted)
		enrolled, err := voices(tx, counted, cuts)
		if err != nil {
			return 0, err
		}
		var boots []any
		for i, r := range counted {
			sums[r.key(enrolled[i])]++
			if r.Event == wire.Booted && r.Token.Claim != 0 {
				boots = append(boots, r.Token.Claim, r.Token.To, tx.Now())
			}
		}
		if err := insert(tx, "INSERT INTO fleet_boots (claim, build, at) VALUES ", 3, boots, " ON CONFLICT DO NOTHING"); err != nil {
			return 0, err
		}
		if err := wait(tx, counted, enrolled, noted, sums); err != nil {
			return 0, err
		}
		for _, one := range took {
			if tx.Now().Sub(cuts[one.rollout].began) < reach.Kept {
				paces[one]++
			}
		}
	}
	if err := addPaces(tx, paces); err != nil {
		return 0, err
	}
	return fresh, addSums(tx, sums)
}

// addSums adds to the sums. Everyone does so in the same order: two nodes that
// waited for each other's rows would wait for ever.
func addSums(tx *db.Tx, sums map[key]int64) error {
	var args []any
	for _, k := range slices.SortedFunc(maps.Keys(sums), key.compare) {
		if n := sums[k]; n != 0 {
			args = append(args, k.rollout, k.region, k.from, k.event, k.stage, k.code, k.enrolled, n)
		}
	}
	return insert(tx, "INSERT INTO outcome_sums (rollout, region, from_incremental, event, stage, code, enrolled, n) VALUES ", 8, args,
		" ON CONFLICT (rollout, region, from_incremental, event, stage, code, enrolled) DO UPDATE SET n = outcome_sums.n + excluded.n")
}

// Failure says how often an update failed at one place for one reason.
type Failure struct {
	From     string // incremental of the build that the handsets ran, if known
	Region   string
	Event    wire.Event
	Stage    string
	Code     string
	Enrolled bool
	N        int64
}

// Failures lists what went wrong in a rollout, the most frequent first.
func Failures(tx *db.Tx, rollout int64) ([]Failure, error) {
	return db.All(tx, func(row db.Scanner) (f Failure, err error) {
		err = row.Scan(&f.From, &f.Region, &f.Event, &f.Stage, &f.Code, &f.Enrolled, &f.N)
		return f, err
	}, "SELECT from_incremental, region, event, stage, code, enrolled, n FROM outcome_sums WHERE rollout = $1 AND event IN ('failed', 'rolled_back', 'silent') AND n > 0 "+
		"ORDER BY n DESC, from_incremental, region, event, stage, code, enrolled LIMIT 100", rollout)
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
