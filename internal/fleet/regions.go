package fleet

import (
	"encoding/json"
	"fmt"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet/outcome"
)

// list reads rollouts with the regions in which they are stopped.
func list(tx *db.Tx, query string, args ...any) ([]Rollout, error) {
	rollouts, err := db.All(tx, scan, query, args...)
	if err != nil || len(rollouts) == 0 {
		return rollouts, err
	}
	stopped, err := readStopped(tx, "")
	for i := range rollouts {
		rollouts[i].Regions = stopped[rollouts[i].ID]
	}
	return rollouts, err
}

func stoppedIn(tx *db.Tx, rollout int64) ([]StoppedRegion, error) {
	stopped, err := readStopped(tx, "WHERE rollout = $1", rollout)
	return stopped[rollout], err
}

func readStopped(tx *db.Tx, where string, args ...any) (map[int64][]StoppedRegion, error) {
	rows, err := tx.Query("SELECT rollout, region, reason, actor, figures, at FROM rollout_regions "+where+" ORDER BY rollout, region", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	stopped := map[int64][]StoppedRegion{}
	for rows.Next() {
		var rollout int64
		var s StoppedRegion
		var figure string
		if err := rows.Scan(&rollout, &s.Region, &s.Reason, &s.Actor, &figure, &s.At); err != nil {
			return nil, err
		}
		if err := readFigure(figure, &s.Figure); err != nil {
			return nil, fmt.Errorf("cannot read why rollout %d is stopped in %s: %w", rollout, s.Region, err)
		}
		stopped[rollout] = append(stopped[rollout], s)
	}
	return stopped, rows.Err()
}

// HaltRegion stops a rollout in one region; the others go on.
func HaltRegion(tx *db.Tx, id int64, c RegionChange, actor string) (Rollout, error) {
	r, err := ByID(tx, id)
	if err != nil {
		return Rollout{}, err
	}
	switch {
	case outcome.Region(c.Region) != c.Region || c.Region == "":
		return Rollout{}, said.New("regions", "region-name", "Region", c.Region)
	case c.Reason == "":
		return Rollout{}, fmt.Errorf("cannot halt rollout of %s for %s in %s: a reason must be given", r.Release, r.Device, c.Region)
	case r.State != Running && r.State != Held && r.State != Complete:
		return Rollout{}, fmt.Errorf("cannot halt rollout of %s for %s in %s: it is %s", r.Release, r.Device, c.Region, r.State)
	case r.Stopped(c.Region):
		return Rollout{}, fmt.Errorf("cannot halt rollout of %s for %s in %s: it is halted there already", r.Release, r.Device, c.Region)
	}
	if _, err := tx.Exec("INSERT INTO rollout_regions (rollout, region, reason, actor, figures, at) VALUES ($1, $2, $3, $4, $5, $6)",
		id, c.Region, c.Reason, actor, writeFigure(c.Figure), tx.Now()); err != nil {
		return Rollout{}, err
	}
	return regionChanged(tx, id, "rollout.halt-region", c.Region, actor, c.Reason, c.Figure)
}

// ResumeRegion lets a rollout go on in a region. The region's outcomes until now
// no longer count for the rule that stopped it there.
func ResumeRegion(tx *db.Tx, id int64, region, actor, reason string) (Rollout, error) {
	r, err := ByID(tx, id)
	if err != nil {
		return Rollout{}, err
	}
	if !r.Stopped(region) || reason == "" {
		return Rollout{}, fmt.Errorf("cannot resume rollout of %s for %s in %q: it must be halted there, and a reason be given", r.Release, r.Device, region)
	}
	now, err := outcome.RegionalOf(tx, id)
	if err != nil {
		return Rollout{}, err
	}
	if r.Forgiven == nil {
		r.Forgiven = outcome.Regional{}
	}
	r.Forgiven[region] = now[region]
	forgiven, err := json.Marshal(r.Forgiven)
	if err != nil {
		return Rollout{}, err
	}
	if _, err := tx.Exec("UPDATE rollouts SET forgiven = $2 WHERE id = $1", id, string(forgiven)); err != nil {
		return Rollout{}, err
	}
	if _, err := tx.Exec("DELETE FROM rollout_regions WHERE rollout = $1 AND region = $2", id, region); err != nil {
		return Rollout{}, err
	}
	return regionChanged(tx, id, "rollout.resume-region", region, actor, reason, nil)
}

func regionChanged(tx *db.Tx, id int64, action, region, actor, reason string, f *Figure) (Rollout, error) {
	if err := bump(tx, id); err != nil {
		return Rollout{}, err
	}
	r, err := ByID(tx, id)
	if err != nil {
		return Rollout{}, err
	}
	detail, err := json.Marshal(map[string]any{"rollout": id, "region": region, "reason": reason, "figure": f})
	if err != nil {
		return Rollout{}, err
	}
	return r, audit.Record(tx, audit.Event{Actor: actor, Action: action, Subject: r.Release + " " + r.Device + " " + r.Channel + " " + region, Detail: string(detail)})
}

func writeFigure(f *Figure) string {
	if f == nil {
		return ""
	}
	text, err := json.Marshal(f)
	if err != nil { // numbers and texts
		panic(err)
	}
	return string(text)
}

func readFigure(text string, f **Figure) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), f)
}
