package fleet

import (
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/wire"
)

// ActiveDays is how many days a handset counts as active after a check-in, that
// day included.
const ActiveDays = 28

// Active handsets are counted as Fedora's countme and Omaha do, by what the
// handset says of itself: how many days ago it asked last. Its first check-in
// of a day adds one to the count of that day and gap. Over any window, a handset
// is then counted once: on the day when its gap reaches back to before the
// window. Nobody is told apart for that. A check-in whose answer was lost is sent
// again and counts twice, and anyone can pretend to be many: the figure is for
// people to look at, and no rule depends on it.

// Day is one first check-in of a day, without the handset.
type Day struct {
	Device string
	Day    int64 // UTC days since 1970
	Gap    int   // 1 to ActiveDays
}

// DayOf is what a check-in adds to the counts; ok is false if it is not the
// handset's first of the day.
func DayOf(c *wire.CheckIn, now time.Time) (d Day, ok bool) {
	if c.DaysSinceLast == 0 {
		return Day{}, false
	}
	gap := ActiveDays
	if c.DaysSinceLast > 0 {
		gap = min(c.DaysSinceLast, ActiveDays)
	}
	return Day{c.Device, now.Unix() / 86400, gap}, true
}

// AddDays adds counts, those of devices that the catalogue does not have left
// out, and forgets what no window reaches any more.
func AddDays(tx *db.Tx, days map[Day]int64) error {
	if len(days) == 0 {
		return nil
	}
	list, err := device.List(tx)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, d := range list {
		known[d.Codename] = true
	}
	var newest int64
	for d, n := range days {
		if !known[d.Device] {
			continue
		}
		newest = max(newest, d.Day)
		if _, err := tx.Exec(`INSERT INTO handset_days (device, day, gap, n) VALUES ($1, $2, $3, $4)
			ON CONFLICT (device, day, gap) DO UPDATE SET n = handset_days.n + excluded.n`, d.Device, d.Day, d.Gap, n); err != nil {
			return fmt.Errorf("cannot count active handsets: %w", err)
		}
	}
	if _, err := tx.Exec(`DELETE FROM handset_days WHERE day <= $1`, newest-2*ActiveDays); err != nil {
		return fmt.Errorf("cannot forget old counts of active handsets: %w", err)
	}
	return nil
}

// Active is how many handsets of each device checked in within the last
// ActiveDays; a device of which none did is not in it.
func Active(tx *db.Tx) (map[string]int64, error) {
	type row struct {
		device string
		n      int64
	}
	today := tx.Now().Unix() / 86400
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.device, &r.n) },
		`SELECT device, CAST(SUM(n) AS BIGINT) FROM handset_days WHERE day > $1 AND day <= $2 AND gap > day - $1 - 1 GROUP BY device`,
		today-ActiveDays, today)
	if err != nil {
		return nil, fmt.Errorf("cannot count active handsets: %w", err)
	}
	active := map[string]int64{}
	for _, r := range rows {
		active[r.device] = r.n
	}
	return active, nil
}

// ByGap is how many handsets of a device checked in on a day (UTC days since
// 1970), by how many days after their check-in before, 1 to ActiveDays; those of
// ActiveDays came after longer, or for the first time.
func ByGap(tx *db.Tx, device string, day int64) (map[int]int64, error) {
	type row struct {
		gap int
		n   int64
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.gap, &r.n) },
		"SELECT gap, n FROM handset_days WHERE device = $1 AND day = $2", device, day)
	if err != nil {
		return nil, fmt.Errorf("cannot count active handsets: %w", err)
	}
	by := map[int]int64{}
	for _, r := range rows {
		by[r.gap] = r.n
	}
	return by, nil
}
