package outcome

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/wire"
)

// seen is what counts once: an event of an offer's token, a claim or a member.
type seen struct {
	of    string
	event events
}

// events are a set of them.
type events int64

// One bit each; they are in databases.
const (
	downloaded events = 1 << iota
	verified
	applied
	booted
	healthy
	rolledBack
	failed
	failedDownload // a claim may fail to download, and fail later on
	bad            // a member has one bad end
)

// over are those that end an update.
const over = booted | rolledBack | failed

var bitOf = map[wire.Event]events{wire.Downloaded: downloaded, wire.Verified: verified, wire.Applied: applied, wire.Booted: booted, wire.Healthy: healthy,
	wire.RolledBack: rolledBack, wire.Failed: failed}

// hash is a text in the eight bytes that it is noted by. Of a thousand million
// that are noted, one new text in ten thousand million has the hash of another,
// and is not counted.
func hash(text string) int64 {
	sum := sha256.Sum256([]byte("friday outcome 1\x00" + text))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// past is what is noted of an offer, a claim or a member.
type past struct {
	events events
	times  times
}

// note notes keys, at most batch of them, as long as their reports are to be kept.
// It returns those that were not noted before, once each and in their order, how
// long they took, and all that is noted now of whom they are of.
func note(tx *db.Tx, reports []Report, keys []seen) (fresh []seen, took []paceKey, all map[string]past, err error) {
	if len(keys) == 0 {
		return nil, nil, nil, nil
	}
	if all, err = noted(tx, keys); err != nil {
		return nil, nil, nil, err
	}
	type row struct {
		added   events
		expires int64
	}
	rows := map[string]row{}
	var order []string
	for i, k := range keys {
		r, has := rows[k.of]
		p := all[k.of]
		if p.events&k.event != 0 {
			continue
		}
		if !has {
			order = append(order, k.of)
		}
		took = p.times.steps(took, &reports[i], p.events)
		p.events |= k.event
		p.times = p.times.with(k.event, reports[i].At)
		all[k.of] = p
		rows[k.of] = row{r.added | k.event, max(r.expires, reports[i].keptUntil(tx.Now().Unix()))}
		fresh = append(fresh, k)
	}
	args := make([]any, 0, 4*len(order))
	for _, of := range order {
		args = append(args, hash(of), int64(rows[of].added), rows[of].expires, int64(all[of].times))
	}
	return fresh, took, all, insert(tx, "INSERT INTO outcomes_noted (key, events, expires, times) VALUES ", 4, args,
		" ON CONFLICT (key) DO UPDATE SET events = outcomes_noted.events | excluded.events, times = excluded.times, expires = CASE WHEN excluded.expires > outcomes_noted.expires THEN excluded.expires ELSE outcomes_noted.expires END")
}

// noted is what was noted before of whom keys are of.
func noted(tx *db.Tx, keys []seen) (map[string]past, error) {
	of, args := map[int64]string{}, []any(nil)
	for _, k := range keys {
		h := hash(k.of)
		if _, twice := of[h]; !twice {
			of[h] = k.of
			args = append(args, h)
		}
	}
	type row struct {
		key, events, times int64
	}
	marks, args := among(args)
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.key, &r.events, &r.times) },
		"SELECT key, events, times FROM outcomes_noted WHERE key IN ("+marks+")", args...)
	if err != nil {
		return nil, err
	}
	all := map[string]past{}
	for _, r := range rows {
		all[of[r.key]] = past{events(r.events), times(r.times)}
	}
	return all, earlier(tx, keys, all)
}

// earlier adds what was noted while each event had a row of its own.
func earlier(tx *db.Tx, keys []seen, all map[string]past) error {
	var old bool
	if err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM outcomes_seen)").Scan(&old); err != nil || !old {
		return err
	}
	var args []any
	for _, k := range keys {
		args = append(args, k.of)
	}
	type row struct{ of, event string }
	marks, args := among(args)
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.of, &r.event) },
		"SELECT token, event FROM outcomes_seen WHERE token IN ("+marks+")", args...)
	if err != nil {
		return err
	}
	for _, r := range rows {
		e := bitOf[wire.Event(r.event)]
		switch {
		case e != 0:
		case r.event == "failed download":
			e = failedDownload
		case r.event == "bad":
			e = bad
		default:
			return fmt.Errorf("cannot read outcomes that were counted before: one is %q", r.event)
		}
		p := all[r.of]
		p.events |= e
		all[r.of] = p
	}
	return nil
}
