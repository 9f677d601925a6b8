package measure

import (
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback/survival"
)

// By is the curve of DaysToFix over all reports, and over those of each device,
// each part of the system and each week in which reports came.
type By struct {
	All     survival.Curve
	Devices map[string]survival.Curve // by codename; "": reports that name none
	Parts   map[string]survival.Curve
	Weeks   map[string]survival.Curve // by the week's Monday, as 2026-11-23, in UTC
}

const week = 7 * 24 * time.Hour

// monday is one, from which weeks are counted.
var monday = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// DaysToFixBy reads every report once. What counts is what DaysToFix counts.
func DaysToFixBy(tx *db.Tx) (by By, err error) {
	type report struct {
		span         survival.Span
		device, part string
		week         int64
	}
	all, err := db.All(tx, func(s db.Scanner) (r report, err error) {
		var hours int64
		err = s.Scan(&hours, &r.span.Happened, &r.device, &r.part, &r.week, &r.span.Count)
		r.span.Time = float64(max(hours, 0)) / 24
		return r, err
	}, `SELECT (CASE WHEN d.state = 'confirmed' THEN d.since ELSE $1 END - d.reported_at) / $2 AS hours, d.state = 'confirmed' AS fixed, d.device, t.part, (d.reported_at - $3) / $4 AS week, COUNT(*)
		FROM thread_devices d JOIN threads t ON t.id = d.thread_id
		WHERE t.kind = 'bug' AND NOT t.hidden AND NOT t.private AND t.merged_into = 0 AND d.affected > 0
		GROUP BY 1, 2, 3, 4, 5`, tx.Now(), time.Hour.Microseconds(), monday, week.Microseconds())
	if err != nil {
		return by, fmt.Errorf("cannot measure the days to a fix: %w", err)
	}
	var whole []survival.Span
	devices, parts, weeks := map[string][]survival.Span{}, map[string][]survival.Span{}, map[string][]survival.Span{}
	for _, r := range all {
		whole = append(whole, r.span)
		devices[r.device] = append(devices[r.device], r.span)
		parts[r.part] = append(parts[r.part], r.span)
		name := monday.Add(time.Duration(r.week) * week).Format(time.DateOnly)
		weeks[name] = append(weeks[name], r.span)
	}
	return By{survival.Estimate(whole), curves(devices), curves(parts), curves(weeks)}, nil
}

func curves(spans map[string][]survival.Span) map[string]survival.Curve {
	all := map[string]survival.Curve{}
	for name, s := range spans {
		all[name] = survival.Estimate(s)
	}
	return all
}
