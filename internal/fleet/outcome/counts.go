package outcome

import (
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/wire"
)

// Group tells enrolled handsets' outcomes from anonymous ones.
type Group struct {
	Downloaded     int64 `json:"downloaded,omitempty"`
	Verified       int64 `json:"verified,omitempty"`
	Applied        int64 `json:"applied,omitempty"`
	Booted         int64 `json:"booted,omitempty"`
	Healthy        int64 `json:"healthy,omitempty"`
	RolledBack     int64 `json:"rolled_back,omitempty"`
	Failed         int64 `json:"failed,omitempty"` // at verify, apply or boot
	FailedDownload int64 `json:"failed_download,omitempty"`
	Silent         int64 `json:"silent,omitempty"` // applied, and nothing since for SilentAfter
}

// Ended is how many handsets ended an update, well or badly.
func (g Group) Ended() int64 { return g.Booted + g.Bad() }

// Bad is how many handsets ended an update badly.
func (g Group) Bad() int64 { return g.RolledBack + g.Failed + g.Silent }

// Plus is g and o, times sign.
func (g Group) Plus(o Group, sign int64) Group {
	return Group{
		Downloaded: g.Downloaded + sign*o.Downloaded, Verified: g.Verified + sign*o.Verified, Applied: g.Applied + sign*o.Applied,
		Booted: g.Booted + sign*o.Booted, Healthy: g.Healthy + sign*o.Healthy, RolledBack: g.RolledBack + sign*o.RolledBack,
		Failed: g.Failed + sign*o.Failed, FailedDownload: g.FailedDownload + sign*o.FailedDownload, Silent: g.Silent + sign*o.Silent,
	}
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
	case silent:
		g.Silent += n
	case wire.Failed:
		if download {
			g.FailedDownload += n
		} else {
			g.Failed += n
		}
	}
}

// Counts are the outcomes of one rollout, summed.
type Counts struct {
	Enrolled  Group   `json:"enrolled"` // one voice of each member who had claimed the handset before the release was cut
	Anonymous Group   `json:"anonymous"`
	Crashes   Crashes `json:"crashes,omitzero"`
}

// Crashes are what members' reports say of a rollout's build.
type Crashes struct {
	Clusters int64 `json:"clusters,omitempty"` // crashes that are new in the build, or grew
	Members  int64 `json:"members,omitempty"`  // enrolled members who met the most frequent of them
}

// Ended is how many handsets ended an update, enrolled or not.
func (c Counts) Ended() int64 { return c.Enrolled.Ended() + c.Anonymous.Ended() }

// All are the outcomes of enrolled and anonymous handsets together.
func (c Counts) All() Group { return c.Enrolled.Plus(c.Anonymous, 1) }

// Regional are counts by region, as Region writes it; "" is for handsets that
// did not tell theirs, and has the crashes, of which no region is known.
type Regional map[string]Counts

// Total is the sum over all regions.
func (r Regional) Total() (sum Counts) {
	for _, c := range r {
		sum.Enrolled, sum.Anonymous = sum.Enrolled.Plus(c.Enrolled, 1), sum.Anonymous.Plus(c.Anonymous, 1)
		sum.Crashes.Clusters += c.Crashes.Clusters
		sum.Crashes.Members += c.Crashes.Members
	}
	return sum
}

// Region is how a handset's region is counted: two capital letters, as ISO 3166
// has them, or "GLOBAL"; empty for any other text, so that strangers cannot make
// up regions without end.
func Region(told string) string {
	up := make([]byte, 0, len("GLOBAL"))
	for i := range min(len(told), cap(up)+1) {
		c := told[i]
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		up = append(up, c)
	}
	switch {
	case string(up) == "GLOBAL":
		return "GLOBAL"
	case len(up) == 2 && 'A' <= up[0] && up[0] <= 'Z' && 'A' <= up[1] && up[1] <= 'Z':
		return string(up)
	}
	return ""
}

// Of sums the outcomes of one rollout.
func Of(tx *db.Tx, rollout int64) (Counts, error) {
	all, err := counts(tx, "WHERE rollout = $1", rollout)
	return all[rollout].Total(), err
}

// RegionalOf sums the outcomes of one rollout in each region.
func RegionalOf(tx *db.Tx, rollout int64) (Regional, error) {
	all, err := counts(tx, "WHERE rollout = $1", rollout)
	return all[rollout], err
}

// Sums sums the outcomes of all rollouts, by rollout and region.
func Sums(tx *db.Tx) (map[int64]Regional, error) { return counts(tx, "") }

func counts(tx *db.Tx, where string, args ...any) (map[int64]Regional, error) {
	rows, err := tx.Query("SELECT rollout, region, event, CASE WHEN stage = 'download' THEN 1 ELSE 0 END, enrolled, CAST(SUM(n) AS BIGINT) FROM outcome_sums "+where+" GROUP BY 1, 2, 3, 4, 5", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[int64]Regional{}
	for rows.Next() {
		var rollout, download, n int64
		var region, event string
		var enrolled bool
		if err := rows.Scan(&rollout, &region, &event, &download, &enrolled, &n); err != nil {
			return nil, err
		}
		if all[rollout] == nil {
			all[rollout] = Regional{}
		}
		c := all[rollout][region]
		g := &c.Anonymous
		if enrolled {
			g = &c.Enrolled
		}
		g.add(wire.Event(event), download == 1, n)
		all[rollout][region] = c
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	return all, addCrashes(tx, all, where, args...)
}

// addCrashes adds what NoteCrashes noted of the same rollouts.
func addCrashes(tx *db.Tx, all map[int64]Regional, where string, args ...any) error {
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
		if all[rollout] == nil {
			all[rollout] = Regional{}
		}
		n := all[rollout][""]
		n.Crashes = c
		all[rollout][""] = n
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
