// Package order is what moderators do to threads so that others find their way:
// move, merge, split, and who sees a private one. It changes what threads
// are and never where they stand, which follows from what happened. Whether the
// actor may is for the caller to know. Hiding and locking is in package feedback, since it
// decides who sees and writes what.
package order

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/mistake"
)

// Place is where a thread belongs, and what it is called there.
type Place struct {
	Title   string
	Kind    feedback.Kind
	Part    string
	Lang    string
	Devices []string // none: AnyDevice; kinds without a way have none
}

// Move gives a thread another title, kind, part, language or other devices. Who
// had it on a device that it no longer names has it on those that it names
// instead. What happened to it on its devices stays known.
func Move(tx *db.Tx, actor, threadID int64, p Place) error {
	t, err := feedback.ByID(tx, feedback.Everything(), threadID)
	if err != nil {
		return err
	}
	n := feedback.NewThread{Kind: p.Kind, Title: p.Title, Body: "-", Part: p.Part, Lang: p.Lang, Devices: p.Devices, Build: t.Build}
	if err := n.Check(); err != nil {
		return err
	}
	if t.Private && n.Kind != feedback.Bug {
		return mistake.New("kind", "private-is-bug", "A private report is a bug.")
	}
	want := []string{}
	if n.Kind.Tracked() {
		if want = slices.Compact(slices.Sorted(slices.Values(n.Devices))); len(want) == 0 {
			want = []string{feedback.AnyDevice}
		}
	}
	if _, err := tx.Exec(`UPDATE threads SET kind = $2, title = $3, title_key = $4, part = $5, lang = $6 WHERE id = $1`,
		t.ID, string(n.Kind), n.Title, strings.ToLower(n.Title), n.Part, n.Lang); err != nil {
		return fmt.Errorf("cannot move thread %d: %w", threadID, err)
	}
	if n.Kind != feedback.Question && t.AcceptedID != 0 || n.Kind != t.Kind && !n.Kind.Tracked() {
		if _, err := tx.Exec(`UPDATE threads SET accepted_id = 0, closed_at = 0 WHERE id = $1`, t.ID); err != nil {
			return fmt.Errorf("cannot move thread %d: %w", threadID, err)
		}
	}
	if err := moveDevices(tx, t, want); err != nil {
		return fmt.Errorf("cannot move thread %d: %w", threadID, err)
	}
	if err := feedback.Record(tx, feedback.Event{ThreadID: t.ID, Kind: feedback.EventMoved, Actor: actor}); err != nil {
		return err
	}
	return feedback.Settle(tx, t.ID)
}

func moveDevices(tx *db.Tx, t feedback.Thread, want []string) error {
	var gone, come []string
	for _, d := range t.Devices {
		if !slices.Contains(want, d.Device) {
			gone = append(gone, d.Device)
		}
	}
	for _, d := range want {
		if !slices.ContainsFunc(t.Devices, func(s feedback.DeviceState) bool { return s.Device == d }) {
			come = append(come, d)
		}
	}
	movers := []int64{t.AuthorID}
	for _, d := range gone {
		had, err := db.All(tx, func(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) },
			`SELECT member_id FROM thread_affected WHERE thread_id = $1 AND device = $2 ORDER BY member_id`, t.ID, d)
		if err != nil {
			return err
		}
		movers = append(movers, had...)
		for _, table := range []string{"thread_affected", "thread_devices"} {
			if _, err := tx.Exec(`DELETE FROM `+table+` WHERE thread_id = $1 AND device = $2`, t.ID, d); err != nil {
				return err
			}
		}
	}
	for _, d := range come {
		for _, m := range movers {
			if m == feedback.FormerMember {
				continue
			}
			if _, err := feedback.Affect(tx, t.ID, m, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// Name lets a member see a private thread; those who see it, its author left out,
// may name others. Whether the member is a maintainer is for the caller to know.
func Name(tx *db.Tx, v feedback.Viewer, threadID, memberID int64) error {
	t, err := feedback.ByID(tx, v, threadID)
	if err != nil {
		return fmt.Errorf("cannot show thread %d to another: %w", threadID, err)
	}
	switch {
	case !t.Private:
		return mistake.New("member", "name-public", "Everyone sees this thread already.")
	case t.AuthorID == v.Member:
		return mistake.New("member", "name-reporter", "The maintainers who see this thread name others; you reported it.")
	}
	return feedback.AddNamed(tx, t.ID, memberID, v.Member)
}

// Named returns who beside the author sees a private thread, in the order of
// their naming.
func Named(tx *db.Tx, v feedback.Viewer, threadID int64) ([]int64, error) {
	threadID, err := v.Sees(tx, threadID)
	var all []int64
	if err == nil {
		all, err = db.All(tx, func(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) },
			`SELECT member_id FROM thread_named WHERE thread_id = $1 ORDER BY at, member_id`, threadID)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read who sees thread %d: %w", threadID, err)
	}
	return all, nil
}
