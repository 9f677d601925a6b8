package outcome

import (
	"fmt"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/wire"
)

// Breakdown is what became of one rollout's offers, summed in several ways. Each
// is of all handsets, enrolled or not, but Enrolled.
type Breakdown struct {
	All, Enrolled Group
	ByRegion      map[string]Group // as Region writes it; "": not told
	BySource      map[string]Group // by the incremental of the build before; "": none that was known
}

// BreakdownOf sums the outcomes of one rollout.
func BreakdownOf(tx *db.Tx, rollout int64) (Breakdown, error) {
	b := Breakdown{ByRegion: map[string]Group{}, BySource: map[string]Group{}}
	rows, err := tx.Query("SELECT region, from_incremental, event, CASE WHEN stage = 'download' THEN 1 ELSE 0 END, enrolled, CAST(SUM(n) AS BIGINT) FROM outcome_sums WHERE rollout = $1 GROUP BY 1, 2, 3, 4, 5", rollout)
	if err != nil {
		return b, fmt.Errorf("cannot sum outcomes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var region, from, event string
		var download, n int64
		var enrolled bool
		if err := rows.Scan(&region, &from, &event, &download, &enrolled, &n); err != nil {
			return b, err
		}
		into := func(g Group) Group { g.add(wire.Event(event), download == 1, n); return g }
		b.All, b.ByRegion[region], b.BySource[from] = into(b.All), into(b.ByRegion[region]), into(b.BySource[from])
		if enrolled {
			b.Enrolled = into(b.Enrolled)
		}
	}
	return b, rows.Err()
}
